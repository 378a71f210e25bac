import { describe, expect, test } from "vitest";
import { jetstreamManager } from "@nats-io/jetstream";
import { waitFor } from "@muster/testkit";
import { joinWorker, openGroup, publish, testLanguages } from "../src/index.ts";
import { sharedServer } from "../src/server.ts";
import { tapAcks } from "../src/tap.ts";

const server = sharedServer();

describe.each(testLanguages)("%s", (language) => {
  test("delays: backoff within its jitter, a delay of the handler's as it is, a snooze at most its limit", async () => {
    const group = await openGroup(server.nc, server.url, {
      stream: `delays-${language}`,
      retry: { max_attempts: 4, backoff_ms: [200, 400], jitter: 0.2, max_snooze_ms: 250 },
    });
    const tap = await tapAcks(server.nc, group);
    const send = (eventId: string, directive: string) =>
      publish(server.nc, { subject: group.subject(), eventId, directive });
    const backoff = await send("backoff", "retryable;times=3");
    const asked = await send("asked", "retryable;times=1;delay_ms=777");
    const snoozed = await send("snoozed", "snooze;delay_ms=3600000");
    await using _worker = joinWorker(language, group);
    await group.settled("backoff", "done");
    await group.settled("asked", "done");
    const delays = (seq: number) =>
      tap.of(seq).flatMap(({ kind, delayMs }) => (kind === "nak" ? [delayMs ?? 0] : []));

    expect(tap.story(backoff.seq)).toBe("nak 1, nak 2, nak 3, ack 4");
    for (const [n, base] of [200, 400, 400].entries()) {
      expect(delays(backoff.seq)[n], `delay ${n + 1}`).toBeGreaterThanOrEqual(base * 0.8);
      expect(delays(backoff.seq)[n], `delay ${n + 1}`).toBeLessThanOrEqual(base * 1.2);
    }
    expect(delays(asked.seq)).toEqual([777]);
    await waitFor("a snooze", () => delays(snoozed.seq).length > 0);
    expect(new Set(delays(snoozed.seq))).toEqual(new Set([250]));
  });

  test("a drain finishes what has started and hands back the rest, at once", async () => {
    const group = await openGroup(server.nc, server.url, {
      stream: `handback-${language}`,
      concurrency: 4,
      // Only a nak can bring a message back within the test.
      ack_wait_ms: 600_000,
    });
    const tap = await tapAcks(server.nc, group);
    for (let n = 1; n <= 12; n++) {
      await publish(server.nc, { subject: group.subject(), eventId: `d.${n}`, directive: "block;ms=1500" });
    }
    await using first = joinWorker(language, group);
    await waitFor("four handlers that run", async () => (await group.member(first.id))?.in_flight === 4);
    first.kill("SIGTERM");
    expect(await first.exited).toEqual({ code: 0, signal: null });
    await server.nc.flush();
    // Which four ran is the member's own affair; that they were finished, and the others returned, is not.
    const seqs = Array.from({ length: 12 }, (_, n) => n + 1);
    const finished = seqs.filter((seq) => tap.story(seq) === "ack 1");
    const returned = seqs.filter((seq) => tap.story(seq) === "nak 1");
    expect(finished).toHaveLength(4);
    expect(returned, "what it held beside the four").toHaveLength(4);
    expect(seqs.filter((seq) => tap.story(seq) === "")).toHaveLength(4);

    await using second = joinWorker(language, group);
    await group.quiet();
    for (const seq of seqs) {
      const hasStarted = finished.includes(seq);
      if (hasStarted) expect(tap.story(seq), `what had started is not delivered again: ${seq}`).toBe("ack 1");
      const member = hasStarted ? first.id : second.id;
      expect(await group.row(`d.${seq}`)).toMatchObject({ status: "done", member });
    }
  });

  test("a member holds at most twice its concurrency", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `holds-${language}`, concurrency: 3 });
    const manager = await jetstreamManager(server.nc);
    for (let n = 0; n < 20; n++) {
      await publish(server.nc, { subject: group.subject(), eventId: `h.${n}`, directive: "block;ms=250" });
    }
    await using worker = joinWorker(language, group);
    const seen: number[] = [];
    await waitFor(
      "the last order",
      async () => {
        const { num_ack_pending } = await manager.consumers.info(group.stream, group.group);
        seen.push(num_ack_pending);
        return (await group.row("h.19"))?.status === "done";
      },
      { everyMs: 20, timeoutMs: 30_000 },
    );
    expect(Math.max(...seen), worker.id).toBeLessThanOrEqual(6);
    expect(Math.max(...seen), "more than run at once: the next ones are at hand").toBeGreaterThan(3);
  });

  test("a process dies with a hundred and more messages in hand, and all of them come back", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `hundred-${language}`, concurrency: 130 });
    const manager = await jetstreamManager(server.nc);
    for (let n = 0; n < 120; n++) {
      await publish(server.nc, { subject: group.subject(), eventId: `n.${n}`, directive: "block;ms=2000" });
    }
    await publish(server.nc, { subject: group.subject(), eventId: "poison", directive: "exit" });
    await using worker = joinWorker(language, group);
    expect((await worker.exited).signal).toBe("SIGKILL");
    const { num_ack_pending } = await manager.consumers.info(group.stream, group.group);
    expect(num_ack_pending).toBeGreaterThanOrEqual(100);
    expect(await group.left()).toBe(121);
  });

  test("a member stopped for longer than ack_wait says nothing of a message that another one has", async () => {
    const group = await openGroup(server.nc, server.url, {
      stream: `silent-${language}`,
      ack_wait_ms: 1000,
      timeout_ms: 3000,
      retry: { max_attempts: 5, backoff_ms: [60_000], jitter: 0 },
    });
    const tap = await tapAcks(server.nc, group);
    const { seq } = await publish(server.nc, { subject: group.subject(), eventId: "s.1", directive: "hang" });
    await using first = joinWorker(language, group);
    await waitFor("the message in hand", async () => ((await group.member(first.id))?.in_flight ?? 0) > 0);
    first.kill("SIGSTOP");
    await using _second = joinWorker(language, group);
    // The stopped member's last pull takes some redeliveries too, until it runs out: none is answered.
    const taken = await waitFor("the second member to have it", () =>
      tap.of(seq).find(({ delivered }) => delivered > 1),
    );
    const earlier = () => tap.of(seq).filter(({ delivered }) => delivered < taken.delivered);
    const said = earlier();
    // Its deadline passes when it wakes: it would record a failed attempt and give the message back.
    first.kill("SIGCONT");
    await waitFor("the second member's own deadline", () =>
      tap.story(seq).includes(`nak ${taken.delivered}`),
    );
    expect(earlier()).toEqual(said);
    expect(tap.story(seq)).toBe(`nak ${taken.delivered}`);
    expect(await group.attempts(seq)).toMatchObject({ attempts: 1, delivery: taken.delivered, open: false });
    first.kill("SIGTERM");
    expect(await first.exited, "it lives on, and leaves in order").toEqual({ code: 0, signal: null });
  });
});
