import { z } from "zod";
import { Timestamp } from "./values.ts";

/** What happens to an order; the last token of its subject and of its event id. */
export const orderEvents = ["created", "updated", "shipped"] as const;
export type OrderEvent = (typeof orderEvents)[number];

/** The order as its publisher sends it. Business rules (no negative amount) are the handler's. */
export const OrderV1 = z
  .strictObject({
    id: z.string().regex(/^[!-~]([ -~]{0,510}[!-~])?$/),
    customer: z.string().max(256),
    amount: z.number(),
    status: z.enum(["pending", "confirmed", "shipped", "delivered", "cancelled"]),
    created_at: Timestamp,
  })
  .meta({ title: "order.v1", description: "An order and its state after the event" });
export type OrderV1 = z.infer<typeof OrderV1>;

/** Where an event of an order is published. */
export function orderSubject(event: OrderEvent): string {
  return `orders.${event}`;
}

/** The identity of an event of an order. */
export function orderEventId(id: string, event: OrderEvent): string {
  return `${id}.${event}`;
}
