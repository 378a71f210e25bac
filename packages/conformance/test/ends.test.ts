import { describe, expect, test } from "vitest";
import { jetstreamManager } from "@nats-io/jetstream";
import { dlqStream } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { joinWorker, openGroup, order, publish, testLanguages } from "../src/index.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();
const wrongUrls = ["http://127.0.0.1:4222", "127.0.0.1:4222", "nats://", "nats://127.0.0.1:4222,oops"];

describe.each(testLanguages)("%s", (language) => {
  test.each(wrongUrls)("NATS_URL %s is refused with one clear line and exit 2", async (url) => {
    await using worker = joinWorker(language, { url, stream: "S", group: "g" });
    expect(await worker.exited, worker.lines.join("\n")).toEqual({ code: 2, signal: null });
    expect(worker.lines).toHaveLength(1);
    expect(worker.lines[0]).toMatch(/^NATS_URL/);
  });

  test("every bad variable is named, and nothing else", async () => {
    await using worker = joinWorker(
      language,
      { url: "", stream: "core", group: "x".repeat(61) },
      {
        WORKER_ID: "a b",
        MUSTER_HEARTBEAT_MS: "10",
        MUSTER_GRACE_MS: "-1",
        MUSTER_API_PREFIX: "a b",
        LOG_LEVEL: "loud",
      },
    );
    expect((await worker.exited).code).toBe(2);
    const named = worker.lines.map((line) => /^[A-Z_]+/.exec(line)?.[0] ?? line);
    expect(named.toSorted((a, b) => a.localeCompare(b))).toEqual([
      "LOG_LEVEL",
      "MUSTER_API_PREFIX",
      "MUSTER_GRACE_MS",
      "MUSTER_GROUP",
      "MUSTER_HEARTBEAT_MS",
      "MUSTER_STREAM",
      "NATS_URL",
      "WORKER_ID",
    ]);
  });

  test("handlers that still run when the grace is over: exit 1, and their message is not lost", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `grace-${language}` });
    await publish(server.nc, { subject: group.subject(), eventId: "g.1", directive: "block;ms=20000" });
    await using worker = joinWorker(language, group, { MUSTER_GRACE_MS: "300" });
    await waitFor("the message in hand", async () => ((await group.member(worker.id))?.in_flight ?? 0) > 0);
    worker.kill("SIGTERM");
    expect(await worker.exited).toEqual({ code: 1, signal: null });
    expect(await group.left()).toBe(1);
    expect(await group.row("g.1")).toBeUndefined();
  });

  test("a dead-letter stream that is away: nothing is lost, the member says so and recovers", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `nodlq-${language}` });
    const manager = await jetstreamManager(server.nc);
    const { config } = await manager.streams.info(dlqStream(group.stream));
    await manager.streams.delete(config.name);
    await using worker = joinWorker(language, group);
    await publish(server.nc, { subject: group.subject(), eventId: "n.1", directive: "permanent;text=why" });
    await worker.waitForLine(/"degraded"/);
    expect(await group.left()).toBe(1);
    await manager.streams.add(config);
    await worker.waitForLine(/"recovered"/);
    await group.quiet();
    expect((await group.deadLetters()).map(({ headers }) => headers["Muster-Dlq-Error"])).toEqual(["why"]);
    expect(await group.left()).toBe(0);
  });

  test("a valid order of 900 KB is done", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `large-${language}` });
    await using _worker = joinWorker(language, group);
    const body = JSON.stringify(order("large")) + " ".repeat(900_000);
    await publish(server.nc, { subject: group.subject(), eventId: "large.1", body });
    await group.settled("large.1", "done");
    expect(await group.deadLetters()).toEqual([]);
  });

  test("a publisher that expects another stream is told so, and nothing is stored", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `expect-${language}` });
    const wrong = {
      subject: group.subject(),
      eventId: "x.1",
      headers: { "Nats-Expected-Stream": "elsewhere" },
    };
    await expect(publish(server.nc, wrong)).rejects.toThrow(/expected stream does not match/i);
    expect(await group.left()).toBe(0);
  });
});
