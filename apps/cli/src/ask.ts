// Asks before something is lost.
import { createInterface } from "node:readline/promises";
import { CliError } from "./client.ts";
import { safe, safeLines } from "./text.ts";

/** What is typed when asked; `about` is shown first. Ends with code 2 where nobody is there to be asked. */
export async function ask(about: string, question: string, instead: string): Promise<string> {
  if (!process.stdin.isTTY) throw new CliError(`nobody is there to be asked; give ${instead}`, 2);
  process.stderr.write(`${safeLines(about)}\n`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(`${safe(question)} `)).trim();
  } finally {
    lines.close();
  }
}

/** Goes on when the answer is yes, else ends with code 1: nothing is changed. */
export async function askToGoOn(about: string, isYes: boolean | undefined): Promise<void> {
  if (isYes === true) return;
  const answer = await ask(about, "Do it? Type yes:", "--yes");
  if (!/^y(es)?$/i.test(answer)) throw new CliError("nothing is changed");
}
