// Looks again and again, until Ctrl-C: over what was drawn before on a terminal, one after the other elsewhere.
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { CliError, isPassing } from "./client.ts";
import { type Format, printLine, textOf, type Told } from "./output.ts";
import { cut, safeJson } from "./text.ts";

const DEFAULT_SECONDS = 2;

/** What the options of {@link addWatch} say. */
export type Watching = { watch?: boolean | undefined; every?: number | undefined };

/** Adds `--watch` and `--every` to a command that looks. */
export function addWatch(command: Command): void {
  command
    .option("-w, --watch", `look again every ${DEFAULT_SECONDS} s, until Ctrl-C`)
    .option("--every <seconds>", "how often to look, with --watch", toSeconds);
}

/** Prints the answer, and again every so many seconds (2 by default), until Ctrl-C. */
export async function watch<T>(
  format: Format,
  every: number | undefined,
  ask: () => Promise<T>,
  how: Told<T>,
): Promise<void> {
  // What is refused at once ends the command.
  const first = await ask();
  await again(
    (every ?? DEFAULT_SECONDS) * 1000,
    async (isFirst) => {
      const answer = isFirst ? first : await ask();
      // With a document a line, a program knows where each ends.
      return format === "json" ? safeJson(answer, 0) : textOf(format, answer, how);
    },
    format === "table",
  );
}

async function again(
  everyMs: number,
  look: (isFirst: boolean) => Promise<string>,
  isForPeople: boolean,
): Promise<void> {
  const stop = new AbortController();
  // A second one ends at once, also while an answer is awaited.
  const end = () => stop.abort();
  process.once("SIGINT", end);
  const isDrawn = isForPeople && process.stdout.isTTY;
  try {
    for (let isFirst = true; !stop.signal.aborted; isFirst = false) {
      const text = await look(isFirst).catch(passing);
      if (isDrawn) draw(text, everyMs);
      else if (text !== "") await printLine(isForPeople ? `${new Date().toISOString()}\n${text}\n` : text);
      await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  } finally {
    process.off("SIGINT", end);
  }
}

/** What is away now may be back at the next look; anything else ends the command. */
function passing(error: unknown): string {
  if (!isPassing(error)) throw error;
  process.stderr.write(process.stdout.isTTY ? "" : "muster: no answer; looking again\n");
  return process.stdout.isTTY ? "no answer; looking again" : "";
}

function draw(text: string, everyMs: number): void {
  // A terminal that does not know its size says 0.
  const [columns, rows] = [process.stdout.columns || 80, process.stdout.rows || 24];
  const lines = text.split("\n").map((line) => cut(line, columns));
  const room = Math.max(1, rows - 3);
  const left = lines.length - room;
  const shown = left > 0 ? [...lines.slice(0, room - 1), `… ${left + 1} more lines`] : lines;
  const head = cut(`${new Date().toISOString()}, every ${everyMs / 1000} s, Ctrl-C ends`, columns);
  // Home, each line up to its end, and nothing of what was longer before.
  process.stdout.write(`\x1b[H${[head, "", ...shown].map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
}

function toSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d{1,4}([.]\d{1,3})?$/.test(text) || seconds < 0.1)
    throw new CliError(`${text} is no number of seconds from 0.1 to 9999`, 2);
  return seconds;
}
