import { afterAll, beforeAll, expect, test } from "vitest";
import type { NatsServer, Proc } from "@muster/testkit";
import { startNats, startProcess, workerCommand } from "@muster/testkit";
import { TestGroup } from "./group.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

function start(group: TestGroup, env: Record<string, string> = {}): Proc {
  const command = workerCommand("ts", { conformance: true });
  return startProcess("ts", command.argv, {
    ...command.env,
    NATS_URL: server.url,
    MUSTER_STREAM: group.stream,
    MUSTER_GROUP: group.group,
    MUSTER_HEARTBEAT_MS: "250",
    LOG_LEVEL: "debug",
    ...env,
  });
}

test("SIGTERM drains and exits with 0", async () => {
  await using group = await TestGroup.create(server);
  await using worker = start(group);
  await worker.waitForLine(/"msg":"joined"/);
  await group.settled(await group.publish());
  worker.kill("SIGTERM");
  expect(await worker.exited).toEqual({ code: 0, signal: null });
  expect(worker.lines.some((line) => line.includes('"msg":"left"'))).toBe(true);
  expect(await group.members()).toEqual([]);
});

test("a second signal exits with 1 at once", async () => {
  await using group = await TestGroup.create(server);
  await using worker = start(group);
  await worker.waitForLine(/"msg":"joined"/);
  await group.publish({ directive: "block;ms=60000" });
  // The second is done only when the blocked one has been started before it.
  await group.settled(await group.publish());
  worker.kill("SIGINT");
  await worker.waitForLine(/"msg":"draining"/);
  worker.kill("SIGINT");
  expect(await worker.exited).toEqual({ code: 1, signal: null });
});

test("an id in use by a live member exits with 3", async () => {
  await using group = await TestGroup.create(server);
  await using first = start(group, { WORKER_ID: "same" });
  await first.waitForLine(/"msg":"joined"/);
  await using second = start(group, { WORKER_ID: "same" });
  expect(await second.exited).toEqual({ code: 3, signal: null });
});

test.each([
  ["received", "return", "done"],
  ["row_done", "return", "done"],
  ["row_dead", "permanent", "dead"],
  ["dead_lettered", "permanent", "dead"],
  ["attempt_recorded", "retryable", "dead"],
] as const)("a kill at %s loses nothing and doubles nothing", async (step, directive, status) => {
  await using group = await TestGroup.create(server, { ack_wait_ms: 300 });
  await using killed = start(group, { MUSTER_CONFORMANCE_KILL_AT: step });
  await killed.waitForLine(/"msg":"joined"/);
  const eventId = await group.publish({ directive });
  expect((await killed.exited).signal).toBe("SIGKILL");
  await using second = start(group);
  await second.waitForLine(/"msg":"joined"/);
  await group.settled(eventId, status);
  await group.empty();
  expect(await group.deadLetters()).toHaveLength(status === "dead" ? 1 : 0);
});
