// Failed attempts, their delays and their record; snoozes; deadlines.
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import type { Tap } from "../lab/tap.ts";
import { type Scenario, scenario } from "../scenario.ts";

const delays = (tap: Tap, seq: number): number[] =>
  tap.of(seq).flatMap(({ kind, delayMs }) => (kind === "nak" ? [delayMs ?? 0] : []));

export const retry: Scenario[] = [
  scenario(
    "retry-record",
    "SETTLE-5 ATTEMPT-2 ATTEMPT-5",
    "a failed attempt is on record before the message goes back",
    async (lab) => {
      const group = await lab.group();
      const tap = await lab.tap(group);
      const member = lab.join(group);
      const { seq } = await group.send({ eventId: "r.1", directive: "retryable;delay_ms=600000;text=no ☃" });
      await tap.tells(seq, "nak 1");
      same("the order", tap.order({ seq, eventId: "r.1" }), ["record", "nak"]);
      const record = await group.attempts(seq);
      has("the record", record, {
        sequence: seq,
        event_id: "r.1",
        attempts: 1,
        snoozes: 0,
        delivery: 1,
        open: false,
      });
      same("its store time", record?.store_time, tap.of(seq).at(-1)?.storeTime);
      same("history entries", record?.history.length, 1);
      has("the history", record?.history[0], {
        attempt: 1,
        outcome: "failed",
        member: member.id,
        error: "no \\u2603",
        delay_ms: 600_000,
      });
      same("the row", await group.row("r.1"), undefined);
    },
  ),

  scenario(
    "retry-backoff",
    "SETTLE-15",
    "the backoff grows, its last step repeats, within the jitter",
    async (lab) => {
      const group = await lab.group({ retry: { max_attempts: 5, backoff_ms: [100, 300], jitter: 0.2 } });
      const tap = await lab.tap(group);
      lab.join(group);
      const { seq } = await group.send({ eventId: "r.1", directive: "retryable;times=3" });
      const record = await waitFor("three failed attempts", async () => {
        const now = await group.attempts(seq);
        return now?.attempts === 3 ? now : undefined;
      });
      await group.settled("r.1", "done");
      await tap.tells(seq, "nak 1, nak 2, nak 3, ack 4");
      same(
        "the delays on record are those asked for",
        record.history.map((entry) => entry.delay_ms),
        delays(tap, seq),
      );
      for (const [n, base] of [100, 300, 300].entries()) {
        const delay = delays(tap, seq)[n] ?? 0;
        holds(
          `delay ${n + 1} is ${base} ms, 20 % to both sides`,
          delay >= base * 0.8 && delay <= base * 1.2,
          delay,
        );
      }
    },
  ),

  scenario("retry-jitter", "SETTLE-15", "the jitter spreads the delays", async (lab) => {
    const group = await lab.group({ retry: { max_attempts: 2, backoff_ms: [60_000], jitter: 0.5 } });
    const tap = await lab.tap(group);
    lab.join(group);
    const seqs: number[] = [];
    for (let n = 0; n < 12; n++) {
      const { seq } = await group.send({ eventId: `r.${n}`, directive: "retryable" });
      seqs.push(seq);
    }
    await waitFor("all naks", () => seqs.every((seq) => tap.story(seq) === "nak 1"));
    const seen = seqs.flatMap((seq) => delays(tap, seq));
    holds(
      "within 50 % to both sides",
      seen.every((ms) => ms >= 30_000 && ms <= 90_000),
      seen,
    );
    holds("not all alike", new Set(seen).size > 6, seen);
    holds("to both sides", seen.some((ms) => ms < 60_000) && seen.some((ms) => ms > 60_000), seen);
  }),

  scenario("retry-delay-kept", "SETTLE-5", "the next attempt does not come before its delay", async (lab) => {
    const group = await lab.group({ retry: { backoff_ms: [1000, 1000], jitter: 0 } });
    const tap = await lab.tap(group);
    lab.join(group);
    const { seq } = await group.send({ eventId: "r.1", directive: "retryable;times=1" });
    await group.settled("r.1", "done");
    await tap.tells(seq, "nak 1, ack 2");
    const [nak, ack] = tap.of(seq).filter(({ kind }) => kind !== "progress");
    const gap = (ack?.at ?? 0) - (nak?.at ?? 0);
    holds("a second between the attempts", gap >= 950, gap);
  }),

  scenario(
    "retry-asked",
    "SETTLE-16 CONF-5",
    "a delay that the handler asks for is used as it is",
    async (lab) => {
      const group = await lab.group({ retry: { backoff_ms: [60_000], jitter: 0.5 } });
      const tap = await lab.tap(group);
      lab.join(group);
      const { seq } = await group.send({ eventId: "r.1", directive: "retryable;times=1;delay_ms=777" });
      await group.settled("r.1", "done");
      same("the delay", delays(tap, seq), [777]);
    },
  ),

  scenario(
    "snooze-uncounted",
    "SETTLE-7 ATTEMPT-3 CONF-6",
    "a snooze is not counted, however often",
    async (lab) => {
      const group = await lab.group({ retry: { max_attempts: 1 } });
      const tap = await lab.tap(group);
      lab.join(group);
      const { seq } = await group.send({ eventId: "s.1", directive: "snooze;delay_ms=200" });
      const record = await waitFor("five snoozes", async () => {
        const now = await group.attempts(seq);
        return (now?.snoozes ?? 0) >= 5 ? now : undefined;
      });
      same("attempts", record.attempts, 0);
      same("the outcomes", new Set(record.history.map(({ outcome }) => outcome)), new Set(["snoozed"]));
      same("the row", await group.row("s.1"), undefined);
      same("the delays", new Set(delays(tap, seq)), new Set([200]));
    },
  ),

  scenario("snooze-limit", "SETTLE-7", "a snooze is cut to the longest that the spec allows", async (lab) => {
    const group = await lab.group({ retry: { max_snooze_ms: 250 } });
    const tap = await lab.tap(group);
    lab.join(group);
    const { seq } = await group.send({ eventId: "s.1", directive: "snooze;delay_ms=3600000" });
    await waitFor("a snooze", () => delays(tap, seq).length > 0);
    same("the delays", new Set(delays(tap, seq)), new Set([250]));
  }),

  scenario("deadline-fails", "RUN-3", "a handler past its deadline is a failed attempt", async (lab) => {
    const group = await lab.group({ timeout_ms: 300, retry: { backoff_ms: [60_000] } });
    const tap = await lab.tap(group);
    lab.join(group);
    const { seq } = await group.send({ eventId: "d.1", directive: "block;ms=20000" });
    await tap.tells(seq, "nak 1");
    const entry = (await group.attempts(seq))?.history.at(-1);
    has("the history", entry, {
      outcome: "failed",
      error_class: "DeadlineExceeded",
      error: "handler exceeded 300 ms",
    });
    same("the row", await group.row("d.1"), undefined);
  }),

  scenario("deadline-abort", "RUN-3 CONF-7", "the deadline reaches the handler as an abort", async (lab) => {
    const group = await lab.group({ concurrency: 1, timeout_ms: 300, retry: { max_attempts: 1 } });
    lab.join(group);
    await group.send({ eventId: "hangs", directive: "hang" });
    await group.settled("hangs", "dead");
    // The slot is free again only when the handler has ended.
    await group.send({ eventId: "next" });
    await group.settled("next", "done");
  }),

  scenario(
    "deadline-slot",
    "RUN-4",
    "a handler past its deadline keeps its slot until it returns",
    async (lab) => {
      const group = await lab.group({ concurrency: 1, timeout_ms: 300, retry: { backoff_ms: [60_000] } });
      const tap = await lab.tap(group);
      lab.join(group);
      const slow = await group.send({ eventId: "slow", directive: "block;ms=2500" });
      const next = await group.send({ eventId: "next" });
      await tap.tells(next.seq, "ack 1");
      const late = tap.of(slow.seq).find(({ kind }) => kind === "ack");
      const [ack] = tap.of(next.seq).filter(({ kind }) => kind === "ack");
      holds("the slow handler had returned before", late !== undefined && late.at <= (ack?.at ?? 0));
    },
  ),

  scenario(
    "deadline-late-commit",
    "RUN-5 HOLD-9 ACK-1",
    "what a late handler returns still counts, once",
    async (lab) => {
      const group = await lab.group({ timeout_ms: 300, retry: { backoff_ms: [60_000] } });
      const tap = await lab.tap(group);
      lab.join(group);
      const { seq } = await group.send({ eventId: "d.1", directive: "block;ms=1500" });
      has("the row", await group.settled("d.1", "done"), { sequence: seq });
      await waitFor("an empty stream", async () => (await group.left()) === 0);
      await tap.tells(seq, "nak 1, ack 1");
      same("revisions of the row", (await group.rowHistory("d.1")).length, 1);
    },
  ),

  scenario("deadline-late-after-dead", "RUN-5", "a late handler does not undo a death", async (lab) => {
    const group = await lab.group({ concurrency: 1, timeout_ms: 300, retry: { max_attempts: 1 } });
    lab.join(group);
    const { seq } = await group.send({ eventId: "d.1", directive: "block;ms=2000" });
    const row = await group.settled("d.1", "dead");
    same("the reason", row.reason, "exhausted");
    // Only when the late one has returned is there a slot for the next.
    await group.send({ eventId: "next" });
    await group.settled("next", "done");
    await group.quiet();
    has("the row", await group.row("d.1"), { status: "dead", sequence: seq });
    same("dead letters", (await group.deadLetters()).length, 1);
  }),

  scenario(
    "deadline-late-repeat",
    "RUN-5 LOOK-10",
    "a late result that finds its event done by another copy leaves its sequence in the row, and is acked",
    async (lab) => {
      const group = await lab.group({ timeout_ms: 300, retry: { backoff_ms: [600_000] } });
      const tap = await lab.tap(group);
      lab.join(group);
      const slow = await group.send({ eventId: "l.1", directive: "block;ms=3000" });
      await tap.tells(slow.seq, "nak 1");
      const quick = await group.send({ eventId: "l.1" });
      has("the row", await group.settled("l.1", "done"), { sequence: quick.seq });
      // Given back for ten minutes: only the late ack can end it.
      await group.quiet();
      await tap.tells(slow.seq, "nak 1, ack 1");
      same("the sequences of the row", (await group.row("l.1"))?.sequences, [slow.seq]);
    },
  ),
];
