import { describe, expect, test } from "vitest";
import { jetstreamManager } from "@nats-io/jetstream";
import { sha256Hex } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { joinWorker, openGroup, order, publish, testLanguages } from "../src/index.ts";
import { provisionStream } from "../src/provision.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();
const bytes = (value: unknown): string => JSON.stringify(value);

describe.each(testLanguages)("%s", (language) => {
  test("the same event with the same body is a repeat: acked, its sequence joins the row", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `repeat-${language}` });
    await using worker = joinWorker(language, group);
    const first = await publish(server.nc, { subject: group.subject(), eventId: "e.1" });
    await group.settled("e.1", "done");
    const second = await publish(server.nc, { subject: group.subject(), eventId: "e.1" });
    const row = await waitFor("the joined row", async () => {
      const now = await group.row("e.1");
      return now?.sequences.includes(second.seq) ? now : undefined;
    });
    expect(row.sequence).toBe(first.seq);
    await group.quiet();
    expect(await group.left()).toBe(0);
    expect(await group.deadLetters()).toHaveLength(0);
    worker.kill("SIGTERM");
    expect((await worker.exited).code).toBe(0);
  });

  test("the same event with another body dies as a conflict and leaves the row alone", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `conflict-${language}` });
    await using _worker = joinWorker(language, group);
    const body = bytes(order("c-1"));
    await publish(server.nc, { subject: group.subject(), eventId: "c.1", body });
    const before = await group.settled("c.1", "done");
    const other = bytes(order("c-1", 11));
    await publish(server.nc, { subject: group.subject(), eventId: "c.1", body: other });
    const [letter] = await waitFor("the dead letter", async () => {
      const letters = await group.deadLetters();
      return letters.length > 0 ? letters : undefined;
    });
    await group.quiet();
    expect(letter?.headers["Muster-Dlq-Reason"]).toBe("conflict");
    expect(new TextDecoder().decode(letter?.body)).toBe(other);
    expect(await group.row("c.1")).toEqual(before);
    expect(before.body_sha256).toBe(sha256Hex(new TextEncoder().encode(body)));
  });

  test("a corrected order under the event id of a dead one is done", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `corrected-${language}` });
    await using _worker = joinWorker(language, group);
    const dead = await publish(server.nc, { subject: group.subject(), eventId: "k.1", body: '{"id":"k"}' });
    const row = await group.settled("k.1", "dead");
    expect(row.reason).toBe("invalid");
    const fixed = await publish(server.nc, {
      subject: group.subject(),
      eventId: "k.1",
      body: bytes(order("k")),
    });
    const done = await group.settled("k.1", "done");
    expect(done.sequence).toBe(fixed.seq);
    expect(done.sequences).toContain(dead.seq);
    await group.quiet();
    expect(await group.deadLetters()).toHaveLength(1);
  });

  test("a stream deleted and made again: old rows and attempts are not the new message's", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `remade-${language}` });
    await using worker = joinWorker(language, group);
    // Sequence 1 dies, sequence 2 backs off for long with attempts on record, when the stream goes away.
    const kill = await publish(server.nc, {
      subject: group.subject(),
      eventId: "r.1",
      directive: "permanent",
    });
    await group.settled("r.1", "dead");
    const slow = await publish(server.nc, {
      subject: group.subject(),
      eventId: "r.2",
      directive: "retryable;delay_ms=600000",
    });
    await waitFor("the attempts record", () => group.attempts(slow.seq));
    const manager = await jetstreamManager(server.nc);
    const { config } = await manager.consumers.info(group.stream, group.group);
    await manager.streams.delete(group.stream);
    await provisionStream(server.nc, group.stream, ["never"]).catch(() => undefined);
    const info = await manager.streams.info(group.stream);
    await manager.streams.update(group.stream, {
      ...info.config,
      subjects: [`t.${group.stream}.>`, `muster.replay.${group.stream}.>`],
    });
    await manager.consumers.add(group.stream, config);

    const again = await publish(server.nc, { subject: group.subject(), eventId: "r.1", directive: "return" });
    expect(again.seq).toBe(kill.seq);
    const retried = await publish(server.nc, {
      subject: group.subject(),
      eventId: "r.3",
      directive: `retryable;times=${group.spec.retry.max_attempts - 1}`,
    });
    expect(retried.seq).toBe(slow.seq);
    expect((await group.settled("r.1", "done")).sequence).toBe(again.seq);
    // With the old message's attempt counted, this one would have died before it returned.
    expect((await group.settled("r.3", "done")).sequence).toBe(retried.seq);
    await group.quiet();
    expect(worker.lines.some((line) => line.includes('"crash'))).toBe(false);
  });

  test("a dead row without its dead letter is finished by the next delivery", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `finish-${language}` });
    const { seq } = await publish(server.nc, {
      subject: group.subject(),
      eventId: "f.1",
      directive: "permanent;text=why",
    });
    await using first = joinWorker(language, group, { MUSTER_CONFORMANCE_KILL_AT: "row_dead" });
    await first.exited;
    expect(await group.deadLetters()).toHaveLength(0);
    await using _second = joinWorker(language, group);
    await group.quiet();
    const letters = await group.deadLetters();
    expect(letters).toHaveLength(1);
    // The row carried what the dead letter says: the member that failed it is the first, not the finisher.
    expect(letters[0]?.headers).toMatchObject({
      "Muster-Dlq-Seq": String(seq),
      "Muster-Dlq-Error": "why",
      "Muster-Dlq-Member": first.id,
      "Muster-Dlq-Language": language,
    });
  });
});
