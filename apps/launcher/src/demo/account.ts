import {
  type Account,
  buckets,
  closeAccount,
  DeadLetterReason,
  dlqFilter,
  dlqStream,
  LedgerRow,
  type LetterEntry,
  type RowRevision,
} from "@muster/contracts";
import type { JetStreamClient, JsMsg } from "@nats-io/jetstream";

/** The group whose account is closed. */
export type AccountOf = { stream: string; group: string };

/**
 * Reads the ledger (all revisions it keeps) and the dead letters of a group and closes the account
 * over what was published. Nothing may be at work on the group meanwhile.
 */
export async function readAccount(
  js: JetStreamClient,
  { stream, group }: AccountOf,
  published: ReadonlyMap<string, number>,
): Promise<Account> {
  const rows = new Map<string, RowRevision[]>();
  const ledger = await readAll(
    js,
    `KV_${buckets.ledger}`,
    `$KV.${buckets.ledger}.${stream}.${group}.>`,
    toRow,
  );
  for (const row of ledger) rows.set(row.event_id, [...(rows.get(row.event_id) ?? []), row]);
  const deadLetters = await readAll(js, dlqStream(stream), dlqFilter(stream, group), toLetter);
  return closeAccount({ published, rows, deadLetters });
}

// An empty value is a marker of a deleted row: nobody deletes rows here, so it settles nothing.
function toRow(message: JsMsg): LedgerRow | undefined {
  return message.data.length === 0 ? undefined : LedgerRow.parse(message.json());
}

function toLetter(message: JsMsg): LetterEntry {
  const header = (name: string): string => message.headers?.last(name) ?? "";
  return {
    eventId: header("Muster-Dlq-Event-Id"),
    id: header("Muster-Dlq-Id"),
    reason: DeadLetterReason.parse(header("Muster-Dlq-Reason")),
  };
}

async function readAll<T>(
  js: JetStreamClient,
  stream: string,
  filter: string,
  convert: (message: JsMsg) => T | undefined,
): Promise<T[]> {
  const consumer = await js.consumers.get(stream, { filter_subjects: filter });
  const { num_pending } = await consumer.info();
  const found: T[] = [];
  if (num_pending === 0) return found;
  const messages = await consumer.consume();
  for await (const message of messages) {
    const entry = convert(message);
    if (entry !== undefined) found.push(entry);
    if (message.info.pending === 0) break;
  }
  await messages.close();
  return found;
}
