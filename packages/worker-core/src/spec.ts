import { buckets, groupKey, GroupSpec, specProblems } from "@muster/contracts";
import type { WorkerConfig } from "./config.ts";
import type { Kv, KvEntry } from "./kv.ts";
import type { Logger } from "./log.ts";

const missesUntilGone = 3;
const decoder = new TextDecoder();

/** The group's spec as the bucket last had it, polled with every heartbeat. */
export class SpecPoll {
  readonly #kv: Kv;
  readonly #config: WorkerConfig;
  readonly #log: Logger;
  #spec: GroupSpec | undefined;
  #first: GroupSpec | undefined;
  /** Revision of the last good spec. */
  #revision = 0;
  /** Revision last read, good or not. */
  #seen = 0;
  #misses = 0;
  #isGone = true;
  #saidMissing = false;

  constructor(kv: Kv, config: WorkerConfig, log: Logger) {
    this.#kv = kv;
    this.#config = config;
    this.#log = log;
  }

  /** The last good spec, even when it is gone: what is held still runs by it. */
  get last(): GroupSpec | undefined {
    return this.#spec;
  }

  /** True while the group exists. */
  get isReady(): boolean {
    return this.#spec !== undefined && !this.#isGone;
  }

  get revision(): number {
    return this.isReady ? this.#revision : 0;
  }

  /** Fields that changed and take effect only in a new process. */
  get restartNeeded(): string[] {
    if (this.#spec === undefined || this.#first === undefined) {
      return [];
    }
    const changed: string[] = [];
    if (JSON.stringify(this.#spec.delivery) !== JSON.stringify(this.#first.delivery)) {
      changed.push("delivery");
    }
    if (this.#spec.ledger !== this.#first.ledger) {
      changed.push("ledger");
    }
    return changed;
  }

  /** Asks for the spec; an unreachable bucket changes nothing. */
  async poll(): Promise<void> {
    const { stream, group } = this.#config;
    let entry: KvEntry;
    try {
      entry = await this.#kv.get(buckets.groups, groupKey(stream, group));
    } catch (error) {
      if (this.#spec === undefined) {
        this.#sayMissing({
          code: "unreachable",
          error: error instanceof Error ? error.message : String(error),
        });
      }
      return;
    }
    if (entry.kind !== "value") {
      this.#miss();
      return;
    }
    this.#misses = 0;
    if (entry.revision !== this.#seen) {
      this.#seen = entry.revision;
      this.#take(entry.value);
    } else if (this.#spec !== undefined && this.#isGone) {
      this.#arrived();
    }
  }

  #take(value: Uint8Array): void {
    const read = readSpec(value, this.#config);
    if (!read.ok) {
      this.#log.error({ code: "bad_spec", revision: this.#seen, error: read.error }, "spec cannot be used");
      if (this.#spec === undefined) {
        this.#miss();
      } else if (this.#isGone) {
        this.#arrived();
      }
      return;
    }
    this.#spec = read.spec;
    this.#revision = this.#seen;
    this.#first ??= read.spec;
    this.#arrived();
  }

  #arrived(): void {
    this.#isGone = false;
    this.#saidMissing = false;
    this.#log.info({ revision: this.#revision }, "spec changed");
  }

  #miss(): void {
    this.#misses += 1;
    if (this.#spec === undefined || this.#misses >= missesUntilGone) {
      this.#isGone = true;
      this.#sayMissing({});
    }
  }

  #sayMissing(fields: Record<string, string>): void {
    if (!this.#saidMissing) {
      this.#saidMissing = true;
      this.#log.warn(fields, "spec missing");
    }
  }
}

function readSpec(
  value: Uint8Array,
  config: WorkerConfig,
): { ok: true; spec: GroupSpec } | { ok: false; error: string } {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(value));
  } catch {
    return { ok: false, error: "not JSON" };
  }
  const parsed = GroupSpec.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return { ok: false, error: `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}` };
  }
  const spec = parsed.data;
  if (spec.stream !== config.stream || spec.group !== config.group) {
    return { ok: false, error: `is the spec of ${spec.stream}.${spec.group}` };
  }
  const [problem] = specProblems(spec);
  return problem === undefined ? { ok: true, spec } : { ok: false, error: problem };
}
