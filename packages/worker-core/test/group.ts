import { randomUUID } from "node:crypto";
import { Kvm } from "@nats-io/kv";
import type { KV } from "@nats-io/kv";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamClient, JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import type { AttemptsRecord, GroupSpecInput, LedgerRow } from "@muster/contracts";
import {
  attemptsKey,
  buckets,
  dlqFilter,
  dlqStream,
  groupKey,
  GroupSpec,
  ledgerKey,
  MemberRecord,
  replayFilter,
} from "@muster/contracts";
import type { NatsServer } from "@muster/testkit";
import { waitFor } from "@muster/testkit";
import { z } from "zod";
import { conformanceHandler } from "../src/conformance/handler.ts";
import type { BatchHandler, Handler, WorkerConfig, WorkerOptions } from "../src/index.ts";
import { type Middleware, Worker } from "../src/index.ts";

/** Any JSON object with a text in it is a job. */
export const Job = z.strictObject({ job: z.string() });
export type Job = z.infer<typeof Job>;

/** What a test may choose of a worker. */
export type TestOptions = Partial<Pick<WorkerOptions<typeof Job>, "onStep" | "confirmAcks" | "stallMs">> & {
  config?: Partial<WorkerConfig>;
  middleware?: readonly Middleware[];
};

let names = 0;

/** A group with its stream, consumer, buckets and spec on a real server, as the control plane makes it. */
export class TestGroup implements AsyncDisposable {
  readonly stream = `S${++names}`;
  readonly group = "g";
  readonly server: NatsServer;
  readonly nats: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly js: JetStreamClient;
  readonly #workers: Worker<typeof Job>[] = [];

  private constructor(server: NatsServer, nats: NatsConnection, jsm: JetStreamManager) {
    this.server = server;
    this.nats = nats;
    this.jsm = jsm;
    this.js = jetstream(nats);
  }

  static async create(server: NatsServer, spec: Partial<GroupSpecInput> = {}): Promise<TestGroup> {
    const nats = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
    const test = new TestGroup(server, nats, await jetstreamManager(nats));
    await test.#provision(spec.delivery?.mode === "push");
    await test.apply(spec);
    return test;
  }

  async #provision(isPush: boolean): Promise<void> {
    const { jsm, stream, group } = this;
    const kvm = new Kvm(this.js);
    for (const bucket of Object.values(buckets)) {
      await kvm.create(bucket, bucket === buckets.members ? { ttl: 15_000, markerTTL: 15_000 } : {});
    }
    await jsm.streams.add({
      name: stream,
      subjects: [`${stream}.>`, `muster.replay.${stream}.>`],
      retention: "workqueue",
    });
    await jsm.streams.add({
      name: dlqStream(stream),
      subjects: [dlqFilter(stream)],
      duplicate_window: 3_600_000_000_000,
    });
    await jsm.consumers.add(stream, {
      durable_name: group,
      ...(isPush ? { deliver_subject: `muster.push.${stream}.${group}`, deliver_group: group } : {}),
      ack_policy: "explicit",
      filter_subjects: [`${stream}.>`, replayFilter(stream, group)],
      ack_wait: 30_000_000_000,
      max_deliver: -1,
    });
    await (await this.bucket(buckets.contracts)).put("job.v1", JSON.stringify(z.toJSONSchema(Job)));
  }

  /** Writes the spec; what is not given is quick, for tests. */
  async apply(change: Partial<GroupSpecInput> = {}): Promise<void> {
    const spec = GroupSpec.parse({
      v: 1,
      stream: this.stream,
      group: this.group,
      contracts: ["job.v1"],
      subjects: [`${this.stream}.>`],
      ack_wait_ms: 1000,
      ...change,
      retry: { max_attempts: 3, backoff_ms: [50], jitter: 0, ...change.retry },
    });
    await this.jsm.consumers.update(this.stream, this.group, { ack_wait: spec.ack_wait_ms * 1_000_000 });
    await (await this.bucket(buckets.groups)).put(groupKey(this.stream, this.group), JSON.stringify(spec));
  }

  async removeSpec(): Promise<void> {
    await (await this.bucket(buckets.groups)).delete(groupKey(this.stream, this.group));
  }

  bucket(name: string): Promise<KV> {
    return new Kvm(this.js).open(name);
  }

  config(change: Partial<WorkerConfig> = {}): WorkerConfig {
    return {
      natsUrls: [this.server.url],
      stream: this.stream,
      group: this.group,
      workerId: `w-${randomUUID().slice(0, 8)}`,
      apiPrefix: "$JS.API",
      heartbeatMs: 250,
      graceMs: 5000,
      logLevel: process.env["TEST_LOG"] === "1" ? "debug" : "error",
      version: "1.2.3",
      httpHost: "127.0.0.1",
      httpPort: undefined,
      databaseUrl: undefined,
      ...change,
    };
  }

  /** Starts a worker in this process; the handler obeys the message's directive unless another is given. */
  async worker(
    handler: Handler<Job> = conformanceHandler,
    options: TestOptions = {},
  ): Promise<Worker<typeof Job>> {
    const { config, ...rest } = options;
    return this.#start(new Worker({ contract: Job, handler, config: this.config(config), ...rest }));
  }

  /** Starts a worker with a batch handler in this process. */
  async batchWorker(
    batchHandler: BatchHandler<Job>,
    options: Omit<TestOptions, "middleware"> = {},
  ): Promise<Worker<typeof Job>> {
    const { config, ...rest } = options;
    return this.#start(new Worker({ contract: Job, batchHandler, config: this.config(config), ...rest }));
  }

  async #start(worker: Worker<typeof Job>): Promise<Worker<typeof Job>> {
    this.#workers.push(worker);
    await worker.start();
    return worker;
  }

  /** Publishes a job and returns its event id. */
  async publish(
    options: {
      directive?: string;
      eventId?: string;
      body?: string | Uint8Array;
      headers?: Record<string, string>;
    } = {},
  ): Promise<string> {
    const eventId = options.eventId ?? randomUUID();
    const all = headers();
    all.set("Muster-Event-Id", eventId);
    if (options.directive !== undefined) {
      all.set("Muster-Conformance", options.directive);
    }
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      all.set(name, value);
    }
    await this.js.publish(`${this.stream}.job`, options.body ?? JSON.stringify({ job: eventId }), {
      headers: all,
    });
    return eventId;
  }

  async row(eventId: string): Promise<LedgerRow | undefined> {
    const entry = await (await this.bucket(buckets.ledger)).get(ledgerKey(this.stream, this.group, eventId));
    return entry === null || entry.operation !== "PUT" ? undefined : entry.json<LedgerRow>();
  }

  /** The attempts record of a message, if there is one. */
  async attempts(sequence: number): Promise<AttemptsRecord | undefined> {
    const entry = await (await this.bucket(buckets.attempts)).get(
      attemptsKey(this.stream, this.group, sequence),
    );
    return entry === null || entry.operation !== "PUT" ? undefined : entry.json<AttemptsRecord>();
  }

  settled(eventId: string, status: LedgerRow["status"] = "done"): Promise<LedgerRow> {
    return waitFor(`row ${status} of ${eventId}`, async () => {
      const row = await this.row(eventId);
      return row?.status === status ? row : undefined;
    });
  }

  async deadLetters(): Promise<StoredMsg[]> {
    const letters: StoredMsg[] = [];
    const { state } = await this.jsm.streams.info(dlqStream(this.stream));
    for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
      const letter = await this.jsm.streams.getMessage(dlqStream(this.stream), { seq });
      if (letter !== null) {
        letters.push(letter);
      }
    }
    return letters;
  }

  /** Waits until the work queue has no message any more. */
  async empty(): Promise<void> {
    await waitFor(
      `stream ${this.stream} to be empty`,
      async () => (await this.jsm.streams.info(this.stream)).state.messages === 0,
    );
  }

  async members(): Promise<MemberRecord[]> {
    const bucket = await this.bucket(buckets.members);
    const records: MemberRecord[] = [];
    for await (const key of await bucket.keys(`${this.stream}.>`)) {
      const entry = await bucket.get(key);
      if (entry?.operation === "PUT") {
        records.push(MemberRecord.parse(entry.json()));
      }
    }
    return records;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) {
      await worker.kill();
    }
    await this.nats.close();
  }
}
