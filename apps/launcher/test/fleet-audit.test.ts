import { describe, expect, it } from "vitest";
import { audit } from "../src/fleet/audit.ts";
import type { Books, Row } from "../src/fleet/books.ts";
import type { FleetOrder } from "../src/fleet/orders.ts";

const orders: FleetOrder[] = [
  { eventId: "a", kind: "good", customer: "ada", cents: 1000 },
  { eventId: "b", kind: "twice", customer: "ada", cents: 250 },
  { eventId: "c", kind: "permanent", customer: "bob", cents: 4000 },
  { eventId: "d", kind: "conflicts", customer: "bob", cents: 70 },
  { eventId: "e", kind: "exhausted", customer: "cy", cents: 9 },
];

const done = (sequence: number, language = "ts"): Row => ({
  status: "done",
  sequence,
  store_time: `170000000000000000${sequence}`,
  body_sha256: "a".repeat(64),
  language,
});

const dead = (sequence: number): Row => ({ ...done(sequence), status: "dead" });

const letter = (eventId: string, reason: Books["letters"][number]["reason"], id = `dl.${eventId}`) => ({
  eventId,
  id,
  reason,
  language: "go",
});

/** The books of these orders as they must be; each call gives new ones. */
function goodBooks(): Books & { balances: Map<string, number> } {
  return {
    rows: new Map([
      ["a", [done(1)]],
      ["b", [done(2)]],
      ["c", [dead(4)]],
      ["d", [done(5)]],
      // Dead, replayed, done.
      ["e", [dead(7), done(8, "py")]],
    ]),
    letters: [letter("c", "permanent"), letter("d", "conflict")],
    balances: new Map([
      ["ada", 1250],
      ["bob", 70],
      ["cy", 9],
    ]),
  };
}

function wrong(change: (books: ReturnType<typeof goodBooks>) => void) {
  const books = goodBooks();
  change(books);
  const { lost, repeated, invented, astray, wrongBalances } = audit(orders, books);
  return { lost, repeated, invented, astray, wrongBalances };
}

const nothing = { lost: [], repeated: [], invented: [], astray: [], wrongBalances: [] };

describe("the audit of a fleet", () => {
  it("finds nothing wrong in books that are right, copies of dead letters among them", () => {
    expect(wrong(() => undefined)).toEqual(nothing);
    expect(wrong(({ letters }) => letters.push(letter("c", "permanent")))).toEqual(nothing);
    expect(audit(orders, goodBooks()).account).toMatchObject({ published: 5, done: 4, dead: 1 });
  });

  it("finds an event that is nowhere", () => {
    const found = wrong(({ rows }) => rows.delete("a"));
    expect(found).toMatchObject({ lost: ["a"], wrongBalances: ["ada has 1250 cents, must have 250"] });
  });

  it("finds a dead row whose dead letter is gone", () => {
    expect(wrong((books) => void (books.letters = [letter("d", "conflict")]))).toMatchObject({ lost: ["c"] });
  });

  it("finds an event that was done by two messages", () => {
    expect(wrong(({ rows }) => rows.set("b", [done(2), done(3)]))).toEqual({ ...nothing, repeated: ["b"] });
  });

  it("finds an event that is done and dead", () => {
    const found = wrong(({ letters }) => letters.push(letter("a", "exhausted")));
    expect(found).toMatchObject({ repeated: ["a"] });
    expect(found.astray).toEqual(["a (good) is done and exhausted, must be done"]);
  });

  it("finds an event that died twice", () => {
    const found = wrong(({ letters }) => letters.push(letter("c", "permanent", "dl.c.again")));
    expect(found).toEqual({ ...nothing, repeated: ["c"] });
  });

  it("finds events that nobody published, by their row or by their dead letter", () => {
    expect(wrong(({ rows }) => rows.set("x", [done(9)]))).toEqual({ ...nothing, invented: ["x"] });
    expect(wrong(({ letters }) => letters.push(letter("y", "invalid")))).toEqual({
      ...nothing,
      invented: ["y"],
    });
  });

  it("finds an order that ended otherwise than its kind does", () => {
    const found = wrong(({ rows, letters, balances }) => {
      rows.set("e", [dead(7)]);
      letters.push(letter("e", "crash_loop"));
      balances.delete("cy");
    });
    expect(found).toEqual({ ...nothing, astray: ["e (exhausted) is crash_loop, must be done"] });
  });

  it("finds a conflict that left no dead letter", () => {
    const found = wrong((books) => void (books.letters = [letter("c", "permanent")]));
    expect(found.astray).toEqual(["d (conflicts) is done, must be done and conflict"]);
  });

  it("finds an effect that was made twice, not at all, or for nobody", () => {
    expect(wrong(({ balances }) => balances.set("ada", 2250)).wrongBalances).toEqual([
      "ada has 2250 cents, must have 1250",
    ]);
    expect(wrong(({ balances }) => balances.delete("cy")).wrongBalances).toEqual([
      "cy has 0 cents, must have 9",
    ]);
    expect(wrong(({ balances }) => balances.set("zoe", 5)).wrongBalances).toEqual([
      "zoe has 5 cents, must have 0",
    ]);
  });
});
