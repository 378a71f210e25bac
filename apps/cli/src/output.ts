// What a command prints: text for people, the procedure's own answer as JSON, or as JSON lines.
import { once } from "node:events";
import { CliError } from "./client.ts";
import { safeJson, safeLines } from "./text.ts";

/** The forms of output; `jsonl`: an object a line, one for each thing in a list. */
export const formats = ["table", "json", "jsonl"] as const;
export type Format = (typeof formats)[number];

/** How an answer is told. */
export type Told<T> = {
  /** For people. */
  people: (answer: T) => string;
  /** The lines of `jsonl`; default: the items of an array, else the answer itself. */
  items?: (answer: T) => readonly unknown[];
  /** What leads to the rest, where the answer is a page: in `jsonl` it goes to standard error. */
  more?: (answer: T) => string | undefined;
};

/** Prints the answer. */
export function print<T>(format: Format, answer: T, told: Told<T> | Told<T>["people"]): void {
  const how = typeof told === "function" ? { people: told } : told;
  const text = textOf(format, answer, how);
  if (text !== "" || format === "table") process.stdout.write(`${text}\n`);
  const more = format === "jsonl" ? how.more?.(answer) : undefined;
  if (more !== undefined) process.stderr.write(`more: ${safeLines(more)}\n`);
}

/** The answer as it is printed; nothing for JSON lines of an empty list. */
export function textOf<T>(format: Format, answer: T, { people, items = itemsOf }: Told<T>): string {
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
  return Array.isArray(answer) ? (answer as unknown[]) : [answer];
}
