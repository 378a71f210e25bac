import { checkStream, orderEvents } from "@muster/contracts";
import { z } from "zod";
import { EventId } from "../event-id.ts";
import { getOrder, OrderView } from "../orders/get.ts";
import { OrdersReport, publishOrders } from "../orders/publish.ts";
import { ledgersOf, operator, viewer, router } from "../trpc.ts";

const Item = z.strictObject({
  event: z.enum(orderEvents),
  order: z.unknown().optional(),
  event_id: EventId.optional(),
});

/** Order events: publish some, see what became of one order's. */
export const orders = router({
  publish: operator
    .meta({ role: "operator", isPrivate: true })
    .input(
      z.strictObject({
        stream: z.string().optional().describe("Refuse unless this stream takes them"),
        orders: z.array(Item).min(1).max(10_000),
      }),
    )
    .output(OrdersReport)
    .mutation(({ ctx, input }) => {
      if (input.stream !== undefined) checkStream(input.stream);
      return publishOrders(ctx.nats.current(), input.orders, input.stream);
    }),

  get: viewer
    .input(z.strictObject({ stream: z.string(), group: z.string(), id: z.string().min(1).max(1024) }))
    .output(OrderView)
    .query(({ ctx, input }) => getOrder(ctx.nats.current(), ledgersOf(ctx), input)),
});
