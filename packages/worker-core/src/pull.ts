import type { Msg } from "@nats-io/transport-node";
import type { Connection } from "./connection.ts";
import { Lane } from "./lane.ts";
import type { Logger } from "./log.ts";
import type { Source, SourceOptions } from "./source.ts";

/** Requests under way at once. A delivered message tells only its subscription, so each request has one of its own. */
const laneCount = 4;
const pauseMs = 250;

/** Asks for as many messages as there is room for: what runs and waits in the process is bounded by its credits. */
export class Pull implements Source {
  readonly #connection: Connection;
  readonly #options: SourceOptions;
  readonly #subject: string;
  readonly #log: Logger;
  readonly #stopListening: () => void;
  #lanes: Lane[];
  #maxBatch = Number.POSITIVE_INFINITY;
  #resumeAt = 0;
  #resumeTimer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #saidStatus = "";
  /** Messages that came since it was looked whether to ask. */
  #sinceAsked = 0;
  /** By `performance.now()`; the watchdog asks. */
  lastMessageAt = performance.now();

  /** `subject`: where pull requests go. */
  constructor(connection: Connection, subject: string, options: SourceOptions, log: Logger) {
    this.#connection = connection;
    this.#subject = subject;
    this.#options = options;
    this.#log = log;
    this.#lanes = this.#openLanes();
    this.#stopListening = connection.onChange(() => {
      this.#endRequests();
      this.wake();
    });
  }

  /** Messages asked for and not delivered yet. */
  get outstanding(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.credits, 0);
  }

  /** Looks, at the end of this turn, whether there is room to ask for more. */
  wake(): void {
    if (!this.#isClosed) {
      this.#options.turn.atEnd(this.#ask);
    }
  }

  /** Starts anew on another inbox, with nothing asked for. */
  recreate(): void {
    if (!this.#isClosed) {
      const old = this.#lanes;
      this.#lanes = this.#openLanes();
      for (const lane of old) {
        // Drained, not cut: what is on its way would come again after ack_wait only, as a suspect.
        void lane.drain();
      }
      this.wake();
    }
  }

  /** Takes what was on its way and ends the subscriptions. */
  async drain(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    clearTimeout(this.#resumeTimer);
    this.#stopListening();
    this.#endRequests();
    if (this.#connection.isUp) {
      // Unsubscribes and flushes: afterwards nothing more can arrive.
      const drained = Promise.all(this.#lanes.map((lane) => lane.drain()));
      await Promise.race([drained, this.#connection.flush(2000)]);
    }
  }

  readonly #ask = (): void => {
    const { concurrency, held, hasFreeSlot, mayPull, isFresh, onSend } = this.#options;
    if (this.#isClosed || !this.#connection.isUp || !mayPull() || !isFresh()) {
      return;
    }
    const wait = this.#resumeAt - performance.now();
    if (wait > 0) {
      this.#resumeTimer ??= setTimeout(() => {
        this.#resumeTimer = undefined;
        this.wake();
      }, wait);
      return;
    }
    const most = concurrency();
    const outstanding = this.outstanding;
    const room = 2 * most - held() - outstanding;
    // A request for each freed place would cost more than the messages. With little room there is something waiting in
    // hand or asked for, unless what is in hand are suspects, which wait for each other.
    const isWorthIt = room >= Math.max(1, most / 2) || (room > 0 && outstanding === 0 && hasFreeSlot());
    const lane = isWorthIt ? this.#lanes.find(({ credits }) => credits === 0) : undefined;
    if (lane !== undefined) {
      onSend();
      lane.ask(this.#subject, Math.min(room, this.#maxBatch));
      this.#connection.writeNow();
    }
  };

  #openLanes(): Lane[] {
    const inbox = this.#connection.newInbox();
    return Array.from(
      { length: laneCount },
      (_, index) =>
        new Lane(this.#connection.nats, `${inbox}.${index}`, {
          onMessage: this.#onMessage,
          onStatus: (code, description) => this.#onStatus(code, description),
          onEnd: () => this.wake(),
        }),
    );
  }

  readonly #onMessage = (msg: Msg): void => {
    this.lastMessageAt = performance.now();
    this.#options.onMessage(msg);
    this.#sinceAsked += 1;
    if (this.#sinceAsked < this.#options.concurrency() / 2) {
      this.wake();
    } else {
      // Many come in one read. Were it asked for more only at its end, the server would wait for us and we for it.
      this.#sinceAsked = 0;
      this.#ask();
    }
  };

  #onStatus(code: number, description: string): void {
    const maxBatch = /MaxRequestBatch of ([0-9]+)/.exec(description)?.[1];
    if (maxBatch !== undefined) {
      this.#maxBatch = Math.max(1, Number(maxBatch));
    } else if (code !== 404 && code !== 408 && description !== "Batch Completed") {
      this.#resumeAt = performance.now() + pauseMs;
      const status = `${code} ${description}`.trim();
      if (status !== this.#saidStatus) {
        this.#log.warn({ code: "pull_refused", error: status }, "pull refused");
        this.#saidStatus = status;
      }
    } else {
      this.#saidStatus = "";
    }
    this.wake();
  }

  #endRequests(): void {
    for (const lane of this.#lanes) {
      lane.end();
    }
  }
}
