// What a command prints: a table for people, or the procedure's own answer as JSON.
import { once } from "node:events";
import { CliError } from "./client.ts";
import { safeJson } from "./text.ts";

/** The two forms of output. */
export type Format = "table" | "json";

/** Prints the answer as JSON, or what `people` makes of it. */
export function print<T>(format: Format, answer: T, people: (answer: T) => string): void {
  process.stdout.write(`${format === "json" ? safeJson(answer) : people(answer)}\n`);
}

/** Prints one line, and waits while whoever reads them is slower. */
export async function printLine(line: string): Promise<void> {
  // `head` has what it wanted: that is no failure.
  if (process.stdout.listenerCount("error") === 0)
    process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => process.exit(code === "EPIPE" ? 0 : 1));
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
}

/** Ends the command with exit code 1 after its output, without a further message. */
export function endWithFailure(): never {
  throw new CliError("", 1);
}
