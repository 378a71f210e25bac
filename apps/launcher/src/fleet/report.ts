import type { Account } from "@muster/contracts";
import { table } from "../demo/report.ts";
import type { HandedOver } from "./handed-over.ts";
import type { Blow } from "./plan.ts";

/** One thing that must be so; what is not, a line each. */
export type Check = { name: string; problems: readonly string[] };

/** What a fleet came to. */
export type Outcome = {
  ledger: string;
  seed: number;
  account: Account;
  /** Messages that brought the orders: some orders are published twice. */
  messages: number;
  /** Language → how often its processes got each blow, and were killed by a message. */
  blows: Record<string, Record<Blow | "crashes", number>>;
  /** Deliveries that were not a message's first, as the members logged them. */
  redeliveries: number;
  replayed: number;
  /** Of those: deaths to which kills of processes have contributed attempts. */
  spent: number;
  handedOver: HandedOver;
  seconds: number;
  checks: readonly Check[];
};

const SHOWN = 10;

/** True when every check passes. */
export function isGood({ checks }: Outcome): boolean {
  return checks.every(({ problems }) => problems.length === 0);
}

/** The outcome as the object of `--json`. */
export function outcomeJson({ account, checks, handedOver, ...figures }: Outcome): Record<string, unknown> {
  const { published, done, dead, dead_by_reason, done_by_language, lost, repeated, invented } = account;
  return {
    ...figures,
    orders: published,
    done,
    dead,
    dead_by_reason,
    done_by_language,
    lost: lost.length,
    repeated: repeated.length,
    invented: invented.length,
    handed_over: handedOver,
    checks: checks.map(({ name, problems }) => ({ name, ok: problems.length === 0 })),
  };
}

/** The outcome as text: figures, then each check with what is wrong. */
export function outcomeText(outcome: Outcome): string {
  const { account, blows, checks, seconds } = outcome;
  const share = (count: number): string => `${((100 * count) / Math.max(1, account.done)).toFixed(1)} %`;
  const figures = [
    ["orders", String(account.published), `in ${outcome.messages} messages`],
    ["done", String(account.done), ""],
    ...Object.keys(blows).map((name) => {
      const count = account.done_by_language[name] ?? 0;
      return [`  ${name}`, String(count), share(count)];
    }),
    ["dead", String(account.dead), ""],
    ...Object.entries(account.dead_by_reason).map(([name, count]) => [`  ${name}`, String(count), ""]),
    ["lost", String(account.lost.length), ""],
    ["repeated", String(account.repeated.length), ""],
    ["invented", String(account.invented.length), ""],
    ["redeliveries", String(outcome.redeliveries), ""],
    ["replayed", String(outcome.replayed), ""],
    ["  by kills", String(outcome.spent), ""],
  ];
  const struck = [
    ["", "SIGKILL", "SIGTERM", "SIGSTOP", "by a message"],
    ...Object.entries(blows).map(([language, of]) => [
      language,
      ...[of.SIGKILL, of.SIGTERM, of.SIGSTOP, of.crashes].map(String),
    ]),
  ];
  const names = Object.keys(blows);
  const moved = [
    ["died in", ...names.map((name) => `done in ${name}`)],
    ...names.map((from) => [from, ...names.map((to) => String(outcome.handedOver[from]?.[to] ?? 0))]),
  ];
  const verdict = isGood(outcome) ? "The account closes." : "NOT GOOD.";
  return [
    ...[figures, struck, moved].map((rows) => `${table(rows)}\n`),
    ...checks.flatMap(checkLines),
    `${verdict} ledger ${outcome.ledger}, seed ${outcome.seed}, ${seconds} s.`,
  ].join("\n");
}

function checkLines({ name, problems }: Check): string[] {
  const more = problems.length > SHOWN ? [`         and ${problems.length - SHOWN} more`] : [];
  const shown = problems.slice(0, SHOWN).map((problem) => `         ${problem}`);
  return [`${problems.length === 0 ? "ok     " : "not ok "}  ${name}`, ...shown, ...more];
}
