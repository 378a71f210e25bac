// Ledger rows in the bucket, as the control plane reads them; it never writes one.
import { buckets, LedgerRow, ledgerKey } from "@muster/contracts";
import { getEntry, getText, readBucket } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import type { SettledRow } from "./ledgers.ts";

/** The row of an event in a group, or nothing, as `read` has it, by default any replica; a row that does not pass its schema counts as nothing. */
export async function getKvRow(
  nats: Nats,
  stream: string,
  group: string,
  eventId: string,
  read = getEntry,
): Promise<LedgerRow | undefined> {
  const text = await getText(nats, buckets.ledger, ledgerKey(stream, group, eventId), read);
  return text === undefined ? undefined : parseRow(text);
}

/** All rows of a stream's groups. */
export async function readKvRows(nats: Nats, stream: string): Promise<SettledRow[]> {
  const rows: SettledRow[] = [];
  for (const [key, { value }] of await readBucket(nats, buckets.ledger, `${stream}.>`)) {
    const row = parseRow(new TextDecoder().decode(value));
    if (row !== undefined) rows.push({ ...row, group: key.split(".")[1] ?? "" });
  }
  return rows;
}

function parseRow(text: string): LedgerRow | undefined {
  try {
    return LedgerRow.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
