// Publishes order events: checked against the contract, many in flight, an outcome for each.
import {
  contractSchemas,
  createVerdict,
  headerText,
  OrderV1,
  type OrderEvent,
  orderEventId,
  orderSubject,
} from "@muster/contracts";
import { z } from "zod";
import { asMusterError, fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { publish } from "../nats/publish.ts";

const CONTRACT = "order.v1";
const AT_ONCE = 256;

const verdict = createVerdict(CONTRACT, contractSchemas[CONTRACT]);

/** An event to publish; without an event id it is `<order id>.<event>`. */
export type OrderItem = { event: OrderEvent; order?: unknown; event_id?: string | undefined };

/** What became of one item. `failed` may have been stored all the same when NATS did not answer: publish it again. */
const OrderOutcome = z.union([
  z.strictObject({
    index: z.int(),
    outcome: z.enum(["published", "duplicate"]),
    event_id: z.string(),
    stream: z.string(),
    seq: z.int(),
  }),
  z.strictObject({
    index: z.int(),
    outcome: z.enum(["invalid", "failed"]),
    event_id: z.string().optional(),
    code: z.string(),
    error: z.string(),
  }),
]);
export type OrderOutcome = z.infer<typeof OrderOutcome>;

/** Counts by outcome, and each item's own, in the order given. */
export const OrdersReport = z
  .strictObject({ counts: z.record(z.string(), z.int()), outcomes: z.array(OrderOutcome) })
  .meta({ id: "OrdersReport" });
export type OrdersReport = z.infer<typeof OrdersReport>;

/** Publishes the items. Throws `no_stream` when no stream takes order events. */
export async function publishOrders(
  nats: Nats,
  items: readonly OrderItem[],
  stream?: string,
): Promise<OrdersReport> {
  if (stream !== undefined) await checkTakes(nats, stream, items);
  const outcomes: OrderOutcome[] = [];
  for (let i = 0; i < items.length; i += AT_ONCE) {
    const some = items.slice(i, i + AT_ONCE);
    outcomes.push(...(await Promise.all(some.map((item, j) => publishOne(nats, item, i + j)))));
  }
  const sent = outcomes.filter(({ outcome }) => outcome !== "invalid");
  if (sent.length > 0 && sent.every((item) => "code" in item && item.code === "no_stream")) {
    throw fail(
      "no_stream",
      "no stream takes orders.created, orders.updated or orders.shipped; apply a group with subjects orders.> first",
    );
  }
  const counts: Record<string, number> = {};
  for (const { outcome } of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return { counts, outcomes };
}

async function publishOne(nats: Nats, item: OrderItem, index: number): Promise<OrderOutcome> {
  const body = new TextEncoder().encode(JSON.stringify(item.order) ?? "");
  const answer = verdict(body);
  if (!answer.ok) return { index, outcome: "invalid", code: answer.code, error: answer.error };
  const eventId = item.event_id ?? orderEventId((answer.value as OrderV1).id, item.event);
  // The id is compared in its header text form everywhere; send it in that form.
  const id = headerText(eventId, Number.POSITIVE_INFINITY);
  const headers = { "Muster-Event-Id": id, "Nats-Msg-Id": id, "Muster-Contract": CONTRACT };
  try {
    const sent = await publish(nats, orderSubject(item.event), body, headers);
    if (sent.type === "stored") {
      return {
        index,
        outcome: sent.duplicate ? "duplicate" : "published",
        event_id: id,
        stream: sent.stream,
        seq: sent.seq,
      };
    }
    if (sent.type === "no_stream")
      return {
        index,
        outcome: "failed",
        event_id: id,
        code: "no_stream",
        error: `no stream takes ${orderSubject(item.event)}`,
      };
    return {
      index,
      outcome: "failed",
      event_id: id,
      code: "stream_refused",
      error: `${sent.error} (${sent.errCode})`,
    };
  } catch (error) {
    const known = asMusterError(error);
    if (known === undefined) throw error;
    return { index, outcome: "failed", event_id: id, code: known.code, error: known.message };
  }
}

async function checkTakes(nats: Nats, stream: string, items: readonly OrderItem[]): Promise<void> {
  for (const event of new Set(items.map((item) => item.event))) {
    const takes = await nats.jsm.streams.find(orderSubject(event)).catch((error: unknown) => {
      if (asMusterError(error) !== undefined) throw error;
      return undefined;
    });
    if (takes !== stream) {
      throw fail(
        "no_stream",
        `stream ${stream} does not take ${orderSubject(event)}${takes === undefined ? ", and no other does" : `; stream ${takes} does`}`,
      );
    }
  }
}
