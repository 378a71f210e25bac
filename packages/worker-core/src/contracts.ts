import { buckets, createVerdict, MusterError } from "@muster/contracts";
import type { Kv } from "./kv.ts";
import type { Logger } from "./log.ts";

export type Verdict = ReturnType<typeof createVerdict>;

const decoder = new TextDecoder();

/** The contracts a member has loaded; the JSON Schema in the bucket is the one verdict of all languages. */
export class Contracts {
  readonly #kv: Kv;
  readonly #log: Logger;
  readonly #loaded = new Map<string, { revision: number; verdict: Verdict }>();
  readonly #badRevisions = new Map<string, number>();

  constructor(kv: Kv, log: Logger) {
    this.#kv = kv;
    this.#log = log;
  }

  get names(): string[] {
    return [...this.#loaded.keys()].toSorted();
  }

  /** The verdict of a contract that is loaded. */
  loaded(name: string): Verdict | undefined {
    return this.#loaded.get(name)?.verdict;
  }

  /** The verdict of a contract, fetched now if it is not loaded; undefined when it is not there. Throws `unreachable`. */
  async verdict(name: string): Promise<Verdict | undefined> {
    const loaded = this.#loaded.get(name) ?? (await this.#load(name));
    return loaded?.verdict;
  }

  /** Fetches what has changed of the contracts the spec names. What is unreachable or gone stays as it is. */
  async refresh(names: readonly string[]): Promise<void> {
    for (const name of this.#loaded.keys()) {
      if (!names.includes(name)) {
        this.#loaded.delete(name);
      }
    }
    await Promise.allSettled(names.map((name) => this.#load(name)));
  }

  async #load(name: string): Promise<{ revision: number; verdict: Verdict } | undefined> {
    const entry = await this.#kv.get(buckets.contracts, name);
    const known = this.#loaded.get(name);
    if (
      entry.kind !== "value" ||
      known?.revision === entry.revision ||
      this.#badRevisions.get(name) === entry.revision
    ) {
      return known;
    }
    try {
      const schema: unknown = JSON.parse(decoder.decode(entry.value));
      const loaded = { revision: entry.revision, verdict: createVerdict(name, schema) };
      this.#loaded.set(name, loaded);
      return loaded;
    } catch (cause) {
      this.#badRevisions.set(name, entry.revision);
      const error = cause instanceof MusterError ? cause.message : String(cause);
      this.#log.error(
        { code: "bad_contract", contract: name, revision: entry.revision, error },
        "contract cannot be used",
      );
      return known;
    }
  }
}
