import { DeadLetterReason } from "@muster/contracts";
import type { ControlPlane } from "./control-plane.ts";
import type { DemoGroup } from "./group.ts";
import { table } from "./report.ts";

const PAGE = 200;
// Each round replays a page; more rounds than this means that it does not get less.
const MAX_ROUNDS = 10_000;

/** The dead letters by reason: how many, and which errors. */
export async function listByReason(plane: ControlPlane, { stream, group }: DemoGroup): Promise<string> {
  const { dead_by_reason } = await plane.api.groups.get.query({ stream, group });
  const rows = [["reason", "count", "errors"]];
  for (const reason of DeadLetterReason.options) {
    const count = dead_by_reason[reason] ?? 0;
    if (count === 0) continue;
    const { items } = await plane.api.deadLetters.list.query({ stream, group, reason, limit: PAGE });
    const errors = [...new Set(items.map(({ error }) => error))].sort();
    rows.push([reason, String(count), errors.join("; ")]);
  }
  return table(rows);
}

/** Replays the letters that died because their attempts were used up, by filter; says how many. */
export async function replayExhausted(
  plane: ControlPlane,
  { stream, group }: DemoGroup,
  signal: AbortSignal,
): Promise<number> {
  let replayed = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    signal.throwIfAborted();
    const filter = { group, reason: "exhausted" } as const;
    const { counts, more, outcomes } = await plane.api.deadLetters.replay.mutate({
      stream,
      filter,
      limit: PAGE,
    });
    const done = counts["replayed"] ?? 0;
    replayed += done;
    if (more === 0 || done === 0) {
      const failed = outcomes.find(({ outcome }) => outcome !== "replayed");
      if (failed !== undefined)
        throw new Error(
          `replay of ${failed.id} ended as ${failed.outcome}: ${"error" in failed ? failed.error : ""}`,
        );
      return replayed;
    }
  }
  throw new Error(`replayed ${replayed} dead letters and there are still more`);
}
