// What the commands for dead letters have beyond their procedures.
import { setTimeout as sleep } from "node:timers/promises";
import { printLine } from "../output.ts";
import type { Answer } from "../procedures.ts";
import type { Refinements, Run } from "../refinement.ts";
import { safe, safeJson } from "../text.ts";
import { counted, failures, page, totals, view } from "./dlq-views.ts";
import { replay } from "./replay.ts";

/** How long an export waits when the control plane is still reading the stream. */
const BUILDING_MS = 500;

/** `muster dlq …`. */
export const dlq: Refinements = {
  "deadLetters.list": { words: "dlq list", told: page },
  "deadLetters.get": { words: "dlq show", alias: "get", told: view },
  "deadLetters.replay": replay,
  "deadLetters.discard": { words: "dlq discard", note: "There it counts as dealt with", told: moved },
  "deadLetters.restore": { words: "dlq restore", told: moved },
  "deadLetters.count": { words: "dlq count", told: counted },
  "deadLetters.totals": { words: "dlq totals", told: { people: totals, items: ({ groups }) => groups } },
  "deadLetters.failures": { words: "dlq failures", told: failures },
  "deadLetters.export": {
    words: "dlq export",
    summary: "whole dead letters as JSON, one a line, oldest first, the body in base64",
    // It goes from page to page by itself.
    flags: { cursor: false, limit: false },
    action: exportAll,
  },
};

async function exportAll({ input, call }: Run<"deadLetters.export">): Promise<void> {
  let cursor: string | undefined;
  do {
    const answer = await call(cursor === undefined ? input : { ...input, cursor });
    for (const item of answer.items) await printLine(safeJson(item, 0));
    if (answer.items.length === 0 && answer.next_cursor !== undefined) await sleep(BUILDING_MS);
    cursor = answer.next_cursor;
  } while (cursor !== undefined);
}

function moved({ id, group, stream, is }: Answer<"deadLetters.discard">): string {
  return safe(`dead letter ${id} of group ${group} of stream ${stream} is ${is}`);
}
