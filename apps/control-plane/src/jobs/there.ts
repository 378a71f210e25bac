// Whether what a job is about is still there.
import { dlqStream } from "@muster/contracts";
import { createTargets } from "../dead-letters/target.ts";
import { asMusterError } from "../errors.ts";
import { findStream } from "../groups/streams.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import type { ReplayJob } from "./job.ts";

/**
 * The last sequence of the dead-letter stream, or why the job cannot go on. Asked when letters have been read: so they
 * are of the stream that the job is about. A job about one group ends when that is gone; one about several goes on
 * with the others.
 */
export async function whatIsThere(
  nats: Nats,
  ledgers: Ledgers,
  { stream, filter, stream_created }: ReplayJob,
): Promise<{ lastSequence: number } | { code: string; message: string }> {
  const name = dlqStream(stream);
  const info = await findStream(nats, name);
  if (info === undefined)
    return {
      code: "no_stream",
      message: `stream ${name} is not there any more, and its dead letters with it`,
    };
  if (info.created !== stream_created)
    return {
      code: "stream_remade",
      message: `stream ${name} was made again: what lies there now is not what the job was created for`,
    };
  try {
    if (filter.group !== undefined) await createTargets(nats, ledgers, stream)(filter.group);
  } catch (error) {
    const known = asMusterError(error);
    if (known?.code !== "no_group" && known?.code !== "no_stream") throw error;
    return { code: known.code, message: known.message };
  }
  return { lastSequence: info.state.last_seq };
}
