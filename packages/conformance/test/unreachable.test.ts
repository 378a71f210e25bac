import { describe, expect, test } from "vitest";
import { connect } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { buckets, dlqStream } from "@muster/contracts";
import { startNats, waitFor } from "@muster/testkit";
import { joinWorker, openGroup, publish, testLanguages } from "../src/index.ts";
import { provisionBuckets } from "../src/provision.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();

describe.each(testLanguages)("%s", (language) => {
  test("a full dead-letter stream: nothing is lost, and it is finished when there is room", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `full-${language}` });
    const manager = await jetstreamManager(server.nc);
    const { config } = await manager.streams.info(dlqStream(group.stream));
    await manager.streams.update(config.name, { ...config, max_msgs: 1 });
    await using worker = joinWorker(language, group);
    for (const n of [1, 2]) {
      await publish(server.nc, { subject: group.subject(), eventId: `f.${n}`, directive: "permanent" });
      await group.settled(`f.${n}`, "dead");
    }
    await worker.waitForLine(/"degraded"/);
    expect(await group.deadLetters()).toHaveLength(1);
    expect(await group.left()).toBe(1);
    await manager.streams.update(config.name, { ...config, max_msgs: -1 });
    await group.quiet();
    await waitFor("both dead letters", async () => (await group.deadLetters()).length === 2);
    expect(await group.left()).toBe(0);
  });

  test("a ledger that is away: the message waits, uncounted, and is done when it is back", async () => {
    await using own = await startNats();
    const nc = await connect({ servers: own.url });
    await provisionBuckets(nc);
    const group = await openGroup(nc, own.url, { stream: "AWAY" });
    const manager = await jetstreamManager(nc);
    const ledger = `KV_${buckets.ledger}`;
    const { config } = await manager.streams.info(ledger);
    await using worker = joinWorker(language, group);
    await waitFor("the running member", async () => (await group.member(worker.id))?.state === "running");
    await manager.streams.delete(ledger);
    const { seq } = await publish(nc, { subject: group.subject(), eventId: "a.1" });
    await worker.waitForLine(/"degraded"/);
    expect(await group.left()).toBe(1);
    await manager.streams.add(config);
    const row = await group.settled("a.1", "done", 45_000);
    expect(row.sequence).toBe(seq);
    await group.quiet();
    expect(await group.attempts(seq)).toBeUndefined();
    await nc.close();
  });
});
