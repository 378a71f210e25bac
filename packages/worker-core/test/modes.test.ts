import { headers } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buckets, GroupSpec, groupKey } from "@muster/contracts";
import type { NatsServer } from "@muster/testkit";
import { startNats, waitFor } from "@muster/testkit";
import { PermanentError, type Settled, Worker } from "../src/index.ts";
import { Job, TestGroup } from "./group.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

test("a push group shares what the server pushes, retries and dead-letters as the others", async () => {
  await using group = await TestGroup.create(server, { delivery: { mode: "push" }, concurrency: 2 });
  await group.worker();
  await group.worker();
  const good = await group.publish();
  const twice = await group.publish({ directive: "retryable;times=1" });
  const bad = await group.publish({ directive: "permanent;text=no" });
  await group.settled(good);
  await group.settled(twice);
  expect((await group.settled(bad, "dead")).reason).toBe("permanent");
  await group.empty();
  expect((await group.members()).map(({ delivery }) => delivery)).toEqual(["push", "push"]);
});

test("a push member that is paused lets the others have the messages", async () => {
  await using group = await TestGroup.create(server, { delivery: { mode: "push" }, paused: true });
  const worker = await group.worker();
  await waitFor("the paused member", () => worker.state === "paused");
  const eventId = await group.publish();
  const info = await group.jsm.consumers.info(group.stream, "g");
  expect([info.num_pending + info.num_ack_pending, info.push_bound ?? false]).toEqual([1, false]);
  await group.apply({ delivery: { mode: "push" } });
  await group.settled(eventId);
});

test("a push group across accounts is refused with the way out", async () => {
  await using group = await TestGroup.create(server, { delivery: { mode: "push" } });
  const worker = await group.worker(undefined, { config: { apiPrefix: "$JS.API.x" } });
  expect(worker.state).toBe("starting");
});

test("without a ledger a repeat runs again, a retry keeps its history, and a dead letter needs no row", async () => {
  await using group = await TestGroup.create(server, { ledger: "none" });
  const starts: string[] = [];
  await group.worker((_job, context) => {
    starts.push(`${context.eventId} ${context.attempt} ${context.history.length}`);
    if (context.eventId === "bad") {
      throw new PermanentError("no");
    }
    if (context.eventId === "again" && context.attempt === 1) {
      throw new Error("once");
    }
  });
  await group.publish({ eventId: "same" });
  await group.publish({ eventId: "same" });
  await group.publish({ eventId: "again" });
  await group.publish({ eventId: "bad" });
  await group.empty();
  expect(starts.toSorted()).toEqual(["again 1 0", "again 2 1", "bad 1 0", "same 1 0", "same 1 0"]);
  expect(await group.row("same")).toBeUndefined();
  expect((await group.deadLetters()).map(({ subject }) => subject)).toEqual([
    `muster.dlq.${group.stream}.g.permanent`,
  ]);
});

test("confirmed acks settle the same", async () => {
  await using group = await TestGroup.create(server, { ledger: "none", concurrency: 5 });
  const settled: Settled[] = [];
  const worker = await group.worker(() => null, { confirmAcks: true });
  worker.on("settled", (one) => settled.push(one));
  for (let n = 0; n < 50; n++) {
    await group.publish();
  }
  await group.empty();
  await waitFor("all to be told", () => settled.length === 50);
  expect(new Set(settled.map(({ outcome }) => outcome))).toEqual(new Set(["done"]));
});

test("a core queue group hands each message to one member, and what fails is dead at once", async () => {
  await using group = await TestGroup.create(server);
  const queue = await QueueGroup.create(group, "q1");
  const starts: string[] = [];
  const workers = await Promise.all(
    [1, 2].map(() =>
      queue.worker((_job, context) => {
        starts.push(context.eventId);
        if (context.eventId === "bad") {
          throw new PermanentError("no");
        }
        if (context.eventId === "odd") {
          throw new Error("odd");
        }
      }),
    ),
  );
  for (let n = 0; n < 20; n++) {
    queue.publish(`m${n}`);
  }
  queue.publish("bad");
  queue.publish("odd");
  queue.publish("broken", "{");
  const letters = await waitFor("three dead letters", async () => {
    const found = await queue.deadLetters();
    return found.length === 3 ? found : undefined;
  });
  expect(letters.toSorted()).toEqual(["bad permanent 1", "broken invalid 0", "odd exhausted 1"]);
  await waitFor("all to have run", () => starts.length === 22);
  expect(new Set(starts).size).toBe(22);
  await Promise.all(workers.map((worker) => worker.drain()));
});

test("a dead letter of a queue group comes back by a request to a member", async () => {
  await using group = await TestGroup.create(server);
  const queue = await QueueGroup.create(group, "q2");
  const subjects: string[] = [];
  const worker = await queue.worker((_job, context) => void subjects.push(context.subject));
  const replay = headers();
  replay.set("Muster-Event-Id", "again");
  replay.set("Muster-Replay-Subject", "orders.created");
  const answer = await group.nats.request(
    `muster.member.core.q2.${queue.memberId}.replay`,
    JSON.stringify({ job: "again" }),
    { headers: replay, timeout: 5000 },
  );
  expect(answer.json()).toEqual({ ok: true });
  await waitFor("the replay to run", () => subjects.length === 1);
  expect(subjects).toEqual(["orders.created"]);
  await worker.drain();
});

/** A core queue group beside a test group. */
class QueueGroup {
  readonly memberId: string;
  readonly #group: TestGroup;
  readonly #name: string;

  private constructor(group: TestGroup, name: string) {
    this.#group = group;
    this.#name = name;
    this.memberId = `${name}-first`;
  }

  static async create(group: TestGroup, name: string): Promise<QueueGroup> {
    const spec = GroupSpec.parse({
      v: 1,
      stream: "core",
      group: name,
      contracts: ["job.v1"],
      subjects: [`${name}.>`],
      delivery: { mode: "queue" },
      ledger: "none",
    });
    await (await group.bucket(buckets.groups)).put(groupKey("core", name), JSON.stringify(spec));
    await group.jsm.streams
      .add({ name: "core_DLQ", subjects: ["muster.dlq.core.>"], duplicate_window: 3_600_000_000_000 })
      .catch(() => undefined);
    return new QueueGroup(group, name);
  }

  #count = 0;

  async worker(
    handler: ConstructorParameters<typeof Worker<typeof Job>>[0]["handler"],
  ): Promise<Worker<typeof Job>> {
    this.#count += 1;
    const workerId = this.#count === 1 ? this.memberId : `${this.#name}-${this.#count}`;
    const config = this.#group.config({ stream: "core", group: this.#name, workerId });
    const worker = new Worker({ contract: Job, config, handler: handler ?? (() => null) });
    await worker.start();
    return worker;
  }

  publish(eventId: string, body = JSON.stringify({ job: eventId })): void {
    const head = headers();
    head.set("Muster-Event-Id", eventId);
    this.#group.nats.publish(`${this.#name}.job`, body, { headers: head });
  }

  /** Event id, reason and attempts of each. */
  async deadLetters(): Promise<string[]> {
    const { state } = await this.#group.jsm.streams.info("core_DLQ");
    const letters: string[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
      const letter = await this.#group.jsm.streams.getMessage("core_DLQ", { seq });
      const of = (name: string): string => letter?.header.get(`Muster-Dlq-${name}`) ?? "";
      if (of("Group") === this.#name) {
        letters.push(`${of("Event-Id")} ${of("Reason")} ${of("Attempts")}`);
      }
    }
    return letters;
  }
}
