import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

// Everything in this folder runs before `pnpm install`: only Node's own modules may be imported here.

/** The checkout. */
export const root: string = resolve(import.meta.dirname, "../../../..");
/** What set-up brings goes here; git ignores it. */
export const home: string = join(root, ".muster");

/** One line for the person who waits. */
export function say(line: string): void {
  process.stderr.write(`muster: ${line}\n`);
}

/** A tool that set-up cannot do without. The message says what to install. */
export class SetupError extends Error {}

/** The path of a program on the PATH, if any. */
export function which(program: string): string | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder !== "" && existsSync(join(folder, program))) return join(folder, program);
  }
  return undefined;
}

/** What a program prints, trimmed; undefined when it is missing or fails. */
export function output(program: string, ...args: string[]): string | undefined {
  const result = spawnSync(program, args, { encoding: "utf8", timeout: 30_000 });
  return result.status === 0 ? `${result.stdout}${result.stderr}`.trim() : undefined;
}

/** Runs a step of set-up; its output is shown only when it fails. */
export function run(
  what: string,
  argv: readonly string[],
  env: Record<string, string> = {},
  cwd = root,
): void {
  const [file = "", ...args] = argv;
  const result = spawnSync(file, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 64 << 20,
    timeout: 15 * 60_000,
  });
  if (result.status === 0) return;
  const text = `${result.stdout ?? ""}${result.stderr ?? ""}${result.error?.message ?? ""}`;
  throw new SetupError(`${what} failed:\n${text.trim().split("\n").slice(-25).join("\n")}`);
}

/** A fingerprint of versions and files: a step whose stamp is unchanged is not done again. */
export function stampOf(parts: readonly string[], files: readonly string[] = []): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part}\0`);
  for (const file of files) hash.update(existsSync(file) ? readFileSync(file) : "").update("\0");
  return hash.digest("hex");
}

/**
 * Does `step` unless its stamp says that it was done and all that it makes is there.
 * The stamp is written last, so a step that was cut off is redone.
 */
export function once(name: string, stamp: string, made: readonly string[], step: () => void): void {
  const file = join(home, "stamps", name);
  if (made.every((path) => existsSync(path)) && existsSync(file) && readFileSync(file, "utf8") === stamp)
    return;
  rmSync(file, { force: true });
  step();
  mkdirSync(join(home, "stamps"), { recursive: true });
  writeFileSync(`${file}.new`, stamp);
  renameSync(`${file}.new`, file);
}
