import type { LedgerRow } from "@muster/contracts";
import { describe, expect, test } from "vitest";
import { closeGroup } from "../src/verify/account.ts";
import { adoptedAt } from "../src/verify/adopted.ts";
import type { Facts, Letter } from "../src/verify/facts.ts";

const figures = { ready: 0, in_flight: 0, ack_pending: 0, backing_off: 0, redelivered: 0, dead: 0 };

function facts(over: Partial<Facts> = {}): Facts {
  return {
    group: "g",
    ledger: "kv",
    untracedGroups: [],
    retention: "workqueue",
    created: "100",
    firstSeq: 1,
    lastSeq: 0,
    takenOverAt: 0,
    adoptedAt: 0,
    firstKept: 1,
    otherGroups: [],
    ackFloor: 0,
    delivered: 0,
    figures,
    source: [],
    letters: [],
    archived: [],
    rows: [],
    claims: [],
    ...over,
  };
}

function row(
  event_id: string,
  sequence: number,
  over: Partial<LedgerRow> = {},
): LedgerRow & { group: string } {
  return {
    v: 1,
    status: "done",
    event_id,
    body_sha256: "0".repeat(64),
    sequence,
    store_time: String(100 + sequence),
    sequences: [],
    more: 0,
    member: "m",
    language: "ts",
    at: "2026-01-02T03:04:05Z",
    group: "g",
    ...over,
  };
}

const dead = (event_id: string, sequence: number, over: Partial<LedgerRow> = {}) =>
  row(event_id, sequence, { status: "dead", reason: "permanent", ...over });
const letter = (eventId: string, seq: number, over: Partial<Letter> = {}): Letter => ({
  id: `dl.g.${seq}.${100 + seq}`,
  group: "g",
  seq,
  storeTime: String(100 + seq),
  eventId,
  reason: "permanent",
  ...over,
});
const message = (eventId: string, seq: number) => ({
  eventId,
  seq,
  storeTime: String(100 + seq),
  isMine: true,
});
const claim = (event_id: string, sequence: number) => ({
  v: 1 as const,
  state: "claimed" as const,
  owner: "o",
  id: `dl.g.${sequence}.${100 + sequence}`,
  group: "g",
  event_id,
  sequence,
  store_time: String(100 + sequence),
  at: "",
  lease_until: "",
});

describe("a work queue", () => {
  test("closes when every sequence is known somewhere", () => {
    const { terms, suspects } = closeGroup(
      facts({
        lastSeq: 6,
        source: [message("w", 1)],
        rows: [row("a", 2, { sequences: [3] }), dead("b", 4), row("c", 6, { sequences: [5] })],
        letters: [letter("b", 4)],
      }),
    );
    expect(suspects).toEqual([]);
    expect(terms).toMatchObject({ accepted: 4, done: 2, dead: 1, waiting: 1, lost: 0, repeats: 2 });
  });

  test("a stale message is known by the dead row that it joined", () => {
    const died = { lastSeq: 2, letters: [letter("a", 2)] };
    expect(closeGroup(facts({ ...died, rows: [dead("a", 2)] })).suspects).toEqual([{ sequence: 1 }]);
    const { terms, suspects } = closeGroup(facts({ ...died, rows: [dead("a", 2, { sequences: [1] })] }));
    expect(suspects).toEqual([]);
    expect(terms).toMatchObject({ accepted: 1, dead: 1, lost: 0, repeats: 1 });
  });

  test("a sequence that nobody knows is lost", () => {
    const { terms, suspects } = closeGroup(facts({ lastSeq: 3, rows: [row("a", 1), row("b", 3)] }));
    expect(suspects).toEqual([{ sequence: 2 }]);
    expect(terms).toMatchObject({ accepted: 3, done: 2, lost: 1 });
  });

  test("repeats beyond those a row keeps are not called lost", () => {
    const account = closeGroup(facts({ lastSeq: 4, rows: [row("a", 1, { more: 2 })] }));
    expect(account.terms.lost).toBe(1);
    expect(account.cannotSee.join()).toContain("2 repeats");
  });

  test("a dead row without its dead letter is lost, unless its message or its replay is still there", () => {
    expect(closeGroup(facts({ lastSeq: 1, rows: [dead("a", 1)] })).suspects).toEqual([{ event_id: "a" }]);
    expect(
      closeGroup(facts({ lastSeq: 1, rows: [dead("a", 1)], source: [message("a", 1)] })).terms,
    ).toMatchObject({ waiting: 1, lost: 0 });
    expect(
      closeGroup(facts({ lastSeq: 2, rows: [dead("a", 1)], source: [message("a", 2)] })).terms,
    ).toMatchObject({ waiting: 1, lost: 0 });
    expect(closeGroup(facts({ lastSeq: 1, rows: [dead("a", 1)], claims: [claim("a", 1)] })).terms.lost).toBe(
      0,
    );
    expect(
      closeGroup(facts({ lastSeq: 1, rows: [dead("a", 1)], archived: [letter("a", 1)] })).terms,
    ).toMatchObject({ archived: 1, lost: 0 });
  });

  test("an older copy in the stream is no answer for a dead row that came later", () => {
    expect(
      closeGroup(facts({ lastSeq: 2, rows: [dead("a", 2)], source: [message("a", 1)] })).suspects,
    ).toEqual([{ event_id: "a" }]);
  });

  test("rows of an earlier stream of the name do not cover this one's sequences", () => {
    const account = closeGroup(facts({ lastSeq: 1, created: "1000", rows: [row("a", 1)] }));
    expect(account.suspects).toEqual([{ sequence: 1 }]);
    expect(account.cannotSee.join()).toContain("earlier stream");
  });

  test("a conflict leaves the event done and is told apart", () => {
    const { terms } = closeGroup(
      facts({ lastSeq: 2, rows: [row("a", 1)], letters: [letter("a", 2, { reason: "conflict" })] }),
    );
    expect(terms).toMatchObject({ accepted: 1, done: 1, dead: 0, conflicts: 1, lost: 0 });
  });

  test("another group's rows cover its sequences, and are not counted as ours", () => {
    const account = closeGroup(
      facts({ lastSeq: 2, otherGroups: ["h"], rows: [row("a", 1), { ...row("b", 2), group: "h" }] }),
    );
    expect(account.terms).toMatchObject({ accepted: 1, done: 1, lost: 0 });
    expect(account.cannotSee.join()).toContain("h share the stream");
  });
});

describe("a limits stream", () => {
  const log = (over: Partial<Facts>) =>
    facts({
      retention: "limits",
      lastSeq: 3,
      source: [message("a", 1), message("b", 2), message("c", 3)],
      ...over,
    });

  test("a message below the ack floor without a row is lost", () => {
    const { terms, suspects } = closeGroup(log({ ackFloor: 2, delivered: 2, rows: [row("a", 1)] }));
    expect(suspects).toEqual([{ sequence: 2 }]);
    expect(terms).toMatchObject({ accepted: 3, done: 1, waiting: 1, lost: 1 });
  });

  test("what is delivered without a row must be in somebody's hands", () => {
    expect(closeGroup(log({ delivered: 2, figures: { ...figures, ack_pending: 2 } })).terms).toMatchObject({
      waiting: 3,
      lost: 0,
    });
    expect(closeGroup(log({ delivered: 2, figures: { ...figures, ack_pending: 1 } })).terms.lost).toBe(1);
  });

  test("says what the stream has dropped", () => {
    expect(closeGroup(log({ firstKept: 2 })).cannotSee.join()).toContain("before sequence 2");
  });
});

describe("a stream of others that Muster has only adopted", () => {
  const place = { created: "100", lastSeq: 9 };
  const known = (...seqs: number[]) => seqs.map((seq) => ({ seq, storeTime: String(100 + seq) }));

  test.each<[string, string | undefined, number[], number]>([
    ["is unknown where nothing says when it came", undefined, [1, 5], 0],
    ["was there before the stream", "100", [1, 5], 0],
    ["came before the first message that is known to be later", "104", [9, 6, 2, 8], 5],
    ["came when the first of them did", "106", [2, 6], 5],
    ["has seen nothing since", "120", [2, 6], 9],
  ])("%s", (_, since, seqs, at) => {
    expect(adoptedAt(since, place, known(...seqs))).toBe(at);
  });

  test("is not asked for what may have been settled before, only for what came later", () => {
    const { terms, suspects, cannotSee } = closeGroup(
      facts({ lastSeq: 6, adoptedAt: 3, rows: [row("a", 4), row("b", 6)] }),
    );
    expect([terms.lost, suspects]).toEqual([1, [{ sequence: 5 }]]);
    expect(cannotSee.join()).toContain("up to sequence 3");
  });
});
