// Replays by id or by filter, with an outcome for each dead letter.
import { checkName, dlqStream } from "@muster/contracts";
import { asMusterError } from "../errors.ts";
import { getStream } from "../groups/streams.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import type { ReplayOptions } from "./check.ts";
import { type DeadLetter, findDeadLetter, readDeadLetters } from "./read.ts";
import { type ReplayHooks, type ReplayOutcome, replayOne } from "./replay.ts";
import { createTargets, type Target } from "./target.ts";

const AT_ONCE = 16;

/** One dead letter by id, or those of a selection frozen when it begins, oldest first. */
export type ReplayQuery = { stream: string } & (
  | ({ id: string } & ReplayOptions)
  | {
      filter: { group?: string | undefined; reason?: string | undefined };
      limit: number;
      force?: boolean | undefined;
      dry_run?: boolean | undefined;
    }
);

/** What a replay came to: counts by outcome, and each dead letter's own. `more`: the limit left some out. */
export type ReplayReport = { counts: Record<string, number>; more: number; outcomes: ReplayOutcome[] };

/** Replays what the query names. One that fails does not stop the others. */
export async function replay(
  nats: Nats,
  ledgers: Ledgers,
  query: ReplayQuery,
  hooks: ReplayHooks = {},
): Promise<ReplayReport> {
  const targetOf = createTargets(nats, ledgers, query.stream);
  checkName("stream", query.stream);
  await getStream(nats, dlqStream(query.stream));
  if ("id" in query) {
    const letter = await findDeadLetter(nats, query.stream, query.id);
    if (letter === undefined) return report([missing(query.id)], 0);
    return report(await replayAll(nats, targetOf, [letter], query, hooks), 0);
  }
  if (query.filter.group !== undefined) checkName("group", query.filter.group);
  const letters = await readDeadLetters(nats, query.stream, query.filter.group, query.filter.reason);
  const chosen = letters.slice(0, query.limit);
  const { force, dry_run } = query;
  return report(
    await replayAll(nats, targetOf, chosen, { force, dry_run }, hooks),
    letters.length - chosen.length,
  );
}

async function replayAll(
  nats: Nats,
  targetOf: (group: string) => Promise<Target>,
  letters: readonly DeadLetter[],
  options: ReplayOptions & { dry_run?: boolean | undefined },
  hooks: ReplayHooks,
): Promise<ReplayOutcome[]> {
  const outcomes: ReplayOutcome[] = [];
  for (let i = 0; i < letters.length; i += AT_ONCE) {
    const some = letters.slice(i, i + AT_ONCE);
    outcomes.push(
      ...(await Promise.all(
        some.map(async (letter) => {
          try {
            return await replayOne(nats, letter, await targetOf(letter.group), options, hooks);
          } catch (error) {
            return failed(letter.id, error);
          }
        }),
      )),
    );
  }
  return outcomes;
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
