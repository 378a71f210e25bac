// The options that choose dead letters, alike in all commands that do.
import type { Command } from "commander";
import { type Client, CliError } from "../client.ts";

/** What a command was told of the letters it means. */
export type Filter = Omit<Parameters<Client["deadLetters"]["count"]["query"]>[0], "stream" | "archived">;

const names = [
  "group",
  "reason",
  "language",
  "version",
  "error",
  "subject",
  "since",
  "until",
  "fingerprint",
] as const;

/** Adds them to a command. */
export function addFilters(command: Command): Command {
  return command
    .option("--group <group>")
    .option("--reason <reason>", "invalid, unknown_contract, permanent, exhausted, crash_loop or conflict")
    .option("--language <language>", "of the member that gave up: ts, go, py")
    .option("--version <version>", "of the application of that member")
    .option("--error <text>", "part of the error's class or message, in any case")
    .option("--subject <pattern>", "original subject, with * and >")
    .option("--since <time>", "became dead then or later: a time, or 30m, 2h, 7d ago", toTime)
    .option("--until <time>", "became dead before", toTime)
    .option("--fingerprint <hex>", "of one failure group, see dlq failures");
}

/** The filter among a command's options. */
export function filterOf(options: Filter): Filter {
  return Object.fromEntries(
    names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );
}

const unitMs: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function toTime(text: string): string {
  const [, amount, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = amount === undefined ? Date.parse(text) : Date.now() - Number(amount) * (unitMs[unit] ?? 0);
  if (Number.isNaN(ms))
    throw new CliError(`${text} is no time such as 2026-01-02T03:04:05Z, and no 30m, 2h or 7d`, 2);
  return new Date(ms).toISOString();
}
