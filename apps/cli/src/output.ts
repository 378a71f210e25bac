// What a command prints: text for people, the procedure's own answer as JSON, or as JSON lines.
import { once } from "node:events";
import { anything } from "./anything.ts";
import { CliError } from "./client.ts";
import { safeJson, safeLines } from "./text.ts";

/** The forms of output; `jsonl`: an object a line, one for each thing in a list. */
export const formats = ["table", "json", "jsonl"] as const;
export type Format = (typeof formats)[number];

/** How an answer is told; what is left out is told by what the answer looks like. */
export type Told<T> = {
  /** For people; default: tables and lists of what is in it. */
  people?: (answer: T) => string;
  /** The lines of `jsonl`; default: the items of an array or of a page, else the answer itself. */
  items?: (answer: T) => readonly unknown[];
  /** What leads to the rest, where the answer is a page: in `jsonl` it goes to standard error; default: its `next_cursor`. */
  more?: (answer: T) => string | undefined;
};

/** Prints the answer. */
export function print<T>(format: Format, answer: T, how: Told<T>): void {
  const text = textOf(format, answer, how);
  if (text !== "" || format === "table") process.stdout.write(`${text}\n`);
  const more = format === "jsonl" ? (how.more ?? moreOf)(answer) : undefined;
  if (more !== undefined) process.stderr.write(`more: ${safeLines(more)}\n`);
}

/** The answer as it is printed; nothing for JSON lines of an empty list. */
export function textOf<T>(
  format: Format,
  answer: T,
  { people = anything, items = itemsOf }: Told<T>,
): string {
  if (format === "json") return safeJson(answer);
  if (format === "table") return safeLines(people(answer));
  return items(answer)
    .map((item) => safeJson(item, 0))
    .join("\n");
}

/** Prints one line, and waits while whoever reads them is slower. */
export async function printLine(line: string): Promise<void> {
  // `head` has what it wanted: that is no failure.
  if (process.stdout.listenerCount("error") === 0)
    process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => process.exit(code === "EPIPE" ? 0 : 1));
  if (!process.stdout.write(`${safeLines(line)}\n`)) await once(process.stdout, "drain");
}

/** Ends the command with exit code 1 after its output, without a further message. */
export function endWithFailure(): never {
  throw new CliError("", 1);
}

function itemsOf(answer: unknown): readonly unknown[] {
  const { items = answer } = Object(answer) as { items?: unknown };
  return Array.isArray(items) ? (items as unknown[]) : [answer];
}

function moreOf(answer: unknown): string | undefined {
  const { next_cursor: next } = Object(answer) as { next_cursor?: unknown };
  return typeof next === "string" ? `--cursor ${next}` : undefined;
}
