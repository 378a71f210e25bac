import { describe, expect, test } from "vitest";
import { waitFor } from "@muster/testkit";
import { joinWorker, openGroup, publish, testLanguages } from "../src/index.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();

describe.each(testLanguages)("%s", (language) => {
  test("a retryable failure comes back after its backoff and ends done, without a record left", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `retry-${language}` });
    await using _worker = joinWorker(language, group);
    const { seq } = await publish(server.nc, {
      subject: group.subject(),
      eventId: "e.1",
      directive: "retryable;times=2",
    });
    const record = await waitFor("the second failure", async () => {
      const now = await group.attempts(seq);
      return now?.attempts === 2 ? now : undefined;
    });
    const [one, two] = record.history;
    expect(record.history.map((entry) => entry.delay_ms)).toEqual([100, 200]);
    const gap = Date.parse(two?.started_at ?? "") - Date.parse(one?.ended_at ?? one?.started_at ?? "");
    expect(gap).toBeGreaterThanOrEqual(95);
    await group.settled("e.1", "done");
    await group.quiet();
    expect(await group.attempts(seq)).toBeUndefined();
  });

  test("attempts used up: exhausted, with the history of all of them", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `exhaust-${language}` });
    await using worker = joinWorker(language, group);
    await publish(server.nc, {
      subject: group.subject("x"),
      eventId: "e.1",
      directive: "retryable;text=no luck",
    });
    const row = await group.settled("e.1", "dead");
    await group.quiet();
    expect(row.reason).toBe("exhausted");
    const [letter] = await group.deadLetters();
    expect(letter?.subject).toBe(`muster.dlq.${group.stream}.g.exhausted`);
    expect(letter?.headers).toMatchObject({
      "Muster-Dlq-Attempts": "3",
      "Muster-Dlq-Error": "no luck",
      "Muster-Dlq-Subject": group.subject("x"),
      "Muster-Dlq-Event-Id": "e.1",
      "Muster-Dlq-Member": worker.id,
      "Muster-Dlq-Language": language,
    });
    const history = JSON.parse(letter?.headers["Muster-Dlq-History"] ?? "[]") as {
      attempt: number;
      outcome: string;
    }[];
    expect(history.map((entry) => [entry.attempt, entry.outcome])).toEqual([
      [1, "failed"],
      [2, "failed"],
      [3, "failed"],
    ]);
  });

  test("a snooze is not counted", async () => {
    const group = await openGroup(server.nc, server.url, {
      stream: `snooze-${language}`,
      retry: { max_attempts: 1 },
    });
    await using _worker = joinWorker(language, group);
    const { seq } = await publish(server.nc, {
      subject: group.subject(),
      eventId: "e.1",
      directive: "snooze;delay_ms=400",
    });
    const record = await waitFor("three snoozes", async () => {
      const now = await group.attempts(seq);
      return (now?.snoozes ?? 0) >= 3 ? now : undefined;
    });
    expect(record.attempts).toBe(0);
    expect(await group.row("e.1")).toBeUndefined();
  });

  test("a handler past its deadline is a failed attempt; what it returns later still counts, once", async () => {
    const group = await openGroup(server.nc, server.url, {
      stream: `deadline-${language}`,
      timeout_ms: 300,
      retry: { max_attempts: 5, backoff_ms: [60_000], jitter: 0 },
    });
    await using _worker = joinWorker(language, group);
    const { seq } = await publish(server.nc, {
      subject: group.subject(),
      eventId: "e.1",
      directive: "block;ms=1500",
    });
    const record = await waitFor("the failed attempt", () => group.attempts(seq));
    expect(record.history.at(-1)?.error_class).toBe("DeadlineExceeded");
    expect(await group.row("e.1")).toBeUndefined();
    expect((await group.settled("e.1", "done")).sequence).toBe(seq);
    await waitFor("the late ack", async () => (await group.left()) === 0);
  });

  test("a handler longer than ack_wait runs once, and so does what waits behind it", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `long-${language}`, concurrency: 1 });
    await using _worker = joinWorker(language, group);
    for (const n of [1, 2]) {
      await publish(server.nc, { subject: group.subject(), eventId: `e.${n}`, directive: "block;ms=2500" });
    }
    for (const n of [1, 2]) {
      await group.settled(`e.${n}`, "done");
      expect((await group.row(`e.${n}`))?.sequences).toEqual([]);
    }
    await group.quiet();
    const { jetstreamManager } = await import("@nats-io/jetstream");
    const info = await (await jetstreamManager(server.nc)).consumers.info(group.stream, group.group);
    expect(info.delivered.consumer_seq).toBe(2);
  });

  test("a contract that the group does not accept is dead, with its name", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `unknown-${language}` });
    await using _worker = joinWorker(language, group);
    await publish(server.nc, {
      subject: group.subject(),
      eventId: "e.1",
      headers: { "Muster-Contract": "invoice.v9" },
    });
    expect((await group.settled("e.1", "dead")).reason).toBe("unknown_contract");
    await group.quiet();
    expect((await group.deadLetters())[0]?.headers["Muster-Dlq-Error"]).toBe("unknown contract invoice.v9");
  });
});
