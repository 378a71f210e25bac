// Fills an index from its stream: an ordered consumer that leaves the bodies at the server.
import { dlqStream } from "@muster/contracts";
import { type ConsumerMessages, DeliverPolicy, type JsMsg } from "@nats-io/jetstream";
import type { Nats } from "../../nats/connection.ts";
import { leaderNext } from "../../nats/scan.ts";
import { entryOf, READ } from "./entry.ts";
import type { Letters } from "./letters.ts";
import { headersOf } from "./raw-headers.ts";

/** Messages asked for at once: with 64 KiB of headers each they are half of what a server lets a connection fall behind. */
const AHEAD = 500;
/** A message that is known to be there and does not come for so long: the consumer is started anew. */
const STALL_MS = 2000;
/** How long something has to come before the server is asked whether there is anything. */
const ARRIVAL_MS = 20;

/** Keeps `letters` up to date, from where they end, until it is closed or its connection is. */
export class Feed {
  /** All messages up to this sequence were read. */
  seen: number;
  readonly #nats: Nats;
  readonly #stream: string;
  readonly #letters: Letters;
  #messages: ConsumerMessages | undefined;
  readonly #waiting = new Set<{ seq: number; wake: () => void }>();
  #isClosed = false;

  constructor(nats: Nats, stream: string, letters: Letters) {
    this.#nats = nats;
    this.#stream = stream;
    this.#letters = letters;
    this.seen = letters.lastSeq;
  }

  /** Begins, or begins again behind what was seen. */
  async start(): Promise<void> {
    await this.#messages?.close();
    const consumer = await this.#nats.js.consumers.get(dlqStream(this.#stream), {
      headers_only: true,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.seen + 1,
    });
    // The ordered consumer makes itself anew after a reconnect, and goes on behind what it has seen.
    const messages = await consumer.consume({
      max_messages: AHEAD,
      callback: (message) => {
        if (this.#messages === messages && !this.#isClosed) this.#take(message);
      },
    });
    this.#messages = messages;
    if (this.#isClosed) await messages.close();
  }

  /**
   * Waits until all messages up to `seq` were read that are still there; false where `signal` aborted before. The last
   * one may have been deleted, so the leader is asked which is the next: a replica may lag behind the consumer.
   */
  async reach(seq: number, signal: AbortSignal): Promise<boolean> {
    let movedAt = Date.now();
    while (this.seen < seq) {
      if (signal.aborted || this.#isClosed) return false;
      const before = this.seen;
      await this.#arrival(seq);
      if (this.seen > before) {
        movedAt = Date.now();
        continue;
      }
      const next = await leaderNext(this.#nats, dlqStream(this.#stream), before + 1);
      if (next === undefined || next.seq > seq) {
        this.seen = Math.max(this.seen, seq);
      } else if (Date.now() - movedAt > STALL_MS) {
        await this.start();
        movedAt = Date.now();
      }
    }
    return true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    await this.#messages?.close();
  }

  #take(message: JsMsg): void {
    const { streamSequence: seq, timestampNanos } = message.info;
    if (seq <= this.seen) return;
    const storedAt = Math.floor(timestampNanos / 1e6);
    const { subject } = message;
    const headers = headersOf(message, READ);
    this.#letters.add(entryOf(this.#stream, { subject, seq, storedAt, headers }));
    this.seen = seq;
    this.#wake();
  }

  #wake(): void {
    for (const waiting of this.#waiting) if (this.#isClosed || this.seen >= waiting.seq) waiting.wake();
  }

  /** Until all up to `seq` was read, or shortly. */
  async #arrival(seq: number): Promise<void> {
    const waiting = { seq, wake: () => undefined as void };
    this.#waiting.add(waiting);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ARRIVAL_MS);
      waiting.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#waiting.delete(waiting);
  }
}
