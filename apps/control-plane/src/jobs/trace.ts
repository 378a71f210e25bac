// What the server still shows of a message that was sent back: whether it is settled, and the row of its event.
import { type LedgerRow, replayMsgId } from "@muster/contracts";
import { asMusterError } from "../errors.ts";
import { findConsumer } from "../groups/consumer.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import { messageAt } from "../nats/scan.ts";

/** A replay that lies, or lay, at a sequence of the stream. `id`: of its dead letter. */
export type Sent = { id: string; group: string; seq: number };

/** Whether the group is through with the message, or the message is gone. */
export async function isSettled(
  nats: Nats,
  stream: string,
  { id, group, seq }: Sent,
  retention: string,
): Promise<boolean> {
  const message = await messageAt(nats, stream, seq);
  // Another one there: the stream was made again.
  if (message?.headers?.last("Nats-Msg-Id") !== replayMsgId(id)) return true;
  if (retention !== "limits") return false;
  const consumer = await findConsumer(nats, stream, group);
  return (consumer?.ack_floor.stream_seq ?? 0) >= seq;
}

/** The row of an event, or nothing; "unseen" where there is no ledger, or none that we see. `isLeader`: the leader's. */
export async function rowOf(
  ledgers: Ledgers,
  { stream, group, eventId }: { stream: string; group: string; eventId: string },
  isLeader: boolean,
): Promise<LedgerRow | undefined | "unseen"> {
  if ((await ledgers.kind(stream, group)) === "none") return "unseen";
  try {
    const of = [stream, group, eventId] as const;
    return await (isLeader ? ledgers.leaderRow(...of) : ledgers.row(...of));
  } catch (error) {
    const code = asMusterError(error)?.code ?? "";
    if (/^(no_database|database_refused|ledger_schema)$/.test(code)) return "unseen";
    throw error;
  }
}
