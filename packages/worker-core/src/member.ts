import { buckets, MemberRecord, memberKey } from "@muster/contracts";
import { delay } from "./clock.ts";
import type { WorkerConfig } from "./config.ts";
import type { Kv } from "./kv.ts";
import type { Logger } from "./log.ts";

const decoder = new TextDecoder();

/**
 * The member's record: its place in the group, kept by compare and set, so that two processes under
 * one id notice each other.
 */
export class Membership {
  readonly #kv: Kv;
  readonly #config: WorkerConfig;
  readonly #log: Logger;
  /** Tells this process from another one under the same id. */
  readonly instance: string;
  #revision: number | undefined;

  constructor(kv: Kv, config: WorkerConfig, instance: string, log: Logger) {
    this.#kv = kv;
    this.#config = config;
    this.instance = instance;
    this.#log = log;
  }

  /**
   * Takes the id: at once where it is free, after two beats where its record does not change.
   * `taken`: a live member has it. `unreachable`: not known yet, the next beat tries again.
   */
  async claim(record: () => MemberRecord, signal: AbortSignal): Promise<"claimed" | "taken" | "unreachable"> {
    try {
      const { key, value } = this.#entry(record);
      const put = await this.#kv.create(buckets.members, key, value);
      if (put.ok) {
        this.#revision = put.revision;
        return "claimed";
      }
      return await this.#watch(record, signal);
    } catch (error) {
      this.#log.debug({ code: "unreachable", error: String(error) }, "heartbeat not written");
      return "unreachable";
    }
  }

  /** Writes the record. `taken`: another process has our id now. */
  async beat(record: () => MemberRecord, signal: AbortSignal): Promise<"claimed" | "taken" | "unreachable"> {
    if (this.#revision === undefined) {
      return this.claim(record, signal);
    }
    try {
      const { key, value } = this.#entry(record);
      for (let round = 1; round <= 3; round++) {
        const put = await this.#kv.put(buckets.members, key, value, this.#revision);
        if (put.ok) {
          this.#revision = put.revision;
          return "claimed";
        }
        // After an outage the record has expired and its marker has taken a revision.
        const entry = await this.#kv.get(buckets.members, key);
        if (entry.kind === "value" && instanceOf(entry.value) !== this.instance) {
          return "taken";
        }
        this.#revision = entry.revision;
      }
    } catch (error) {
      this.#log.debug({ code: "unreachable", error: String(error) }, "heartbeat not written");
    }
    return "unreachable";
  }

  /** Deletes the record: a member that leaves is no crash. */
  async leave(): Promise<void> {
    if (this.#revision === undefined) {
      return;
    }
    const { key } = this.#entry();
    try {
      for (let round = 1; round <= 3; round++) {
        if ((await this.#kv.delete(buckets.members, key, this.#revision)).ok) {
          return;
        }
        // A last heartbeat was still on its way: the record is ours, at another revision.
        const entry = await this.#kv.get(buckets.members, key);
        if (entry.kind !== "value" || instanceOf(entry.value) !== this.instance) {
          return;
        }
        this.#revision = entry.revision;
      }
    } catch (error) {
      this.#log.debug({ code: "unreachable", error: String(error) }, "heartbeat not written");
    } finally {
      this.#revision = undefined;
    }
  }

  async #watch(
    record: () => MemberRecord,
    signal: AbortSignal,
  ): Promise<"claimed" | "taken" | "unreachable"> {
    const { key } = this.#entry();
    const first = await this.#kv.get(buckets.members, key);
    const isForeign = first.kind === "value" && instanceOf(first.value) !== this.instance;
    const until = performance.now() + (isForeign ? 2 * this.#config.heartbeatMs : 0);
    let revision = first.revision;
    while (performance.now() < until && !signal.aborted) {
      await delay(this.#config.heartbeatMs / 4, signal);
      const entry = await this.#kv.get(buckets.members, key);
      if (entry.kind === "value" && entry.revision !== revision) {
        return "taken";
      }
      revision = entry.revision;
      if (entry.kind !== "value") {
        break;
      }
    }
    const put = await this.#kv.put(buckets.members, key, this.#entry(record).value, revision);
    if (put.ok) {
      this.#revision = put.revision;
    }
    return put.ok ? "claimed" : "taken";
  }

  #entry(record?: () => MemberRecord): { key: string; value: string } {
    const { stream, group, workerId } = this.#config;
    return {
      key: memberKey(stream, group, workerId),
      value: record === undefined ? "" : JSON.stringify(record()),
    };
  }
}

function instanceOf(value: Uint8Array): string | undefined {
  try {
    const parsed = MemberRecord.safeParse(JSON.parse(decoder.decode(value)));
    return parsed.success ? parsed.data.instance : undefined;
  } catch {
    return undefined;
  }
}
