// What became of an order in a group: the ledger rows of its events.
import { checkName, headerText, type OrderEvent, orderEventId, orderEvents } from "@muster/contracts";
import { fail } from "../errors.ts";
import { getSpec } from "../groups/specs.ts";
import type { Nats } from "../nats/connection.ts";
import type { Ledgers } from "../ledger/ledgers.ts";

/** One event of an order; `none`: not settled, or never published. */
export type OrderEventView = {
  event: OrderEvent;
  event_id: string;
  status: "done" | "dead" | "none";
  result?: unknown;
  reason?: string;
  error?: string;
  dead_letter_id?: string;
  member?: string;
  language?: string;
  at?: string;
  /** Messages that brought this event, the first included. */
  messages?: number;
};

/**
 * The order's events by their usual ids, `<order id>.<event>`. Throws `no_ledger` for a group that
 * keeps none, and `no_database` where it is in Postgres and cannot be asked.
 */
export async function getOrder(
  nats: Nats,
  ledgers: Ledgers,
  { stream, group, id }: { stream: string; group: string; id: string },
): Promise<{ id: string; events: OrderEventView[] }> {
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
