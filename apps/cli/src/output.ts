// What a command prints: a table for people, or the procedure's own answer as JSON.
import { CliError } from "./client.ts";
import { safeJson } from "./text.ts";

/** The two forms of output. */
export type Format = "table" | "json";

/** Prints the answer as JSON, or what `people` makes of it. */
export function print<T>(format: Format, answer: T, people: (answer: T) => string): void {
  process.stdout.write(`${format === "json" ? safeJson(answer) : people(answer)}\n`);
}

/** Ends the command with exit code 1 after its output, without a further message. */
export function endWithFailure(): never {
  throw new CliError("", 1);
}
