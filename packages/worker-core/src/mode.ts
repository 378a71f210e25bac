import type { Msg } from "@nats-io/transport-node";
import type { GroupSpec } from "@muster/contracts";
import { memberSubject } from "@muster/contracts";
import type { Base } from "./base.ts";
import { outcomesOf } from "./batch.ts";
import type { BatchHandler } from "./batch.ts";
import { BatchSettlement } from "./batch-settle.ts";
import { BatchSlots } from "./batch-slots.ts";
import { Dead } from "./dead.ts";
import { Steps } from "./delivery.ts";
import type { Ends } from "./ends.ts";
import type { Handler } from "./handle.ts";
import { Handlers } from "./handle.ts";
import type { Intake } from "./intake.ts";
import type { Ledger } from "./ledger/ledger.ts";
import { readHeaders } from "./headers.ts";
import { readMessage } from "./message.ts";
import { Pull } from "./pull.ts";
import { Push } from "./push.ts";
import { Queue } from "./queue.ts";
import { QueueLetters } from "./queue-letters.ts";
import { Settlement } from "./settle.ts";
import { Slots } from "./slots.ts";
import type { Source, SourceOptions } from "./source.ts";
import type { Stats } from "./stats.ts";

/** A handler for one message, or one for several. */
export type AnyHandler =
  | { readonly handler: Handler<never>; readonly batchHandler?: undefined }
  | { readonly batchHandler: BatchHandler<never>; readonly handler?: undefined };

/** What the delivery mode of the group needs of the worker. */
export interface ModeParts {
  readonly base: Base;
  readonly ledger: Ledger;
  readonly handler: AnyHandler;
  readonly stats: Stats;
  readonly ends: Ends;
  readonly spec: () => GroupSpec;
  /** False while paused, degraded, draining or without a spec. */
  readonly mayPull: () => boolean;
  readonly onUnreachable: (error: Error) => void;
  readonly onQueueLost: () => void;
}

/** What runs by the group's delivery mode. */
export interface Mode {
  readonly name: GroupSpec["delivery"]["mode"];
  readonly ledger: Ledger;
  readonly handlers: Handlers;
  readonly intake: Intake;
  readonly source: Source;
  /** Undefined where nothing is pulled. */
  readonly pull: Pull | undefined;
  close(): Promise<void>;
}

/** Builds what the spec's delivery mode needs; nothing is taken before the source is woken. */
export function openMode(name: Mode["name"], parts: ModeParts): Mode {
  const { base, ledger, stats, spec } = parts;
  const { config, connection, log } = base;
  const handlers = new Handlers({
    nats: connection.nats,
    log,
    timeoutMs: () => spec().timeout_ms,
    onHandled: stats.observe,
  });
  const close = async (): Promise<void> => {
    handlers.close();
    await ledger.close();
  };
  const common = { name, ledger, handlers, close };
  if (name === "queue") {
    const { queue, letters } = openQueue(parts, handlers);
    const closeQueue = async (): Promise<void> => {
      letters.close();
      await close();
    };
    return { ...common, close: closeQueue, intake: queue, source: queue, pull: undefined };
  }
  let source: Source | undefined;
  const intake = openIntake(name, parts, handlers, () => source?.wake());
  const options: SourceOptions = {
    turn: base.turn,
    concurrency: () => spec().concurrency,
    held: () => intake.count + base.answers.unconfirmed,
    hasFreeSlot: () => intake.hasFreeSlot,
    mayPull: parts.mayPull,
    isFresh: () => base.hold.isFresh,
    onSend: base.answers.flush,
    onMessage: (msg) => {
      const message = readMessage(msg, config);
      if (message !== undefined) {
        intake.take(message);
      }
    },
  };
  base.answers.onConfirmed(() => source?.wake());
  const { stream, group } = config;
  if (name === "push") {
    source = new Push(connection, pushSubject(stream, group), group, options);
    return { ...common, intake, source, pull: undefined };
  }
  const subject = `${config.apiPrefix}.CONSUMER.MSG.NEXT.${stream}.${group}`;
  const pull = new Pull(connection, subject, options, log);
  source = pull;
  base.hold.onFresh(() => pull.wake());
  return { ...common, intake, source: pull, pull };
}

function openIntake(name: Mode["name"], parts: ModeParts, handlers: Handlers, onFree: () => void): Intake {
  const { base, ledger, ends, spec, handler } = parts;
  const { connection, log, hold, attempts, deadLetters, contracts } = base;
  const settleParts = { hold, ledger, attempts, deadLetters, spec, ends, random: Math.random };
  const dead = new Dead(settleParts);
  const settlement = new Settlement(settleParts, dead);
  const steps = new Steps({
    ...settleParts,
    dead,
    contracts,
    log,
    onUnreachable: (error) => parts.onUnreachable(error),
  });
  const common = {
    steps,
    handlers,
    hold,
    transaction: () => ledger.transaction(),
    concurrency: () => spec().concurrency,
    onReceived: (message: { sequence: number; eventId: string }) => ends.step("received", message),
    onFree,
  };
  if (name === "batch" && handler.batchHandler !== undefined) {
    return new BatchSlots({
      ...common,
      handler: handler.batchHandler,
      settlement: new BatchSettlement({ ...settleParts, steps, dead, settlement }),
      context: { nats: connection.nats, log },
      batch: () => batchOf(spec()),
    });
  }
  // Nothing is gained by waiting for a full batch where messages are handled one by one.
  return new Slots({ ...common, settlement, handler: oneByOne(handler) });
}

function openQueue(parts: ModeParts, handlers: Handlers): { queue: Queue; letters: QueueLetters } {
  const { base, ends, spec, handler, onQueueLost } = parts;
  const { connection, config, contracts, attempts, deadLetters, log } = base;
  const most = (): number => spec().max_ack_pending;
  const letters = new QueueLetters({ deadLetters, most, log, onLost: onQueueLost });
  const queue = new Queue({
    connection,
    group: config.group,
    subjects: () => spec().subjects,
    contractNames: () => spec().contracts,
    contracts,
    handlers,
    handler: oneByOne(handler),
    attempts,
    letters,
    ends,
    concurrency: () => spec().concurrency,
    mostWaiting: most,
    mayTake: parts.mayPull,
  });
  connection.nats.subscribe(memberSubject("core", config.group, config.workerId, "replay"), {
    callback: (error, msg) => {
      if (error === null) {
        const taken = parts.mayPull() && queue.replay(msg, readReplaySubject(msg));
        msg.respond(JSON.stringify(taken ? { ok: true } : { ok: false, error: "takes no messages now" }));
      }
    },
  });
  return { queue, letters };
}

/** A batch handler gets batches of one where messages are not batched. */
function oneByOne(handler: AnyHandler): Handler<never> {
  const { batchHandler } = handler;
  if (batchHandler === undefined) {
    return handler.handler;
  }
  return async (_value, context) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a context carries its message's value
    const returned = await batchHandler([context] as never, context);
    const [outcome] = outcomesOf(returned, 1);
    if (outcome instanceof Error) {
      throw outcome;
    }
    return outcome;
  };
}

function batchOf({ delivery }: GroupSpec): { size: number; waitMs: number } {
  return delivery.mode === "batch"
    ? { size: delivery.size, waitMs: delivery.wait_ms }
    : { size: 1, waitMs: 0 };
}

function readReplaySubject(msg: Msg): string {
  return readHeaders(msg).values["Muster-Replay-Subject"] || msg.subject;
}

/** Where the server pushes a group's messages to; fixed, so that nothing has to be told. */
function pushSubject(stream: string, group: string): string {
  return `muster.push.${stream}.${group}`;
}
