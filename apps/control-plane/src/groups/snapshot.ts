// What is on the server, each thing read once: many groups are checked and planned against the same sight.
import { buckets, type GroupSpec } from "@muster/contracts";
import type { ConsumerInfo, StreamInfo } from "@nats-io/jetstream";
import { getText } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { findConsumer } from "./consumer.ts";
import { filtersOfConsumer } from "./consumer-config.ts";
import { FilterIndex } from "./filter-index.ts";
import { listConsumers } from "./read-groups.ts";
import { readSpecs } from "./specs.ts";
import { findStream } from "./streams.ts";

/** Reads on demand, and keeps what it read. `isForMany`: specs of all streams are read at once. */
export class Snapshot {
  readonly nats: Nats;
  readonly #isForMany: boolean;
  readonly #kept = new Map<string, Promise<unknown>>();

  constructor(nats: Nats, isForMany: boolean) {
    this.nats = nats;
    this.#isForMany = isForMany;
  }

  /** A stream, or nothing. */
  stream(name: string): Promise<StreamInfo | undefined> {
    return this.#once(`stream ${name}`, () => findStream(this.nats, name));
  }

  /** All consumers of a stream by name; a stream that is gone has none. */
  consumers(stream: string): Promise<Map<string, ConsumerInfo>> {
    return this.#once(
      `consumers ${stream}`,
      async () => new Map((await listConsumers(this.nats, stream)).map((one) => [one.name, one])),
    );
  }

  /** Who takes what of a stream. Whoever changes it puts it right again before others can see it. */
  filters(stream: string): Promise<FilterIndex> {
    return this.#once(`filters ${stream}`, async () => {
      const index = new FilterIndex();
      for (const { name, config } of (await this.consumers(stream)).values())
        index.set(name, filtersOfConsumer(config));
      return index;
    });
  }

  /** A consumer, or nothing. */
  async consumer(stream: string, name: string): Promise<ConsumerInfo | undefined> {
    // In a cluster a list lacks what has no leader just now.
    return (await this.consumers(stream)).get(name) ?? (await findConsumer(this.nats, stream, name));
  }

  /** The specs stored for a stream. */
  async specs(stream: string): Promise<GroupSpec[]> {
    const only = this.#isForMany ? undefined : stream;
    const all = await this.#once(`specs ${only ?? ""}`, async () =>
      Map.groupBy(
        (await readSpecs(this.nats, only)).map(({ spec }) => spec),
        (spec) => spec.stream,
      ),
    );
    return all.get(stream) ?? [];
  }

  /** The schema of a contract as it is stored, or nothing. */
  contract(name: string): Promise<string | undefined> {
    return this.#once(`contract ${name}`, () => getText(this.nats, buckets.contracts, name));
  }

  #once<T>(key: string, read: () => Promise<T>): Promise<T> {
    const kept = this.#kept.get(key) ?? read();
    this.#kept.set(key, kept);
    return kept as Promise<T>;
  }
}
