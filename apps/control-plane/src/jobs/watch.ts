// All jobs, kept up to date by reading what was written since the last look.
import { buckets } from "@muster/contracts";
import { findStream } from "../groups/streams.ts";
import { bucketStream, readChanges } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { parseJob, type StoredJob } from "./store.ts";

/** The jobs in the bucket. No watch: one goes silent, without a word, when the bucket is made again. */
export class JobWatch {
  readonly #jobs = new Map<string, StoredJob>();
  #created = "";
  #next = 1;

  /** The jobs as they are now; none where there is no bucket yet. */
  async look(nats: Nats): Promise<ReadonlyMap<string, StoredJob>> {
    const info = await findStream(nats, bucketStream(buckets.jobs));
    const created = info?.created ?? "";
    // A server that was killed may have lost the end, and gives its revisions to others.
    const hasLostItsEnd = (info?.state.last_seq ?? 0) < this.#next - 1;
    if (created !== this.#created || hasLostItsEnd) {
      this.#jobs.clear();
      this.#next = 1;
      this.#created = created;
    }
    if (created === "") return this.#jobs;
    for await (const { key, value, revision } of readChanges(nats, buckets.jobs, ">", this.#next)) {
      const job = value === undefined ? undefined : parseJob(value);
      if (job === undefined) this.#jobs.delete(key);
      else this.#jobs.set(key, { job, revision });
      this.#next = revision + 1;
    }
    return this.#jobs;
  }
}
