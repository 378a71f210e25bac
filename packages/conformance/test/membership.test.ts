import { describe, expect, test } from "vitest";
import { waitFor } from "@muster/testkit";
import { memberSubject } from "@muster/contracts";
import { joinWorker, openGroup, publish, testLanguages } from "../src/index.ts";
import { sharedServer } from "../src/server.ts";
import { tapAcks } from "../src/tap.ts";

const server = sharedServer();

describe.each(testLanguages)("%s", (language) => {
  test("a live id is refused, a dead one is taken over", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `id-${language}` });
    await using first = joinWorker(language, group, { WORKER_ID: "same" });
    const one = await waitFor("the first member", () => group.member("same"));
    await using second = joinWorker(language, group, { WORKER_ID: "same" });
    expect((await second.exited).code, second.lines.join("\n")).toBe(3);
    first.kill("SIGKILL");
    await first.exited;
    await using third = joinWorker(language, group, { WORKER_ID: "same" });
    const record = await waitFor("the third in its place", async () => {
      const now = await group.member("same");
      return now !== undefined && now.instance !== one.instance ? now : undefined;
    });
    expect(record).toMatchObject({ id: "same", language, pid: third.pid });
    await publish(server.nc, { subject: group.subject(), eventId: "e.1" });
    await group.settled("e.1", "done");
  });

  test("the record tells what the member does", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `record-${language}`, concurrency: 7 });
    await using worker = joinWorker(language, group);
    await publish(server.nc, { subject: group.subject(), eventId: "r.1" });
    await publish(server.nc, { subject: group.subject(), eventId: "r.2", directive: "permanent" });
    await publish(server.nc, { subject: group.subject(), eventId: "r.3", directive: "hang" });
    const record = await waitFor("a beat with all of it", async () => {
      const now = await group.member(worker.id);
      return now?.in_flight === 1 && now.counts.done === 1 && now.counts.dead === 1 ? now : undefined;
    });
    expect(record).toMatchObject({
      state: "running",
      delivery: "pull",
      concurrency: 7,
      contracts: ["order.v1"],
    });
    expect(record.oldest?.sequence).toBe(3);
  });

  test("each delivery counts by its own outcome, repeats and stale ones too", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `counts-${language}`, concurrency: 4 });
    const tap = await tapAcks(server.nc, group);
    await using worker = joinWorker(language, group);
    const send = (eventId: string, directive: string) =>
      publish(server.nc, { subject: group.subject(), eventId, directive });
    await send("done", "return");
    await group.settled("done", "done");
    await send("done", "return");
    // It waits in backoff while a later copy of its event dies.
    const { seq } = await send("dead", "retryable;delay_ms=1500;times=1");
    await waitFor("the first copy to back off", () => tap.story(seq) === "nak 1");
    await send("dead", "permanent");
    await group.settled("dead", "dead");
    await group.quiet();
    const counts = await waitFor("a beat with all five settled", async () => {
      const now = (await group.member(worker.id))?.counts;
      const settled = Object.values(now ?? {}).reduce<number>((sum, count) => sum + Number(count), 0);
      return settled === 5 ? now : undefined;
    });
    const told = { done: 1, retry: 1, snoozed: 0, returned: 0, dead: 1, repeat: 1, stale: 1 };
    // A member may count more than it has to.
    expect(counts).toMatchObject(told);
  });

  test("the drain command is answered, and ends the member in order", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `command-${language}` });
    await using worker = joinWorker(language, group);
    await waitFor("the running member", async () => (await group.member(worker.id))?.state === "running");
    const answer = await server.nc.request(memberSubject(group.stream, group.group, worker.id, "drain"), "", {
      timeout: 5000,
    });
    expect(answer.json()).toMatchObject({ ok: true });
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(await group.member(worker.id)).toBeUndefined();
  });

  test("a member stopped for longer than ack_wait does not disturb who took over", async () => {
    const group = await openGroup(server.nc, server.url, {
      stream: `stopped-${language}`,
      ack_wait_ms: 1000,
    });
    await using first = joinWorker(language, group);
    await publish(server.nc, { subject: group.subject(), eventId: "s.1", directive: "block;ms=3000" });
    await waitFor("the message in hand", async () => ((await group.member(first.id))?.in_flight ?? 0) > 0);
    first.kill("SIGSTOP");
    await using second = joinWorker(language, group);
    const row = await group.settled("s.1", "done");
    expect(row.member).toBe(second.id);
    first.kill("SIGCONT");
    await publish(server.nc, { subject: group.subject(), eventId: "s.2" });
    await group.settled("s.2", "done");
    first.kill("SIGTERM");
    expect((await first.exited).code).toBe(0);
    await group.quiet();
    expect(await group.rowHistory("s.1")).toHaveLength(1);
    expect(await group.deadLetters()).toHaveLength(0);
  });
});
