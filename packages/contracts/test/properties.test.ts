/** What must hold for any input, not only for that of the vectors. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AttemptsRecord,
  admit,
  backoffDelayMs,
  createVerdict,
  type DeadLetterFacts,
  deadLetterHeaders,
  eventIdOf,
  headerText,
  noteStart,
  parseAckReply,
  parseBody,
  recordFailure,
  recordSnooze,
  replayHeaders,
  replaySubject,
  stripReplayPrefix,
} from "../src/index.ts";

const wellFormed = fc.string({ unit: "grapheme" });
const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,60}$/);
const headers = fc.dictionary(
  fc.oneof(
    name,
    fc.string(),
    name.map((n) => `Nats-${n}`),
  ),
  fc.string(),
  {
    maxKeys: 8,
    noNullPrototype: true,
  },
);

const facts: DeadLetterFacts = {
  stream: "ORDERS",
  seq: 42,
  storeTime: "1767323045123456789",
  subject: "orders.created",
  group: "billing",
  reason: "exhausted",
  errorClass: "Error",
  error: "no answer",
  attempts: 5,
  firstAt: "2026-01-02T03:04:05.000Z",
  lastAt: "2026-01-02T03:04:06.000Z",
  member: "host-1",
  language: "ts",
  version: "1.2.3",
  contract: "order.v1",
  eventId: "o-1.created",
  replayNumber: 0,
  history: [],
};

describe("a body", () => {
  it("that JSON.stringify made is taken and read as it was", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "grapheme", noUnicodeString: false, maxDepth: 10 }), (value) => {
        expect(parseBody(Buffer.from(JSON.stringify(value)))).toEqual({
          ok: true,
          value: JSON.parse(JSON.stringify(value)),
        });
      }),
    );
  });

  it("of any bytes gets a verdict and no exception", () => {
    const judge = createVerdict("any.v1", {});
    const pieces = fc.constantFrom(
      "[",
      "]",
      "{",
      "}",
      '"',
      "\\",
      "\\u",
      "d8",
      "00",
      ",",
      ":",
      "1e",
      "400",
      "\ud83d\ude00",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.array(pieces).map((p) => Buffer.from(p.join(""))),
        ),
        (bytes) => {
          const verdict = judge(bytes);
          expect(verdict.ok || verdict.error.length > 0).toBe(true);
        },
      ),
    );
  });

  it("is never taken where JSON.parse refuses it", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...'[]{}",:1.-+eE \\u0fatrues'.split(""))), (characters) => {
        const text = characters.join("");
        if (parseBody(Buffer.from(text)).ok) expect(() => JSON.parse(text) as unknown).not.toThrow();
      }),
    );
  });
});

describe("a header text", () => {
  it("is printable ASCII without spaces around, and its own header text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), wellFormed, fc.string({ unit: "binary" })), (text) => {
        const safe = headerText(text, Number.POSITIVE_INFINITY);
        expect(safe).toMatch(/^([!-~]([ -~]*[!-~])?)?$/);
        expect(headerText(safe, Number.POSITIVE_INFINITY)).toBe(safe);
      }),
    );
  });
});

describe("the headers of a dead letter", () => {
  it("hold nothing that the server obeys but its own message id, and fit", () => {
    fc.assert(
      fc.property(headers, fc.nat(4000), (original, limit) => {
        const letter = deadLetterHeaders(original, facts, limit);
        const obeyed = Object.keys(letter).filter((n) => /^nats-/i.test(n));
        expect(obeyed).toEqual(["Nats-Msg-Id"]);
        const size = Object.entries(letter).reduce((sum, [n, v]) => sum + n.length + v.length + 4, 12);
        const least = Object.entries(deadLetterHeaders({}, facts, 0));
        expect(size).toBeLessThanOrEqual(
          Math.max(
            limit,
            least.reduce((sum, [n, v]) => sum + n.length + v.length + 4, 12),
          ),
        );
      }),
    );
  });

  it("give a replay the same event id, one more on the number and nothing of the dead letter", () => {
    fc.assert(
      fc.property(headers, fc.nat(5), wellFormed, (original, replayNumber, id) => {
        const all = { ...original, "Muster-Event-Id": id, "Muster-Replay-Number": String(replayNumber) };
        const eventId = eventIdOf(all, "ORDERS", 42, facts.storeTime);
        const letter = deadLetterHeaders(all, { ...facts, eventId, replayNumber }, 1_000_000);
        const replay = replayHeaders(letter);
        expect(eventIdOf(replay, "ORDERS", 99, "1")).toBe(eventId);
        expect(replay["Muster-Replay-Number"]).toBe(String(replayNumber + 1));
        expect(replay["Nats-Msg-Id"]).toBe(`replay.${letter["Muster-Dlq-Id"]}`);
        expect(Object.keys(replay).filter((n) => /^(muster-dlq|nats)-/i.test(n))).toEqual(["Nats-Msg-Id"]);
      }),
    );
  });
});

describe("a replay subject", () => {
  it("gives the original subject back", () => {
    fc.assert(
      fc.property(name, name, fc.string({ minLength: 1 }), (stream, group, subject) => {
        expect(stripReplayPrefix(stream, group, replaySubject(stream, group, subject))).toBe(subject);
      }),
    );
  });
});

describe("an ack reply", () => {
  it("of any subject is read or refused", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat().map(String), name), { maxLength: 12 }), (tokens) => {
        const reply = parseAckReply(["$JS", "ACK", ...tokens].join("."));
        if (reply) expect(Number.isSafeInteger(reply.seq)).toBe(true);
      }),
    );
  });
});

describe("a delay", () => {
  it("stays within the jitter around its step", () => {
    const steps = fc.array(fc.integer({ min: 1, max: 86_400_000 }), { minLength: 1, maxLength: 9 });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(
        steps,
        share,
        fc.integer({ min: 1, max: 2000 }),
        random,
        (backoff_ms, jitter, attempt, r) => {
          const base = backoff_ms[Math.min(attempt, backoff_ms.length) - 1] ?? 0;
          const delay = backoffDelayMs({ backoff_ms, jitter }, attempt, r);
          expect(delay).toBeGreaterThanOrEqual(Math.floor(base * (1 - jitter)));
          expect(delay).toBeLessThanOrEqual(Math.ceil(base * (1 + jitter)));
        },
      ),
    );
  });
});

describe("an attempts record", () => {
  const start = {
    sequence: 42,
    storeTime: "1",
    eventId: "e",
    member: "m",
    language: "ts" as const,
    version: "1",
    startedAt: facts.firstAt,
  };
  const end = { endedAt: facts.lastAt, errorClass: "Error", error: "x", delayMs: 1 };

  it("lets a message start as often as it may fail or vanish, however often it is snoozed", () => {
    const events = fc.array(fc.constantFrom("fail", "snooze", "vanish", "lost"), {
      minLength: 60,
      maxLength: 60,
    });
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 5 }), (happens, maxAttempts) => {
        let record: AttemptsRecord | undefined;
        let counted = 0;
        let delivered = 0;
        for (const what of happens) {
          delivered++;
          // A delivery that never reached a handler: the process died with it in its buffer.
          if (what === "lost") continue;
          const { decision, attempt } = admit(record, { delivered, storeTime: "1", maxAttempts });
          if (decision === "exhausted" || decision === "crash_loop") break;
          expect(attempt).toBe(counted + 1);
          const now = { ...start, delivered };
          // The first delivery notes no start: a crash in it leaves no record and is not counted.
          if (decision === "suspect") record = noteStart(record, now);
          if (what === "fail") record = recordFailure(record, { ...now, ...end });
          if (what === "snooze") record = recordSnooze(record, { ...now, ...end });
          if (what === "fail" || (what === "vanish" && decision === "suspect")) counted++;
          expect(record?.attempts ?? 0).toBe(counted);
          expect(record?.history.length ?? 0).toBeLessThanOrEqual(20);
        }
        expect(counted).toBeLessThanOrEqual(maxAttempts);
      }),
    );
  });
});
