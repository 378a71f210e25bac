import { type Language, languages, type PostgresServer } from "@muster/testkit";
import type { JetStreamClient } from "@nats-io/jetstream";
import { type Letter, readLetters } from "../demo/account.ts";
import type { ControlPlane } from "../demo/control-plane.ts";
import { crossCheck } from "../demo/cross-check.ts";
import { replayExhausted } from "../demo/dead-letters.ts";
import type { DemoGroup } from "../demo/group.ts";
import { until } from "../demo/wait.ts";
import { audit } from "./audit.ts";
import { readBooks } from "./books.ts";
import { carryOut, settled } from "./carry-out.ts";
import { handedOver, handOverGaps } from "./handed-over.ts";
import { harmlessOf, spentByBlows } from "./spent.ts";
import { observed, scrape } from "./observe.ts";
import type { FleetOptions } from "./options.ts";
import { seededOrders } from "./orders.ts";
import { seededPlan, stepText } from "./plan.ts";
import type { Outcome } from "./report.ts";
import type { Seat } from "./seat.ts";
import { ACK_WAIT_MS } from "./spec.ts";

/** What a fleet is put to the test with; all of it runs. */
export type Stage = {
  options: FleetOptions;
  names: DemoGroup;
  js: JetStreamClient;
  plane: ControlPlane;
  database: PostgresServer | undefined;
  seats: readonly Seat[];
  signal: AbortSignal;
  say: (text: string) => void;
  fail: (error: Error) => void;
};

const JOIN_MS = 60_000;
/** Least share of the done orders that a language must have. */
const LEAST_SHARE = 0.02;

/** Publishes, strikes by the plan, replays, looks at logs and metrics, drains, and closes the account. */
export async function run(stage: Stage): Promise<Outcome> {
  const { options, names, js, plane, database, seats, signal, say } = stage;
  const { orders, messages } = seededOrders(options.orders, options.seed, database !== undefined);
  const plan = seededPlan({ ...options, messages: messages.length, ackWaitMs: ACK_WAIT_MS });
  say(`plan for seed ${options.seed}, by messages confirmed:`);
  for (const step of plan) say(stepText(step));
  const startedAt = performance.now();
  await carryOut(plan, messages, stage);
  await settled(stage, messages.length);
  const letters = await readLetters(js, names);
  const spent = spentByBlows(orders, letters);
  const replayed = (await replayExhausted(plane, names, signal)) + (await replayLooped(spent, stage));
  await settled(stage, messages.length);
  await until("all members to be back", async () => seats.every(({ isReady }) => isReady) || undefined, {
    signal,
    timeoutMs: JOIN_MS,
  });
  const scrapes = await scrape(seats);
  const last = seats.flatMap(({ logs, run: latest }) => logs.filter((line) => line.run === latest));
  await Promise.all(seats.map((seat) => seat.drain()));
  const books = await readBooks(js, names, database);
  const found = audit(orders, books);
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  const { problems: disagreements } = await crossCheck(plane, names, found.account);
  const exhausted = letters.filter(({ reason }) => reason === "exhausted");
  const table = handedOver(exhausted, books.rows);
  const lines = seats.flatMap(({ logs }) => logs);
  const byLanguage = Map.groupBy(seats, ({ language }) => language);
  const { account } = found;
  return {
    ledger: options.ledger,
    seed: options.seed,
    account,
    messages: messages.length,
    blows: Object.fromEntries([...byLanguage].map(([language, some]) => [language, blowsOf(some)])),
    redeliveries: lines.filter(({ fields }) => fields["msg"] === "settled" && Number(fields["delivery"]) > 1)
      .length,
    replayed,
    spent: spent.length,
    handedOver: table,
    seconds,
    checks: [
      { name: "nothing lost", problems: found.lost },
      { name: "nothing repeated", problems: found.repeated },
      { name: "nothing invented", problems: found.invented },
      { name: "every order ended as it must", problems: found.astray },
      { name: "what had no fault of its own has not died", problems: harmlessOf(orders, spent) },
      ...(database === undefined
        ? []
        : [{ name: "balances are the sums of what is done", problems: found.wrongBalances }]),
      { name: "verify comes to the same figures", problems: disagreements },
      { name: "every language did its share", problems: idle(account.done_by_language, account.done) },
      { name: "dead letters of each language were done by others", problems: handOverGaps(table) },
      { name: "the plan was carried out, and drains were clean", problems: ends(byLanguage, options, seats) },
      ...observed(lines, scrapes, last),
    ],
  };
}

/** Replays those of the letters that a filter for `exhausted` leaves out. */
async function replayLooped(spent: readonly Letter[], { plane, names: { stream } }: Stage): Promise<number> {
  const ids = new Set(spent.filter(({ reason }) => reason === "crash_loop").map(({ id }) => id));
  for (const id of ids) await plane.api.deadLetters.replay.mutate({ stream, id });
  return ids.size;
}

function blowsOf(seats: readonly Seat[]): Outcome["blows"][string] {
  const sum = (of: (seat: Seat) => number): number => seats.reduce((all, seat) => all + of(seat), 0);
  return {
    SIGKILL: sum(({ blows }) => blows.SIGKILL),
    SIGTERM: sum(({ blows }) => blows.SIGTERM),
    SIGSTOP: sum(({ blows }) => blows.SIGSTOP),
    crashes: sum(({ crashes }) => crashes),
  };
}

function idle(done: Readonly<Record<string, number>>, all: number): string[] {
  return languages
    .filter((language) => (done[language] ?? 0) < all * LEAST_SHARE)
    .map((language) => `${language} did ${done[language] ?? 0} of ${all}`);
}

function ends(
  byLanguage: ReadonlyMap<Language, readonly Seat[]>,
  { kills, stops }: FleetOptions,
  seats: readonly Seat[],
): string[] {
  const short = [...byLanguage].flatMap(([language, some]) => {
    const { SIGKILL, SIGTERM, SIGSTOP } = blowsOf(some);
    const isDone = SIGKILL === kills && SIGTERM === kills && SIGSTOP === stops;
    return isDone ? [] : [`${language} got ${SIGKILL} SIGKILL, ${SIGTERM} SIGTERM, ${SIGSTOP} SIGSTOP`];
  });
  return [...short, ...seats.flatMap(({ problems }) => problems)];
}
