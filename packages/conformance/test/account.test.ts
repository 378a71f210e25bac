import { describe, expect, test } from "vitest";
import { type Accepted, accountOf, closed } from "../src/account.ts";
import { waitFor } from "@muster/testkit";
import { joinWorker, openGroup, order, publish, testLanguages } from "../src/index.ts";
import { sharedServer } from "../src/server.ts";
import { tapAcks } from "../src/tap.ts";

const server = sharedServer();

// The first message is the one killed at; the four neighbours are in hand when it happens.
const kills = [
  { step: "received", directive: "return", done: 5, dead: {}, ends: "ack" },
  { step: "row_done", directive: "return", done: 5, dead: {}, ends: "ack" },
  { step: "row_dead", directive: "permanent", done: 4, dead: { permanent: 1 }, ends: "term" },
  { step: "dead_lettered", directive: "permanent", done: 4, dead: { permanent: 1 }, ends: "term" },
  { step: "attempt_recorded", directive: "retryable;times=1", done: 5, dead: {}, ends: "ack" },
] as const;

describe.each(testLanguages)("%s", (language) => {
  test.each(kills)(
    "a kill at $step with neighbours in hand: the account closes",
    async ({ step, ...kill }) => {
      const group = await openGroup(server.nc, server.url, {
        stream: `account-${language}-${step}`,
        concurrency: 5,
      });
      const tap = await tapAcks(server.nc, group);
      const accepted: Accepted[] = [];
      for (let n = 0; n < 5; n++) {
        const eventId = `e.${n}`;
        const body = Buffer.from(JSON.stringify(order(eventId)));
        const { seq } = await publish(server.nc, {
          subject: group.subject(),
          eventId,
          body,
          // Neighbours that take a moment are still in hand when the first one reaches the step.
          directive: n === 0 ? kill.directive : "block;ms=150",
        });
        accepted.push({ seq, eventId, body });
      }
      await using first = joinWorker(language, group, { MUSTER_CONFORMANCE_KILL_AT: step });
      expect(await first.exited).toEqual({ code: null, signal: "SIGKILL" });
      await server.nc.flush();
      // Killed before the message was answered: what is left to do, the next member does.
      expect(tap.story(1)).toBe("");

      await using _second = joinWorker(language, group);
      await group.quiet();
      const account = await accountOf(group, accepted);
      expect(account).toMatchObject({ ...closed, published: 5, done: kill.done, dead_by_reason: kill.dead });
      expect(await group.left()).toBe(0);
      expect(tap.story(1)).toBe(`${kill.ends} 2`);
    },
  );

  test("an older copy of an event that has died since: the same body is stale, another one a conflict", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `older-${language}` });
    const tap = await tapAcks(server.nc, group);
    const bodies = { same: JSON.stringify(order("a")), other: JSON.stringify(order("a", 99)) };
    // Both wait in backoff while a later copy of their event dies.
    const slow = "retryable;delay_ms=1500;times=1";
    const stale = await publish(server.nc, {
      subject: group.subject(),
      eventId: "same",
      body: bodies.same,
      directive: slow,
    });
    const odd = await publish(server.nc, {
      subject: group.subject(),
      eventId: "odd",
      body: bodies.other,
      directive: slow,
    });
    await using _worker = joinWorker(language, group);
    await waitFor("both to back off", () => [stale, odd].every(({ seq }) => tap.story(seq) === "nak 1"));
    for (const eventId of ["same", "odd"]) {
      await publish(server.nc, {
        subject: group.subject(),
        eventId,
        body: bodies.same,
        directive: "permanent",
      });
      await group.settled(eventId, "dead");
    }
    const [same, other] = [await group.row("same"), await group.row("odd")];
    await group.quiet();
    expect([tap.story(stale.seq), tap.story(odd.seq)]).toEqual(["nak 1, term 2", "nak 1, term 2"]);
    const told = (await group.deadLetters()).map(({ headers }) => [
      headers["Muster-Dlq-Event-Id"],
      headers["Muster-Dlq-Reason"],
    ]);
    expect(told).toEqual([
      ["same", "permanent"],
      ["odd", "permanent"],
      ["odd", "conflict"],
    ]);
    // A stale message leaves its sequence in the row, or nothing would tell what became of it.
    expect(await group.row("same")).toEqual({ ...same, sequences: [stale.seq] });
    expect(await group.row("odd")).toEqual(other);
  });

  test("a late result that finds its event done by another copy leaves its sequence in the row", async () => {
    const group = await openGroup(server.nc, server.url, {
      stream: `late-${language}`,
      timeout_ms: 300,
      retry: { max_attempts: 3, backoff_ms: [600_000], jitter: 0 },
    });
    const tap = await tapAcks(server.nc, group);
    await using _worker = joinWorker(language, group);
    const send = (directive: string) =>
      publish(server.nc, { subject: group.subject(), eventId: "l", directive });
    const slow = await send("block;ms=2000");
    await waitFor("the deadline", () => tap.story(slow.seq) === "nak 1");
    const quick = await send("return");
    expect((await group.settled("l", "done")).sequence).toBe(quick.seq);
    // Given back for ten minutes: only the late ack can end it.
    await group.quiet();
    expect(tap.story(slow.seq)).toBe("nak 1, ack 1");
    expect((await group.row("l"))?.sequences).toEqual([slow.seq]);
  });

  test("without an event id it is the message id, without that the place in the stream", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `nameless-${language}` });
    await using worker = joinWorker(language, group, { LOG_LEVEL: "debug" });
    await publish(server.nc, { subject: group.subject(), headers: { "Nats-Msg-Id": "m-1" } });
    expect((await group.settled("m-1", "done")).event_id).toBe("m-1");
    const { seq } = await publish(server.nc, { subject: group.subject(), directive: "permanent" });
    await group.quiet();
    const letter = (await group.deadLetters())[0];
    const storeTime = letter?.headers["Muster-Dlq-Store-Time"];
    const eventId = `${group.stream}.${seq}.${storeTime}`;
    expect(letter?.headers["Muster-Dlq-Event-Id"]).toBe(eventId);
    expect(await group.row(eventId)).toMatchObject({ status: "dead", sequence: seq, store_time: storeTime });
    expect(worker.lines.join("\n")).toContain(eventId);
  });
});
