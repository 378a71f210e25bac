import { createInbox, headers as newHeaders } from "@nats-io/transport-node";
import type { Msg, MsgHdrs, Subscription } from "@nats-io/transport-node";
import { MusterError } from "@muster/contracts";
import { z } from "zod";
import type { Connection } from "./connection.ts";

/** Headers of a message: the status line's code and text, and of each name the last value. */
export interface WireHeaders {
  readonly code: number;
  readonly description: string;
  readonly values: Record<string, string>;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const none: WireHeaders = { code: 0, description: "", values: {} };

/**
 * Requests over one inbox.
 * Every failure is a MusterError `unreachable`: no connection, no responders, time-out.
 */
export class Wire {
  readonly #connection: Connection;
  readonly #timeoutMs: number;
  readonly #inbox = createInbox();
  readonly #waiting = new Map<string, { resolve: (msg: Msg) => void; fail: (why: string) => void }>();
  readonly #subscription: Subscription;
  readonly #stopListening: () => void;
  #count = 0;

  constructor(connection: Connection, timeoutMs = 5000) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
    this.#subscription = connection.nats.subscribe(`${this.#inbox}.*`, {
      callback: (error, msg) => {
        if (error === null) {
          this.#waiting.get(msg.subject)?.resolve(msg);
        }
      },
    });
    // Answers to what is on its way are lost with the connection: waiting longer would gain nothing.
    this.#stopListening = connection.onChange((isUp) => {
      if (!isUp) {
        for (const request of this.#waiting.values()) {
          request.fail("connection lost");
        }
      }
    });
  }

  /** Sends a request and waits for its answer; waits for the connection first, within the same time. */
  async request(subject: string, body: Uint8Array | string, headers?: Record<string, string>): Promise<Msg> {
    const until = performance.now() + this.#timeoutMs;
    if (!this.#connection.isUp) {
      await this.#waitForConnection(subject);
    }
    const reply = `${this.#inbox}.${++this.#count}`;
    const { promise, resolve, reject } = Promise.withResolvers<Msg>();
    const fail = (why: string, cause?: unknown) =>
      reject(new MusterError("unreachable", `request to ${subject}: ${why}`, { cause }));
    const timer = setTimeout(
      () => fail(`no answer in ${this.#timeoutMs} ms`),
      Math.max(1, until - performance.now()),
    );
    this.#waiting.set(reply, { resolve, fail });
    try {
      const options = headers === undefined ? { reply } : { reply, headers: toMsgHdrs(headers) };
      this.#connection.nats.publish(subject, body, options);
      const msg = await promise;
      if (msg.data.length === 0 && readHeaders(msg).code === 503) {
        throw new MusterError("unreachable", `request to ${subject}: no responders`);
      }
      return msg;
    } catch (cause) {
      if (cause instanceof MusterError) {
        throw cause;
      }
      throw new MusterError("unreachable", `request to ${subject}: ${String(cause)}`, { cause });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(reply);
    }
  }

  close(): void {
    this.#stopListening();
    for (const request of this.#waiting.values()) {
      request.fail("closed");
    }
    if (!this.#connection.nats.isClosed()) {
      this.#subscription.unsubscribe();
    }
  }

  #waitForConnection(subject: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stop();
        reject(new MusterError("unreachable", `request to ${subject}: not connected`));
      }, this.#timeoutMs);
      const stop = this.#connection.onChange((isUp) => {
        if (isUp) {
          clearTimeout(timer);
          stop();
          resolve();
        }
      });
    });
  }
}

/** The answer of a stream to a publish. */
export type PubAck =
  | { ok: true; sequence: number; duplicate: boolean }
  | { ok: false; errorCode: number; error: string };

const PubAckAnswer = z.looseObject({
  seq: z.int().optional(),
  duplicate: z.boolean().default(false),
  error: z.looseObject({ err_code: z.int().default(0), description: z.string().default("") }).optional(),
});

/** Reads the answer of a stream; throws `unreachable` when it is none. */
export function readPubAck(msg: Msg): PubAck {
  const answer = PubAckAnswer.safeParse(readJson(msg));
  if (answer.data?.error !== undefined) {
    return { ok: false, errorCode: answer.data.error.err_code, error: answer.data.error.description };
  }
  if (answer.data?.seq === undefined) {
    throw new MusterError("unreachable", "the answer to a publish is no PubAck");
  }
  return { ok: true, sequence: answer.data.seq, duplicate: answer.data.duplicate };
}

/**
 * Reads a message's headers from its bytes: the client's own reader throws on a name it does not like,
 * and returns the first of two values where the protocol wants the last.
 */
export function readHeaders(msg: Msg): WireHeaders {
  // The client's messages have size(), its type does not say so. Headers lie right before the body.
  const total = "size" in msg && typeof msg.size === "function" ? Number(msg.size()) : 0;
  const size =
    total - encoder.encode(msg.subject).length - encoder.encode(msg.reply ?? "").length - msg.data.length;
  if (size <= 0) {
    return none;
  }
  const bytes = new Uint8Array(msg.data.buffer, msg.data.byteOffset - size, size);
  const [first = "", ...lines] = decoder.decode(bytes).split("\r\n");
  const status = /^NATS\/1\.0\s+([0-9]{3})\s*(.*)$/.exec(first);
  const values: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) {
      values[line.slice(0, colon)] = line.slice(colon + 1).trim();
    }
  }
  return { code: Number(status?.[1] ?? 0), description: (status?.[2] ?? "").trim(), values };
}

function readJson(msg: Msg): unknown {
  try {
    return JSON.parse(decoder.decode(msg.data));
  } catch {
    return undefined;
  }
}

function toMsgHdrs(values: Record<string, string>): MsgHdrs {
  const result = newHeaders();
  for (const [name, value] of Object.entries(values)) {
    result.set(name, value);
  }
  return result;
}
