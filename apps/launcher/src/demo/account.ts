import {
  type Account,
  buckets,
  closeAccount,
  DeadLetterReason,
  dlqFilter,
  dlqStream,
  LedgerRow,
  type LetterEntry,
} from "@muster/contracts";
import type { JetStreamClient, JsMsg } from "@nats-io/jetstream";

/** The group whose account is closed. */
export type AccountOf = { stream: string; group: string };

/** A dead letter, and the language of the member that made it. */
export type Letter = LetterEntry & { language: string };

/**
 * Reads the ledger (all revisions it keeps) and the dead letters of a group and closes the account
 * over what was published. Nothing may be at work on the group meanwhile.
 */
export async function readAccount(
  js: JetStreamClient,
  names: AccountOf,
  published: ReadonlyMap<string, number>,
): Promise<Account> {
  const rows = await readRows(js, names);
  return closeAccount({ published, rows, deadLetters: await readLetters(js, names) });
}

/** The revisions of each event's row that the ledger keeps, oldest first. */
export async function readRows(
  js: JetStreamClient,
  { stream, group }: AccountOf,
): Promise<Map<string, LedgerRow[]>> {
  const rows = new Map<string, LedgerRow[]>();
  const filter = `$KV.${buckets.ledger}.${stream}.${group}.>`;
  for (const row of await readAll(js, `KV_${buckets.ledger}`, filter, toRow))
    rows.set(row.event_id, [...(rows.get(row.event_id) ?? []), row]);
  return rows;
}

/** The dead letters of a group, copies among them. */
export async function readLetters(js: JetStreamClient, { stream, group }: AccountOf): Promise<Letter[]> {
  return readAll(js, dlqStream(stream), dlqFilter(stream, group), toLetter);
}

// An empty value is a marker of a deleted row: nobody deletes rows here, so it settles nothing.
function toRow(message: JsMsg): LedgerRow | undefined {
  return message.data.length === 0 ? undefined : LedgerRow.parse(message.json());
}

function toLetter(message: JsMsg): Letter {
  const header = (name: string): string => message.headers?.last(name) ?? "";
  return {
    eventId: header("Muster-Dlq-Event-Id"),
    id: header("Muster-Dlq-Id"),
    reason: DeadLetterReason.parse(header("Muster-Dlq-Reason")),
    language: header("Muster-Dlq-Language"),
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
