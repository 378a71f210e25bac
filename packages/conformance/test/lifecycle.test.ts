import { describe, expect, test } from "vitest";
import { connect } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { buckets, groupKey } from "@muster/contracts";
import { freePort, startNats, waitFor } from "@muster/testkit";
import { joinWorker, openGroup, publish, testLanguages } from "../src/index.ts";
import { provisionBuckets, putSpec } from "../src/provision.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();

describe.each(testLanguages)("%s", (language) => {
  test("bad settings are all named at once, and the process ends with 2", async () => {
    await using worker = joinWorker(
      language,
      { url: "http://nowhere", stream: "a b", group: "" },
      { MUSTER_HEARTBEAT_MS: "soon" },
    );
    expect((await worker.exited).code).toBe(2);
    const text = worker.lines.join("\n");
    for (const name of ["NATS_URL", "MUSTER_STREAM", "MUSTER_GROUP", "MUSTER_HEARTBEAT_MS"])
      expect(text).toContain(name);
  });

  test("a group that does not exist: says so, keeps asking, and works when it is applied", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `later-${language}` });
    const specs = await new Kvm(server.nc).open(buckets.groups);
    await specs.purge(groupKey(group.stream, group.group));
    await publish(server.nc, { subject: group.subject(), eventId: "l.1" });
    await using worker = joinWorker(language, group);
    await worker.waitForLine(/spec missing/);
    expect(await group.row("l.1")).toBeUndefined();
    await putSpec(server.nc, group.spec);
    await group.settled("l.1", "done");
  });

  test("a NATS that is down at start is waited for, and one killed in the middle loses nothing", async () => {
    const port = await freePort();
    const at = { url: `nats://127.0.0.1:${port}`, stream: "DOWN", group: "g" };
    await using worker = joinWorker(language, at);
    await worker.waitForLine(/./);
    await using own = await startNats({ port });
    const nc = await connect({ servers: own.url, maxReconnectAttempts: -1, reconnectTimeWait: 200 });
    await provisionBuckets(nc);
    const group = await openGroup(nc, own.url, { stream: "DOWN" });
    await publish(nc, { subject: group.subject(), eventId: "d.0" });
    await group.settled("d.0", "done");
    for (let n = 1; n <= 60; n++) {
      await publish(nc, { subject: group.subject(), eventId: `d.${n}`, directive: "block;ms=40" });
    }
    await own.restart();
    for (let n = 1; n <= 60; n++) await group.settled(`d.${n}`, "done", 60_000);
    await group.quiet();
    for (let n = 1; n <= 60; n++) {
      const sequences = new Set((await group.rowHistory(`d.${n}`)).map((row) => row.sequence));
      expect(sequences.size, `d.${n}`).toBe(1);
    }
    expect(await group.left()).toBe(0);
    worker.kill("SIGTERM");
    expect((await worker.exited).code).toBe(0);
    await nc.close();
  });

  test("an outage longer than the members' TTL: the record comes back and work goes on", async () => {
    await using own = await startNats();
    const nc = await connect({ servers: own.url, maxReconnectAttempts: -1, reconnectTimeWait: 200 });
    await provisionBuckets(nc, 2000);
    const group = await openGroup(nc, own.url, { stream: "OUTAGE" });
    await using worker = joinWorker(language, group);
    const before = await waitFor("the member", () => group.member(worker.id));
    await own.kill();
    const down = performance.now();
    await waitFor("the outage to pass the TTL", () => performance.now() - down > 3500);
    await own.restart();
    const after = await waitFor("the member again", async () => {
      const record = await group.member(worker.id).catch(() => undefined);
      return record?.instance === before.instance ? record : undefined;
    });
    expect(after.id).toBe(worker.id);
    await publish(nc, { subject: group.subject(), eventId: "o.1" });
    await group.settled("o.1", "done");
    await nc.close();
  });

  test("a drain under load: exit 0, nothing that had started is delivered again, the member is gone", async () => {
    const group = await openGroup(server.nc, server.url, {
      stream: `drain-${language}`,
      concurrency: 5,
      // What is not handed back would be away for longer than the test.
      ack_wait_ms: 600_000,
    });
    for (let n = 0; n < 40; n++) {
      await publish(server.nc, { subject: group.subject(), eventId: `d.${n}`, directive: "block;ms=300" });
    }
    await using first = joinWorker(language, group);
    await group.settled("d.0", "done");
    first.kill("SIGTERM");
    expect(await first.exited, first.lines.slice(-5).join("\n")).toEqual({ code: 0, signal: null });
    expect(await group.member(first.id)).toBeUndefined();
    const left = await group.left();
    expect(left).toBeGreaterThan(0);
    await using _second = joinWorker(language, group, {});
    for (let n = 0; n < 40; n++) await group.settled(`d.${n}`, "done");
    await group.quiet();
    for (let n = 0; n < 40; n++) expect(await group.rowHistory(`d.${n}`), `d.${n}`).toHaveLength(1);
  });

  test("a second signal ends it at once with 1", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `second-${language}` });
    await publish(server.nc, { subject: group.subject(), eventId: "s.1", directive: "hang" });
    await using worker = joinWorker(language, group);
    await waitFor("the message in hand", async () => ((await group.member(worker.id))?.in_flight ?? 0) > 0);
    worker.kill("SIGTERM");
    await worker.waitForLine(/"draining"/);
    worker.kill("SIGTERM");
    expect((await worker.exited).code).toBe(1);
  });

  test("a pause takes hold and is lifted live", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `pause-${language}` });
    await using worker = joinWorker(language, group);
    await publish(server.nc, { subject: group.subject(), eventId: "p.0" });
    await group.settled("p.0", "done");
    await putSpec(server.nc, { ...group.spec, paused: true });
    await waitFor("the paused member", async () => (await group.member(worker.id))?.state === "paused");
    const info = async () => (await jetstreamManager(server.nc)).consumers.info(group.stream, group.group);
    await waitFor("the last pull to run out", async () => (await info()).num_waiting === 0);
    await publish(server.nc, { subject: group.subject(), eventId: "p.1" });
    expect((await info()).num_pending).toBe(1);
    await putSpec(server.nc, group.spec);
    await group.settled("p.1", "done");
  });
});
