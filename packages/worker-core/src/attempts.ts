import {
  attemptsKey,
  AttemptsRecord,
  buckets,
  noteStart,
  recordFailure,
  recordSnooze,
} from "@muster/contracts";
import { isoTime } from "./clock.ts";
import type { WorkerConfig } from "./config.ts";
import type { Kv } from "./kv.ts";
import type { Message } from "./message.ts";

/** The attempts record of a message as it is in the bucket. */
export interface Attempts {
  /** Undefined where there is none, or one of another message under the same sequence. */
  readonly record: AttemptsRecord | undefined;
  readonly revision: number;
}

/** How an attempt failed; without a delay it is not tried again. */
export interface AttemptFailed {
  startedAt: number;
  errorClass: string;
  error: string;
  delayMs?: number;
}

const decoder = new TextDecoder();

/** Reads and writes attempts records. All methods that ask the server throw `unreachable`. */
export class AttemptsStore {
  readonly #kv: Kv;
  readonly #config: WorkerConfig;

  constructor(kv: Kv, config: WorkerConfig) {
    this.#kv = kv;
    this.#config = config;
  }

  async get(message: Message): Promise<Attempts> {
    const entry = await this.#kv.get(buckets.attempts, this.#key(message));
    const record = entry.kind === "value" ? readRecord(entry.value) : undefined;
    return {
      record: record?.store_time === message.storeTime ? record : undefined,
      revision: entry.revision,
    };
  }

  /** Returns what was written, or undefined when the record has changed since it was read. */
  async put(message: Message, attempts: Attempts, record: AttemptsRecord): Promise<Attempts | undefined> {
    const put = await this.#kv.put(
      buckets.attempts,
      this.#key(message),
      JSON.stringify(record),
      attempts.revision,
    );
    return put.ok ? { record, revision: put.revision } : undefined;
  }

  /** Cleaning up: a failure costs nothing, the record expires by itself. */
  async delete(message: Message, attempts: Attempts | undefined): Promise<void> {
    if (attempts?.record !== undefined) {
      await this.#kv.delete(buckets.attempts, this.#key(message), attempts.revision).catch(() => undefined);
    }
  }

  /** The record with the note that the handler is about to start. */
  withStart(message: Message, record: AttemptsRecord | undefined, startedAt: number): AttemptsRecord {
    return noteStart(record, this.#start(message, startedAt));
  }

  /** The record with a failed attempt; one whose start was noted is not counted twice. */
  withFailure(message: Message, record: AttemptsRecord | undefined, failed: AttemptFailed): AttemptsRecord {
    const { startedAt, ...rest } = failed;
    return recordFailure(record, { ...this.#start(message, startedAt), endedAt: isoTime(), ...rest });
  }

  /** The record with a snooze, which is no attempt. */
  withSnooze(
    message: Message,
    record: AttemptsRecord | undefined,
    startedAt: number,
    delayMs: number,
  ): AttemptsRecord {
    return recordSnooze(record, {
      ...this.#start(message, startedAt),
      endedAt: isoTime(),
      delayMs: Math.round(delayMs),
    });
  }

  #start(message: Message, startedAt: number) {
    return {
      sequence: message.sequence,
      storeTime: message.storeTime,
      eventId: message.eventId,
      delivered: message.delivered,
      member: this.#config.workerId,
      language: "ts" as const,
      version: this.#config.version,
      startedAt: isoTime(startedAt),
    };
  }

  #key(message: Message): string {
    return attemptsKey(this.#config.stream, this.#config.group, message.sequence);
  }
}

function readRecord(value: Uint8Array): AttemptsRecord | undefined {
  try {
    const parsed = AttemptsRecord.safeParse(JSON.parse(decoder.decode(value)));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
