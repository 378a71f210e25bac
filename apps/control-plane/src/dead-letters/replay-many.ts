// Replays by id or by filter, with an outcome for each dead letter.
import { checkName, dlqStream } from "@muster/contracts";
import { z } from "zod";
import { asMusterError } from "../errors.ts";
import { getStream } from "../groups/streams.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import type { ReplayOptions } from "./check.ts";
import type { DeadLetterFilter } from "./filter.ts";
import { countBetween } from "./count.ts";
import { findDeadLetter } from "./find.ts";
import type { DeadLetter } from "./read.ts";
import { type ReplayHooks, ReplayOutcome, replayOne } from "./replay.ts";
import { selectDeadLetters } from "./select.ts";
import { createTargets, type Target } from "./target.ts";

/** Letters under way at once; more made it no faster. */
const AT_ONCE = 64;

/** One dead letter by id, or those of a selection frozen when it begins, oldest first. */
export type ReplayQuery = { stream: string } & (
  | ({ id: string } & ReplayOptions)
  | {
      filter: DeadLetterFilter;
      limit: number;
      force?: boolean | undefined;
      dry_run?: boolean | undefined;
    }
);

/** What a replay came to: counts by outcome, and each dead letter's own. `more`: the limit left some out. */
export const ReplayReport = z
  .strictObject({
    counts: z.record(z.string(), z.int()),
    more: z.int().describe("Dead letters that the limit left out"),
    outcomes: z.array(ReplayOutcome),
  })
  .meta({ id: "ReplayReport" });
export type ReplayReport = z.infer<typeof ReplayReport>;

/** Replays what the query names. One that fails does not stop the others. */
export async function replay(
  nats: Nats,
  ledgers: Ledgers,
  query: ReplayQuery,
  hooks: ReplayHooks = {},
): Promise<ReplayReport> {
  const targetOf = createTargets(nats, ledgers, query.stream);
  checkName("stream", query.stream);
  const { state } = await getStream(nats, dlqStream(query.stream));
  if ("id" in query) {
    const letter = await findDeadLetter(nats, query.stream, query.id);
    if (letter === undefined) return report([missing(query.id)], 0);
    return report([await replayOrFail(nats, targetOf, letter, query, hooks)], 0);
  }
  const { stream, filter, limit, force, dry_run } = query;
  if (filter.group !== undefined) checkName("group", filter.group);
  const letters = selectDeadLetters(nats, stream, filter);
  const outcomes: ReplayOutcome[] = [];
  let chosen = 0;
  let last = 0;
  let isOver = false;
  const work = async () => {
    while (!isOver && chosen < limit) {
      const place = chosen++;
      const { value: letter } = await letters.next();
      const [seq = 0] = letter?.sequences ?? [];
      // What came since may have come back from this very replay.
      if (letter === undefined || seq > state.last_seq) {
        isOver = true;
        return;
      }
      last = Math.max(last, seq);
      try {
        outcomes[place] = await replayOrFail(nats, targetOf, letter, { force, dry_run }, hooks);
      } catch (error) {
        isOver = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const more = isOver ? 0 : await countBetween(nats, stream, filter, { after: last, upTo: state.last_seq });
  return report(outcomes, more);
}

async function replayOrFail(
  nats: Nats,
  targetOf: (group: string) => Promise<Target>,
  letter: DeadLetter,
  options: ReplayOptions & { dry_run?: boolean | undefined },
  hooks: ReplayHooks,
): Promise<ReplayOutcome> {
  try {
    return await replayOne(nats, letter, await targetOf(letter.group), options, hooks);
  } catch (error) {
    return failed(letter.id, error);
  }
}

// What has no code of ours is a fault of the program, or a test's crash: not an outcome.
function failed(id: string, error: unknown): ReplayOutcome {
  const known = asMusterError(error);
  if (known === undefined) throw error;
  return { id, outcome: "failed", code: known.code, error: known.message };
}

function missing(id: string): ReplayOutcome {
  return {
    id,
    outcome: "gone",
    code: "not_found",
    error: `dead letter ${id} is not there: replayed, discarded, or never there`,
  };
}

function report(outcomes: ReplayOutcome[], more: number): ReplayReport {
  const counts: Record<string, number> = {};
  for (const { outcome } of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return { counts, more, outcomes };
}
