import type { AttemptsRecord } from "@muster/contracts";
import { delay } from "./clock.ts";
import type { DeadLetters, Failure } from "./dead-letter.ts";
import type { Logger } from "./log.ts";
import type { Message } from "./message.ts";

/** A dead letter that the stream has not taken yet. */
interface Letter {
  readonly message: Message;
  readonly reason: Failure["reason"];
  readonly headers: Record<string, string>;
}

const againMs = 1000;

/**
 * Dead letters of a queue group. There is no message to give back while the stream does not take one, so it is kept
 * in the process and tried again; what does not fit is lost, said, and counted.
 */
export class QueueLetters {
  readonly #deadLetters: DeadLetters;
  readonly #most: () => number;
  readonly #log: Logger;
  readonly #onLost: () => void;
  readonly #kept = new Set<Letter>();
  readonly #stop = new AbortController();
  #idle: (() => void)[] = [];

  constructor(parts: { deadLetters: DeadLetters; most: () => number; log: Logger; onLost: () => void }) {
    this.#deadLetters = parts.deadLetters;
    this.#most = parts.most;
    this.#log = parts.log;
    this.#onLost = parts.onLost;
  }

  /** True while a dead letter waits for its stream. */
  get isWaiting(): boolean {
    return this.#kept.size > 0;
  }

  send(message: Message, failure: Failure, contract: string, record: AttemptsRecord | undefined): void {
    if (this.#kept.size >= this.#most()) {
      this.lost(message, "its dead letter does not fit either", true);
      return;
    }
    const headers = this.#deadLetters.headers(message, failure, contract, record);
    const letter = { message, reason: failure.reason, headers };
    this.#kept.add(letter);
    void this.#publish(letter);
  }

  /** A message that nobody will see again. */
  lost(message: Message, why: string, isSaid: boolean): void {
    this.#onLost();
    if (isSaid) {
      this.#log.error({ code: "queue_lost", event_id: message.eventId, error: why }, "message lost");
    }
  }

  /** Resolves when all are published. */
  async drain(): Promise<void> {
    if (this.#kept.size > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** Gives up: what is still here is lost with the process. */
  close(): void {
    this.#stop.abort();
  }

  async #publish(letter: Letter): Promise<void> {
    const { message, reason, headers } = letter;
    let said = false;
    while (!this.#stop.signal.aborted) {
      try {
        await this.#deadLetters.publish(reason, headers, message.body);
        break;
      } catch (error) {
        if (!said) {
          said = true;
          const text = error instanceof Error ? error.message : String(error);
          this.#log.warn(
            { code: "unreachable", event_id: message.eventId, error: text },
            "dead letter waits",
          );
        }
        await delay(againMs, this.#stop.signal);
      }
    }
    this.#kept.delete(letter);
    if (this.#kept.size === 0) {
      for (const resolve of this.#idle.splice(0)) {
        resolve();
      }
    }
  }
}
