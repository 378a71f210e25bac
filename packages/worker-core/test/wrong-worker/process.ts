import type { NatsConnection } from "@nats-io/transport-node";
import { Connection } from "../../src/connection.ts";
import { type Held, Hold } from "../../src/hold.ts";
import { Kv } from "../../src/kv.ts";
import { Settlement } from "../../src/settle.ts";
import { SpecPoll } from "../../src/spec.ts";
import { Wire } from "../../src/wire.ts";
import { around } from "./defect.ts";

interface Parts {
  connection: Connection;
  hold: Hold;
  kv: Kv;
  settlement: Settlement;
  spec: SpecPoll;
  wire: Wire;
}

const parts: Partial<Parts> = {};

/** A part of the worker, of which a process has one. Throws where it was not used yet. */
export function part<K extends keyof Parts>(name: K): Parts[K] {
  const found = parts[name];
  if (found === undefined) throw new Error(`no ${name} yet`);
  return found;
}

/** The latest delivery of each sequence that came to this process. */
export const held = new Map<number, Held>();

/** Subjects of deliveries that came under a replay prefix, by their reply subject. */
export const replaySubjects = new Map<string, string>();

/** `ack_wait_ms` of the spec in force. */
export function ackWaitMs(): number {
  return part("spec").last?.ack_wait_ms ?? 30_000;
}

/** Notes the worker's parts when they are first used. */
export function noteParts(): void {
  note("connection", Connection, "onChange", (connection) => noteReplays(connection.nats));
  note("kv", Kv, "get");
  note("wire", Wire, "request");
  note("spec", SpecPoll, "poll");
  for (const method of ["returned", "threw", "retry"] as const) note("settlement", Settlement, method);
  around(Hold, "add", (self, [message], go) => {
    parts.hold = self;
    const added = go(message);
    held.set(message.sequence, added);
    return added;
  });
}

function note<N extends keyof Parts>(
  name: N,
  type: { prototype: Parts[N] },
  method: keyof Parts[N],
  onFirst?: (self: Parts[N]) => void,
): void {
  around(type, method, (self, args, go) => {
    if (parts[name] === undefined) {
      parts[name] = self;
      onFirst?.(self);
    }
    return go(...args);
  });
}

function noteReplays(nats: NatsConnection): void {
  const subscribe = nats.subscribe.bind(nats);
  nats.subscribe = (subject, options = {}) => {
    const { callback } = options;
    if (callback === undefined) return subscribe(subject, options);
    return subscribe(subject, {
      ...options,
      callback: (error, msg) => {
        const isReplay = error === null && msg.subject.startsWith("muster.replay.");
        if (isReplay && msg.reply !== undefined) replaySubjects.set(msg.reply, msg.subject);
        void callback(error, msg);
      },
    });
  };
}
