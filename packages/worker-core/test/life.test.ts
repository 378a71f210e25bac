import { expect, test } from "vitest";
import type { NatsServer } from "@muster/testkit";
import { startNats, startProcess, stopProcess, waitFor, workerCommand } from "@muster/testkit";
import { memberSubject } from "@muster/contracts";
import { delay } from "../src/clock.ts";
import { RetryableError, Worker } from "../src/index.ts";
import { Job, TestGroup } from "./group.ts";

async function publishMany(group: TestGroup, count: number): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, () => group.publish()));
}

test("a drain under load lets what runs finish, gives the rest back, and nothing runs twice", async () => {
  await using server = await startNats();
  await using group = await TestGroup.create(server, { concurrency: 5 });
  const starts: string[] = [];
  const handler = async (_job: Job, context: { eventId: string }) => {
    starts.push(context.eventId);
    await delay(20);
  };
  const first = await group.worker(handler);
  const eventIds = await publishMany(group, 100);
  await waitFor("some starts", () => starts.length > 10);
  await first.drain();
  expect(await first.closed).toEqual({ reason: "drained" });
  expect(starts.length).toBeLessThan(100);
  expect(await group.members()).toEqual([]);
  await group.worker(handler);
  await group.empty();
  expect(starts.toSorted()).toEqual(eventIds.toSorted());
});

test("a drain whose grace ends aborts the handlers", async () => {
  await using server = await startNats();
  await using group = await TestGroup.create(server);
  const started = Promise.withResolvers<AbortSignal>();
  const worker = await group.worker(
    (_job, context) => {
      started.resolve(context.signal);
      return new Promise(() => undefined);
    },
    { config: { graceMs: 100 } },
  );
  await group.publish();
  const signal = await started.promise;
  await worker.drain();
  expect(await worker.closed).toEqual({ reason: "grace" });
  expect(signal.aborted).toBe(true);
});

test("a worker that was never started can be drained, twice", async () => {
  const worker = new Worker({
    contract: Job,
    handler: () => undefined,
    config: {
      natsUrls: ["nats://127.0.0.1:1"],
      stream: "S",
      group: "g",
      workerId: "w",
      apiPrefix: "$JS.API",
      heartbeatMs: 250,
      graceMs: 100,
      logLevel: "error",
      version: "1",
      httpHost: "127.0.0.1",
      httpPort: undefined,
      databaseUrl: undefined,
    },
  });
  await worker.drain();
  await worker[Symbol.asyncDispose]();
  expect(await worker.closed).toEqual({ reason: "drained" });
});

test("a drain ends the wait for a server that is not there", async () => {
  const worker = new Worker({
    contract: Job,
    handler: () => undefined,
    config: {
      natsUrls: ["nats://127.0.0.1:1"],
      stream: "S",
      group: "g",
      workerId: "w",
      apiPrefix: "$JS.API",
      heartbeatMs: 250,
      graceMs: 100,
      logLevel: "error",
      version: "1",
      httpHost: "127.0.0.1",
      httpPort: undefined,
      databaseUrl: undefined,
    },
  });
  const started = worker.start();
  await worker.drain();
  await started;
});

test("the drain command is answered and obeyed", async () => {
  await using server = await startNats();
  await using group = await TestGroup.create(server);
  const worker = await group.worker(undefined, { config: { workerId: "w1" } });
  const answer = await group.nats.request(memberSubject(group.stream, "g", "w1", "drain"));
  expect(answer.json()).toEqual({ ok: true });
  expect(await worker.closed).toEqual({ reason: "drained" });
});

test("goes on after the server was killed and restarted, and finishes what it had in hand", async () => {
  await using server = await startNats();
  await using group = await TestGroup.create(server, { concurrency: 5, ack_wait_ms: 1000 });
  const done = new Set<string>();
  await group.worker(async (_job, context) => {
    await delay(10);
    done.add(context.eventId);
  });
  const before = await publishMany(group, 200);
  await waitFor("some to be done", () => done.size > 20);
  await server.restart();
  await waitFor("the publisher to be connected", () => group.jsm.getAccountInfo());
  const after = await publishMany(group, 20);
  await group.empty();
  for (const eventId of [...before, ...after]) {
    expect((await group.row(eventId))?.status).toBe("done");
  }
});

test("what failed in an outage longer than ack_wait is not answered after it", async () => {
  await using server = await startNats();
  await using group = await TestGroup.create(server, { ack_wait_ms: 300 });
  const answers: string[] = [];
  group.nats.subscribe("$JS.ACK.>", {
    callback: (_error, msg) => void answers.push(`${msg.subject.split(".")[4]} ${msg.string()}`),
  });
  const started = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await group.worker(async (_job, context) => {
    if (context.attempt === 1 && answers.every((answer) => !answer.startsWith("2 "))) {
      started.resolve();
      await release.promise;
      throw new RetryableError("while the server was down", { delayMs: 0 });
    }
  });
  const eventId = await group.publish();
  await started.promise;
  await server.kill();
  const downAt = performance.now();
  await waitFor("the outage to outlast ack_wait", () => performance.now() - downAt > 400);
  release.resolve();
  await server.restart();
  await group.settled(eventId);
  await group.empty();
  expect(answers.filter((answer) => /^1 (-NAK|[+]TERM)/.test(answer))).toEqual([]);
});

test("a process that was stopped for longer than ack_wait does not run what others have done", async () => {
  await using server = await startNats();
  await using group = await TestGroup.create(server, { ack_wait_ms: 400, concurrency: 1 });
  const command = workerCommand("ts", { conformance: true });
  await using stopped = startProcess("ts", command.argv, {
    ...command.env,
    NATS_URL: server.url,
    MUSTER_STREAM: group.stream,
    MUSTER_GROUP: group.group,
    LOG_LEVEL: "debug",
  });
  await stopped.waitForLine(/"msg":"joined"/);
  await group.settled(await group.publish());
  await stopProcess(stopped.pid);
  const eventIds = [await group.publish(), await group.publish()];
  await group.worker();
  for (const eventId of eventIds) {
    await group.settled(eventId);
  }
  await group.empty();
  stopped.kill("SIGCONT");
  await group.settled(await group.publish());
  await stopped.waitForLine(/"msg":"lost"/);
  expect(await group.deadLetters()).toEqual([]);
});

test("waits for a group that is not there, joins when it is, and stops when it goes", async () => {
  await using server = await startNats();
  await using group = await TestGroup.create(server);
  await group.removeSpec();
  const worker = await group.worker();
  expect(worker.state).toBe("starting");
  const eventId = await group.publish();
  await group.apply();
  await group.settled(eventId);
  expect(worker.state).toBe("running");
  await group.removeSpec();
  await waitFor("the worker to see that the group is gone", () => worker.state === "starting");
});

test("pause and concurrency apply live", async () => {
  await using server: NatsServer = await startNats();
  await using group = await TestGroup.create(server, { paused: true, concurrency: 1 });
  let running = 0;
  let most = 0;
  const worker = await group.worker(async () => {
    most = Math.max(most, ++running);
    await delay(30);
    running -= 1;
  });
  expect(worker.state).toBe("paused");
  await publishMany(group, 40);
  await waitFor("two heartbeats while paused", async () => (await group.members())[0]?.state === "paused");
  expect(most).toBe(0);
  await group.apply({ concurrency: 1 });
  await waitFor("a start", () => most === 1);
  await group.apply({ concurrency: 4 });
  await group.empty();
  expect(most).toBe(4);
});

test("a second process under the same id gives up, and takes over when the first is dead", async () => {
  await using server = await startNats();
  await using group = await TestGroup.create(server);
  const first = await group.worker(undefined, { config: { workerId: "same" } });
  const second = await group.worker(undefined, { config: { workerId: "same" } });
  expect(await second.closed).toEqual({ reason: "taken" });
  expect(await group.members()).toHaveLength(1);
  await first.kill();
  const third = await group.worker(undefined, { config: { workerId: "same" } });
  expect(third.state).toBe("running");
});

test("a member whose record expired in an outage writes it again", async () => {
  await using server = await startNats();
  await using group = await TestGroup.create(server);
  await group.worker(undefined, { config: { workerId: "w1" } });
  const bucket = await group.bucket("MUSTER_MEMBERS");
  await bucket.delete(`${group.stream}.g.w1`);
  await waitFor("the record to be back", async () => (await group.members()).length === 1);
});
