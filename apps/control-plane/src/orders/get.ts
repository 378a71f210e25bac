// What became of an order in a group: the ledger rows of its events.
import { checkName, headerText, type OrderEvent, orderEventId, orderEvents } from "@muster/contracts";
import { z } from "zod";
import { fail } from "../errors.ts";
import { getSpec } from "../groups/specs.ts";
import type { Nats } from "../nats/connection.ts";
import type { Ledgers } from "../ledger/ledgers.ts";

/** One event of an order; `none`: not settled, or never published. */
const OrderEventView = z.strictObject({
  event: z.enum(orderEvents),
  event_id: z.string(),
  status: z.enum(["done", "dead", "none"]).describe("none: not settled, or never published"),
  result: z.unknown().optional(),
  reason: z.string().optional(),
  error: z.string().optional(),
  dead_letter_id: z.string().optional(),
  member: z.string().optional(),
  language: z.string().optional(),
  at: z.string().optional(),
  messages: z.int().optional().describe("Messages that brought this event, the first included"),
});
export type OrderEventView = z.infer<typeof OrderEventView>;

/** An order: what became of each of its events. */
export const OrderView = z
  .strictObject({ id: z.string(), events: z.array(OrderEventView) })
  .meta({ id: "Order" });
export type OrderView = z.infer<typeof OrderView>;

/**
 * The order's events by their usual ids, `<order id>.<event>`. Throws `no_ledger` for a group that
 * keeps none, and `no_database` where it is in Postgres and cannot be asked.
 */
export async function getOrder(
  nats: Nats,
  ledgers: Ledgers,
  { stream, group, id }: { stream: string; group: string; id: string },
): Promise<OrderView> {
  checkName("stream", stream);
  checkName("group", group);
  const { spec } = await getSpec(nats, stream, group);
  if (spec.ledger === "none")
    throw fail(
      "no_ledger",
      `group ${group} of stream ${stream} keeps no ledger, so nothing tells what became of an order, unless it died: see its dead letters`,
    );
  const events = await Promise.all(
    orderEvents.map((event) => view(ledgers, stream, group, event, orderEventId(id, event))),
  );
  return { id, events };
}

async function view(
  ledgers: Ledgers,
  stream: string,
  group: string,
  event: OrderEvent,
  id: string,
): Promise<OrderEventView> {
  const event_id = headerText(id, Number.POSITIVE_INFINITY);
  const row = await ledgers.row(stream, group, event_id);
  if (row === undefined) return { event, event_id, status: "none" };
  const common = {
    event,
    event_id,
    member: row.member,
    language: row.language,
    at: row.at,
    messages: 1 + row.sequences.length + row.more,
  };
  if (row.status === "done")
    return { ...common, status: "done", ...("result" in row ? { result: row.result } : {}) };
  const headers = row.headers ?? {};
  return {
    ...common,
    status: "dead",
    reason: row.reason ?? "",
    error: headers["Muster-Dlq-Error"] ?? "",
    dead_letter_id: headers["Muster-Dlq-Id"] ?? "",
  };
}
