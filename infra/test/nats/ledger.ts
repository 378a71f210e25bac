// A group's ledger and dead letters, read whole, to close its account by what was published.
import { type Account, closeAccount, DeadLetterReason, dlqStream, LedgerRow } from "@muster/contracts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JsMsg } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";

const bucket = "KV_MUSTER_LEDGER";

/** All revisions of the rows of the bucket, by event id, oldest first. */
export async function readRows(nc: NatsConnection): Promise<Map<string, LedgerRow[]>> {
  const rows = new Map<string, LedgerRow[]>();
  for await (const message of messagesOf(nc, bucket)) {
    const row = LedgerRow.parse(message.json());
    rows.set(row.event_id, [...(rows.get(row.event_id) ?? []), row]);
  }
  return rows;
}

/** `published`: event id → messages that carried it. */
export async function accountOf(
  nc: NatsConnection,
  stream: string,
  published: ReadonlyMap<string, number>,
): Promise<Account> {
  const deadLetters = [];
  for await (const { headers } of messagesOf(nc, dlqStream(stream)))
    deadLetters.push({
      eventId: headers?.last("Muster-Dlq-Event-Id") ?? "",
      id: headers?.last("Muster-Dlq-Id") ?? "",
      reason: DeadLetterReason.parse(headers?.last("Muster-Dlq-Reason")),
    });
  return closeAccount({ published, rows: await readRows(nc), deadLetters });
}

/** What is in a stream now, in order. */
async function* messagesOf(nc: NatsConnection, stream: string): AsyncGenerator<JsMsg> {
  const { state } = await (await jetstreamManager(nc)).streams.info(stream);
  let left = state.messages;
  if (left === 0) return;
  const consumer = await jetstream(nc).consumers.get(stream);
  for await (const message of await consumer.consume()) {
    yield message;
    left -= 1;
    // What was stored meanwhile is of no interest, what was deleted meanwhile would be waited for.
    if (left === 0 || message.info.pending === 0) return;
  }
}
