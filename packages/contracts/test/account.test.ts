import { describe, expect, it } from "vitest";
import { type AccountEntries, closeAccount, type LetterEntry, type RowRevision } from "../src/account.ts";

const at = "1700000000000000001";
const row = (changes: Partial<RowRevision> = {}): RowRevision => ({
  status: "done",
  sequence: 1,
  store_time: at,
  body_sha256: "a".repeat(64),
  language: "ts",
  ...changes,
});
const letter = (eventId: string, changes: Partial<LetterEntry> = {}): LetterEntry => ({
  eventId,
  id: `dl.g.${eventId}.1`,
  reason: "permanent",
  ...changes,
});

/** Events a to d: two done (one of them by replay), two dead. */
function correct(): AccountEntries & { rows: Map<string, RowRevision[]>; deadLetters: LetterEntry[] } {
  return {
    published: new Map(["a", "b", "c", "d"].map((id) => [id, 1])),
    rows: new Map([
      ["a", [row()]],
      ["b", [row({ status: "dead", sequence: 2 }), row({ sequence: 9, language: "py" })]],
      ["c", [row({ status: "dead", sequence: 3 })]],
      ["d", [row({ status: "dead", sequence: 4 })]],
    ]),
    deadLetters: [letter("c"), letter("d", { reason: "invalid" })],
  };
}

describe("closeAccount", () => {
  it("closes when every event is found exactly once", () => {
    expect(closeAccount(correct())).toEqual({
      published: 4,
      done: 2,
      dead: 2,
      dead_by_reason: { permanent: 1, invalid: 1 },
      done_by_language: { ts: 1, py: 1 },
      lost: [],
      repeated: [],
      invented: [],
    });
  });

  it("finds an event without row and dead letter lost", () => {
    const entries = correct();
    entries.rows.delete("a");
    expect(closeAccount(entries)).toMatchObject({ lost: ["a"], repeated: [], invented: [], done: 1 });
  });

  it("finds an event lost whose row is dead but whose dead letter is missing", () => {
    const entries = correct();
    entries.deadLetters.shift();
    expect(closeAccount(entries)).toMatchObject({ lost: ["c"], repeated: [], invented: [], dead: 1 });
  });

  it("finds an event lost of which there is only a conflict", () => {
    const entries = correct();
    entries.rows.delete("a");
    entries.deadLetters.push(letter("a", { reason: "conflict" }));
    expect(closeAccount(entries)).toMatchObject({ lost: ["a"], dead: 2, dead_by_reason: { conflict: 1 } });
  });

  it("finds an event repeated that was applied by two messages", () => {
    const entries = correct();
    entries.rows.set("a", [row(), row({ sequence: 7 })]);
    expect(closeAccount(entries)).toMatchObject({ repeated: ["a"], lost: [], invented: [], done: 2 });
  });

  it("finds an event repeated that was applied in two lives of a stream", () => {
    const entries = correct();
    entries.rows.set("a", [row(), row({ store_time: "1800000000000000001" })]);
    expect(closeAccount(entries).repeated).toEqual(["a"]);
  });

  it("finds an event repeated whose effect came before its row died", () => {
    const entries = correct();
    entries.rows.set("c", [row({ sequence: 3 }), row({ status: "dead", sequence: 3 })]);
    expect(closeAccount(entries).repeated).toEqual(["c"]);
  });

  it("finds an event repeated that is both done and dead", () => {
    const entries = correct();
    entries.deadLetters.push(letter("a"));
    expect(closeAccount(entries)).toMatchObject({ repeated: ["a"], lost: [], done: 2, dead: 3 });
  });

  it("finds an event repeated that died more often than it was published", () => {
    const entries = correct();
    entries.deadLetters.push(letter("c", { id: "dl.g.c.8" }));
    expect(closeAccount(entries)).toMatchObject({ repeated: ["c"], dead: 2 });
  });

  it("finds events invented that nobody published, by row or by dead letter", () => {
    const entries = correct();
    entries.rows.set("x", [row()]);
    entries.deadLetters.push(letter("y"));
    expect(closeAccount(entries)).toMatchObject({ invented: ["x", "y"], done: 2, dead: 2, lost: [] });
  });

  it("takes no offence at a joined repeat, a copy of a dead letter, or a conflict beside a done row", () => {
    const entries = correct();
    entries.rows.set("a", [row(), row()]);
    entries.deadLetters.push(letter("c"), letter("a", { id: "dl.g.a.6", reason: "conflict" }));
    expect(closeAccount(entries)).toMatchObject({
      lost: [],
      repeated: [],
      invented: [],
      dead: 2,
      dead_by_reason: { permanent: 1, invalid: 1, conflict: 1 },
    });
  });
});
