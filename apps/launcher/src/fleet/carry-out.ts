import { type Patience, until } from "../demo/wait.ts";
import { Publisher } from "../demo/publisher.ts";
import type { Orders } from "./orders.ts";
import type { Step } from "./plan.ts";
import type { Stage } from "./run.ts";

const UP_MS = 60_000;
const BACKLOG_MS = 600_000;
/** Per message, on top of two minutes: far more than a slow machine takes. */
const WORK_MS_PER_MESSAGE = 50;

/** Publishes slice by slice, each while its step happens to a member that is up. */
export async function carryOut(
  plan: readonly Step[],
  messages: Orders["messages"],
  stage: Stage,
): Promise<void> {
  const { names, js, seats, signal, say, fail } = stage;
  const publisher = new Publisher(js, { subjectRoot: names.subjectRoot, signal, fail });
  const patience: Patience = { signal, timeoutMs: UP_MS, everyMs: 5 };
  const consumer = await js.consumers.get(names.stream, names.group);
  let from = 0;
  for (const step of plan) {
    const seat = seats.find(({ id }) => id === step.seat);
    if (seat === undefined) throw new Error(`the plan knows a seat ${step.seat} that is not there`);
    await until(`${seat.id} to be up`, async () => seat.isReady || undefined, patience);
    // The fleet keeps up with the publisher, so that blows fall all along.
    const most = step.upTo - from;
    const isLow = async () => (await consumer.info()).num_pending < most || undefined;
    await until("the backlog to shrink", isLow, { ...patience, everyMs: 50, timeoutMs: BACKLOG_MS });
    publisher.publish(messages.slice(from, step.upTo));
    await until(
      `${step.at} confirmed messages`,
      async () => publisher.confirmed >= step.at || undefined,
      patience,
    );
    // A message may have killed it meanwhile; one that starts knows no SIGTERM yet.
    await until(`${seat.id} to be up`, async () => seat.isReady || undefined, patience);
    seat.strike(step);
    from = step.upTo;
  }
  publisher.publish(messages.slice(from));
  await until(
    "all messages to be confirmed",
    async () => publisher.confirmed === messages.length || undefined,
    patience,
  );
  say(`all ${messages.length} messages are published, all steps taken`);
}

/** Waits until the group has nothing in hand and nothing to do. */
export async function settled({ plane, names, signal }: Stage, messages: number): Promise<void> {
  const { stream, group } = names;
  let seen = "nothing yet";
  let isIdle = false;
  await until(
    "everything to be settled",
    async () => {
      const { ready, ack_pending } = await plane.api.groups.get.query({ stream, group });
      seen = `${ready} ready, ${ack_pending} in flight or backing off`;
      // Twice in a row: the consumer hears of a new message a moment after its publisher does.
      const wasIdle = isIdle;
      isIdle = ready + ack_pending === 0;
      return (wasIdle && isIdle) || undefined;
    },
    { signal, timeoutMs: 120_000 + messages * WORK_MS_PER_MESSAGE, seen: () => seen },
  );
}
