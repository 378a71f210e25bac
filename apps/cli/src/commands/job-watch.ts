// Follows a job until it ends.
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../client.ts";
import { type Format, printLine } from "../output.ts";
import { safeJson, safeLines } from "../text.ts";
import { isOver, type Job, job as shownJob } from "./job-views.ts";

const EVERY_MS = 1000;

/**
 * Draws the job anew each second where people look, prints a line for each change where nobody does, until it has
 * ended or Ctrl-C; the job goes on then.
 */
export async function watchJob(client: Client, id: string, format: Format): Promise<void> {
  const stop = new AbortController();
  const end = () => stop.abort();
  process.once("SIGINT", end);
  let told = "";
  let lines = 0;
  try {
    while (!stop.signal.aborted) {
      const job = await client.jobs.get.query({ id });
      // The last one is the caller's to print.
      if (isOver(job)) break;
      const text = format === "table" ? line(job) : safeJson(job, 0);
      if (format === "table" && process.stdout.isTTY) lines = redraw(safeLines(shownJob(job)), lines);
      else if (text !== told) await printLine(text);
      told = text;
      await sleep(EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
    // What follows is the whole job once more.
    if (lines > 0) process.stdout.write(`\x1b[${lines}A\x1b[J`);
  } finally {
    process.off("SIGINT", end);
  }
}

/** Over what was drawn before; gives how many lines it takes. */
function redraw(text: string, before: number): number {
  const width = process.stdout.columns || 80;
  process.stdout.write(`${before > 0 ? `\x1b[${before}A` : ""}\x1b[J${text}\n`);
  return text.split("\n").reduce((sum, row) => sum + Math.max(1, Math.ceil([...row].length / width)), 0);
}

function line({ state, counts }: Job): string {
  return `${state.replaceAll("_", " ")}: ${counts.selected} selected, ${counts.replayed} replayed`;
}
