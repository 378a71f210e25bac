import type { Msg, MsgHdrs, Subscription } from "@nats-io/transport-node";
import { MusterError } from "@muster/contracts";
import type { Connection } from "./connection.ts";
import { encodeHeaders, readStatus } from "./headers.ts";

/** A request that waits for its answer. */
interface Waiting {
  readonly subject: string;
  readonly until: number;
  readonly resolve: (msg: Msg) => void;
  readonly reject: (error: MusterError) => void;
}

const noResponders = 503;
/** How often requests that nobody answered are looked for: one timer for all instead of one for each. */
const sweepMs = 250;

/**
 * Requests over one inbox, as many under way as there are callers.
 * Every failure is a MusterError `unreachable`: no connection, no responders, time-out.
 */
export class Wire {
  readonly #connection: Connection;
  readonly #timeoutMs: number;
  readonly #inbox: string;
  /** In the order of their deadlines, because all have the same time. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #subscription: Subscription;
  readonly #stopListening: () => void;
  #sweep: NodeJS.Timeout | undefined;
  #count = 0;

  /** `timeoutMs`: how long an answer may take, the wait for a connection included. Default 5000. */
  constructor(connection: Connection, timeoutMs = 5000) {
    this.#connection = connection;
    this.#inbox = connection.newInbox();
    this.#timeoutMs = timeoutMs;
    this.#subscription = connection.nats.subscribe(`${this.#inbox}.*`, {
      callback: (error, msg) => {
        if (error === null) {
          this.#answer(msg);
        }
      },
    });
    // The server does not answer a publish that it does not permit.
    connection.onForbidden(({ operation, subject, message }) => {
      if (operation === "publish") {
        this.#fail((waiting) => waiting.subject === subject, message);
      }
    });
    // Answers to what is on its way are lost with the connection: waiting longer would gain nothing.
    this.#stopListening = connection.onChange((isUp) => {
      if (!isUp) {
        this.#failAll("connection lost");
      }
    });
  }

  /** Sends a request and waits for its answer; waits for the connection first, within the same time. */
  request(
    subject: string,
    body: Uint8Array | string,
    headers?: Readonly<Record<string, string>> | MsgHdrs,
  ): Promise<Msg> {
    if (this.#connection.isUp) {
      return this.#send(subject, body, headers, performance.now() + this.#timeoutMs);
    }
    return this.#sendWhenUp(subject, body, headers);
  }

  close(): void {
    this.#stopListening();
    this.#failAll("closed");
    if (!this.#connection.nats.isClosed()) {
      this.#subscription.unsubscribe();
    }
  }

  #send(
    subject: string,
    body: Uint8Array | string,
    headers: Readonly<Record<string, string>> | MsgHdrs | undefined,
    until: number,
  ): Promise<Msg> {
    return new Promise((resolve, reject) => {
      const reply = `${this.#inbox}.${++this.#count}`;
      this.#waiting.set(reply, { subject, until, resolve, reject });
      this.#sweep ??= setTimeout(this.#endOverdue, sweepMs);
      try {
        const options = headers === undefined ? { reply } : { reply, headers: toMsgHdrs(headers) };
        this.#connection.nats.publish(subject, body, options);
      } catch (cause) {
        this.#waiting.delete(reply);
        reject(unreachable(subject, cause instanceof Error ? cause.message : String(cause), cause));
      }
    });
  }

  async #sendWhenUp(
    subject: string,
    body: Uint8Array | string,
    headers: Readonly<Record<string, string>> | MsgHdrs | undefined,
  ): Promise<Msg> {
    const until = performance.now() + this.#timeoutMs;
    await this.#waitForConnection(subject);
    return this.#send(subject, body, headers, until);
  }

  #answer(msg: Msg): void {
    const waiting = this.#waiting.get(msg.subject);
    if (waiting === undefined) {
      return;
    }
    this.#waiting.delete(msg.subject);
    if (msg.data.length === 0 && readStatus(msg) === noResponders) {
      waiting.reject(unreachable(waiting.subject, "no responders"));
    } else {
      waiting.resolve(msg);
    }
  }

  readonly #endOverdue = (): void => {
    const time = performance.now();
    for (const [reply, waiting] of this.#waiting) {
      if (waiting.until > time) {
        break;
      }
      this.#waiting.delete(reply);
      waiting.reject(unreachable(waiting.subject, `no answer in ${this.#timeoutMs} ms`));
    }
    this.#sweep = this.#waiting.size > 0 ? setTimeout(this.#endOverdue, sweepMs) : undefined;
  };

  #failAll(why: string): void {
    clearTimeout(this.#sweep);
    this.#sweep = undefined;
    this.#fail(() => true, why);
  }

  #fail(which: (waiting: Waiting) => boolean, why: string): void {
    for (const [reply, waiting] of this.#waiting) {
      if (which(waiting)) {
        this.#waiting.delete(reply);
        waiting.reject(unreachable(waiting.subject, why));
      }
    }
  }

  #waitForConnection(subject: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stop();
        reject(unreachable(subject, "not connected"));
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

function toMsgHdrs(headers: Readonly<Record<string, string>> | MsgHdrs): MsgHdrs {
  // A client's own headers are iterable, a record of names is not.
  return isRecord(headers) ? encodeHeaders(headers) : headers;
}

function isRecord(
  headers: Readonly<Record<string, string>> | MsgHdrs,
): headers is Readonly<Record<string, string>> {
  return typeof (headers as { encode?: unknown }).encode !== "function";
}

function unreachable(subject: string, why: string, cause?: unknown): MusterError {
  return new MusterError("unreachable", `request to ${subject}: ${why}`, { cause });
}
