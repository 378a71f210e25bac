import type { JetStreamClient } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { readAccount } from "./account.ts";
import type { ControlPlane } from "./control-plane.ts";
import { crossCheck, verifiedText } from "./cross-check.ts";
import { listByReason, replayExhausted } from "./dead-letters.ts";
import type { Fleet, Worker } from "./fleet.ts";
import { startFraudCheck } from "./fraud-check.ts";
import { type DemoGroup, demoSpec } from "./group.ts";
import type { DemoOptions } from "./options.ts";
import { seededOrders } from "./orders.ts";
import type { Progress } from "./progress.ts";
import { Publisher } from "./publisher.ts";
import { seeded } from "./random.ts";
import type { Outcome } from "./report.ts";
import { type Patience, until } from "./wait.ts";
import { Watch } from "./watch.ts";

/** What the story of the demo is played with; all of it runs. */
export type Stage = {
  options: DemoOptions;
  names: DemoGroup;
  nc: NatsConnection;
  js: JetStreamClient;
  plane: ControlPlane;
  fleet: Fleet;
  progress: Progress;
  signal: AbortSignal;
  /** Ends the demo with this error. */
  fail: (error: Error) => void;
};

const JOIN_MS = 30_000;
// Per order, on top of a minute: far more than a slow machine takes.
const WORK_MS_PER_ORDER = 50;
// The rest comes when the killed worker has its successor, so that this one has work too.
const FIRST_SHARE = 0.7;

/** Publishes, kills, lists, replays, drains and closes the account, which `verify` must confirm. Gives what it came to, and what went wrong on the way. */
export async function run(stage: Stage): Promise<{ outcome: Outcome; problems: string[] }> {
  const { options, names, nc, js, plane, fleet, progress, signal, fail } = stage;
  const startedAt = performance.now();
  const watch = new Watch(plane, names, fleet, progress);
  const spec = demoSpec(names, fleet.languages.length);
  const { revision } = await plane.api.groups.apply.mutate({ spec });
  progress.say(`group ${names.group} of stream ${names.stream} applied, spec revision ${revision}:`);
  for (const [name, value] of Object.entries(spec)) progress.say(`  ${name}: ${JSON.stringify(value)}`);

  for (const language of fleet.languages) fleet.start(language);
  await joined(watch, fleet, signal);
  progress.say(`members: ${fleet.alive.map((worker) => worker.id).join(", ")}`);

  const orders = seededOrders(options.orders, options.seed);
  progress.say(`publishing ${orders.length} orders, seed ${options.seed}; the fraud check is down`);
  const publisher = new Publisher(js, { subjectRoot: names.subjectRoot, signal, fail });
  const first = Math.ceil(orders.length * FIRST_SHARE);
  publisher.publish(orders.slice(0, first));
  await halfDone(watch, publisher, stage);
  await replaceWorker(seeded(options.seed + 1).pick(fleet.alive), watch, stage);
  publisher.publish(orders.slice(first));
  await settled("all orders to be done or dead", watch, publisher, stage);

  progress.say("dead letters by reason:");
  progress.say(await listByReason(plane, names));
  await startFraudCheck(nc);
  const replayed = await replayExhausted(plane, names, signal);
  progress.say(`the fraud check is up; replayed ${replayed} dead letters with reason exhausted`);
  await settled("the replayed orders to be settled", watch, publisher, stage);

  const problems = options.keep ? [] : await fleet.drain(signal);
  if (!options.keep) progress.say(`drained ${fleet.alive.map((worker) => worker.id).join(", ")}`);
  const published = new Map(orders.map((order) => [order.eventId, 1]));
  const account = await readAccount(js, names, published);
  const { verified, problems: disagreements } = await crossCheck(plane, names, account);
  progress.say(verifiedText(verified));
  problems.push(...disagreements);
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  const killed = fleet.workers.filter((worker) => worker.isKilled).length;
  return { outcome: { account, replayed, killed, seconds }, problems };
}

async function joined(watch: Watch, fleet: Fleet, signal: AbortSignal): Promise<void> {
  const expected = fleet.alive.map((worker) => worker.id);
  await until(
    `members ${expected.join(", ")} to join (logs: ${fleet.alive.map((worker) => worker.child.logFile).join(", ")})`,
    async () => {
      const { members } = await watch.look();
      const running = new Set(members.filter(({ state }) => state === "running").map(({ id }) => id));
      return expected.every((id) => running.has(id)) || undefined;
    },
    { signal, timeoutMs: JOIN_MS, seen: () => watch.seen() },
  );
}

async function halfDone(watch: Watch, publisher: Publisher, stage: Stage): Promise<void> {
  const half = Math.ceil(stage.options.orders / 2);
  await until(
    `half of the orders (${half}) to be done or dead`,
    async () => {
      watch.published = publisher.confirmed;
      const { done, dead } = await watch.look();
      return done + dead >= half || undefined;
    },
    { ...patience(watch, stage), everyMs: 50 },
  );
}

async function replaceWorker(
  victim: Worker,
  watch: Watch,
  { fleet, progress, signal }: Stage,
): Promise<void> {
  await fleet.kill(victim);
  const successor = fleet.start(victim.language);
  progress.say(`killed ${victim.id} with SIGKILL, started ${successor.id}`);
  await joined(watch, fleet, signal);
}

async function settled(what: string, watch: Watch, publisher: Publisher, stage: Stage): Promise<void> {
  const { options } = stage;
  let isIdle = false;
  await until(
    what,
    async () => {
      watch.published = publisher.confirmed;
      const { published, ready, inFlight, backingOff } = await watch.look();
      // Twice in a row: the consumer hears of a new message a moment after its publisher does.
      const wasIdle = isIdle;
      isIdle = published === options.orders && ready + inFlight + backingOff === 0;
      return (wasIdle && isIdle) || undefined;
    },
    patience(watch, stage),
  );
}

function patience(watch: Watch, { options, signal }: Stage): Patience {
  return { signal, timeoutMs: 60_000 + options.orders * WORK_MS_PER_ORDER, seen: () => watch.seen() };
}
