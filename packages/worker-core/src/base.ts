import { Answers } from "./answers.ts";
import { AttemptsStore } from "./attempts.ts";
import type { WorkerConfig } from "./config.ts";
import { delay } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { Contracts } from "./contracts.ts";
import { DeadLetters } from "./dead-letter.ts";
import { Hold } from "./hold.ts";
import { Kv } from "./kv.ts";
import type { Logger } from "./log.ts";
import { Membership } from "./member.ts";
import { SpecPoll } from "./spec.ts";
import { Turn } from "./turn.ts";
import { Wire } from "./wire.ts";

/** All that needs a connection and no spec yet. */
export interface Base {
  readonly connection: Connection;
  readonly config: WorkerConfig;
  readonly log: Logger;
  readonly turn: Turn;
  readonly wire: Wire;
  readonly kv: Kv;
  readonly spec: SpecPoll;
  readonly contracts: Contracts;
  readonly membership: Membership;
  readonly answers: Answers;
  readonly hold: Hold;
  readonly attempts: AttemptsStore;
  readonly deadLetters: DeadLetters;
}

/** Only until the first spec: a member without one holds nothing. */
const noSpecAckWaitMs = 30_000;

export function openBase(
  connection: Connection,
  options: { config: WorkerConfig; log: Logger; instance: string; confirmAcks: boolean },
): Base {
  const { config, log, instance, confirmAcks } = options;
  const turn = new Turn();
  const wire = new Wire(connection);
  const kv = new Kv(wire, config.apiPrefix);
  const spec = new SpecPoll(kv, config, log);
  const answers = new Answers(connection, turn, { confirmAcks });
  return {
    connection,
    config,
    log,
    turn,
    wire,
    kv,
    spec,
    answers,
    contracts: new Contracts(kv, log),
    membership: new Membership(kv, config, instance, log),
    hold: new Hold({ connection, answers, ackWaitMs: () => spec.last?.ack_wait_ms ?? noSpecAckWaitMs, log }),
    attempts: new AttemptsStore(kv, config),
    deadLetters: new DeadLetters(wire, connection, config),
  };
}

/** How long closing waits for the server, once for confirmations and once for the rest, in milliseconds. */
const closeMs = 2000;

/** Ends what has timers or subscriptions; the connection goes last. */
export async function closeBase(base: Base): Promise<void> {
  base.answers.flush();
  // The acks are sent; a server that does not say in time that it has them is not waited for.
  const enough = new AbortController();
  await Promise.race([base.answers.confirmed(), delay(closeMs, enough.signal)]);
  enough.abort();
  await base.connection.flush(closeMs);
  base.answers.close();
  base.hold.close();
  base.wire.close();
  await base.connection.close();
}
