// Ledger rows as the control plane reads them; it never writes one.
import { buckets, LedgerRow, ledgerKey } from "@muster/contracts";
import { getText, readBucket } from "./bucket.ts";
import type { Nats } from "./connection.ts";

/** The row of an event in a group, or nothing; a row that does not pass its schema counts as nothing. */
export async function getRow(
  nats: Nats,
  stream: string,
  group: string,
  eventId: string,
): Promise<LedgerRow | undefined> {
  const text = await getText(nats, buckets.ledger, ledgerKey(stream, group, eventId));
  return text === undefined ? undefined : parseRow(text);
}

/** All rows of a stream, or of one of its groups, by `<stream>.<group>.<hash>`. */
export async function readRows(nats: Nats, stream: string, group?: string): Promise<Map<string, LedgerRow>> {
  const filter = group === undefined ? `${stream}.>` : `${stream}.${group}.>`;
  const rows = new Map<string, LedgerRow>();
  for (const [key, { value }] of await readBucket(nats, buckets.ledger, filter)) {
    const row = parseRow(new TextDecoder().decode(value));
    if (row !== undefined) rows.set(key, row);
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
