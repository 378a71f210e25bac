import { describe, expect, it } from "vitest";
import { handedOver, handOverGaps } from "../src/fleet/handed-over.ts";
import { kinds, kindsOf } from "../src/fleet/kinds.ts";
import { readOptions } from "../src/fleet/options.ts";
import { seededOrders } from "../src/fleet/orders.ts";
import { seededPlan } from "../src/fleet/plan.ts";

const planned = { messages: 3000, kills: 5, stops: 1, ackWaitMs: 2000 };

describe("the orders of a fleet", () => {
  it("are the same for the same seed, and others for another", () => {
    const orders = seededOrders(500, 7, true);
    expect(seededOrders(500, 7, true)).toEqual(orders);
    expect(seededOrders(500, 8, true)).not.toEqual(orders);
  });

  it("have every kind, each its share", () => {
    const names = kindsOf(20_000);
    expect(names).toHaveLength(20_000);
    for (const [name, { share }] of Object.entries(kinds))
      expect(names.filter((one) => one === name)).toHaveLength(Math.round(20_000 * share));
  });

  it("come in two messages where they are to meet themselves", () => {
    const { orders, messages } = seededOrders(1000, 1, false);
    const again = orders.filter(({ kind }) => kind === "twice" || kind === "conflicts");
    expect(messages).toHaveLength(orders.length + again.length);
    const bodiesOf = (id: string): string[] =>
      messages.filter(({ eventId }) => eventId === id).map(({ body }) => new TextDecoder().decode(body));
    for (const { eventId, kind } of again)
      expect(new Set(bodiesOf(eventId)).size, eventId).toBe(kind === "twice" ? 1 : 2);
  });

  it("kill their process in the first half, where the rest of the run sees what comes of it", () => {
    const { orders } = seededOrders(10_000, 3, false);
    const late = orders.slice(5100).filter(({ kind }) => kind.startsWith("crash"));
    expect(late).toEqual([]);
  });
});

describe("the plan of a fleet", () => {
  it("is the same for the same seed, and another for another", () => {
    expect(seededPlan({ ...planned, seed: 7 })).toEqual(seededPlan({ ...planned, seed: 7 }));
    expect(seededPlan({ ...planned, seed: 7 })).not.toEqual(seededPlan({ ...planned, seed: 8 }));
  });

  it("strikes every language as often in each way, and stops it for longer than ack_wait", () => {
    const plan = seededPlan({ ...planned, seed: 7 });
    for (const language of ["ts", "go", "py"]) {
      const own = plan.filter(({ seat }) => seat.startsWith(language));
      const count = (blow: string): number => own.filter((step) => step.blow === blow).length;
      expect([count("SIGKILL"), count("SIGTERM"), count("SIGSTOP")]).toEqual([5, 5, 1]);
    }
    for (const { stopMs } of plan.filter(({ blow }) => blow === "SIGSTOP"))
      expect(stopMs).toBeGreaterThan(planned.ackWaitMs);
  });

  it("has each step inside its own slice of the messages", () => {
    let from = 0;
    for (const { at, upTo } of seededPlan({ ...planned, seed: 7 })) {
      expect(at).toBeGreaterThan(from);
      expect(at).toBeLessThan(upTo);
      from = upTo;
    }
    expect(from).toBeLessThan(planned.messages);
  });
});

describe("what languages hand over to each other", () => {
  const row = (language: string) => [
    { status: "done" as const, sequence: 1, store_time: "1", body_sha256: "a", language },
  ];
  const letter = (eventId: string, language: string) =>
    ({ eventId, id: eventId, reason: "exhausted", language }) as const;

  it("is counted by who made the dead letter and who did its event", () => {
    const letters = [letter("a", "ts"), letter("b", "ts"), letter("c", "go"), letter("d", "py")];
    const rows = new Map([
      ["a", row("go")],
      ["b", row("ts")],
      ["c", row("py")],
      ["d", row("ts")],
    ]);
    const table = handedOver(letters, rows);
    expect(table).toEqual({ ts: { go: 1, ts: 1 }, go: { py: 1 }, py: { ts: 1 } });
    expect(handOverGaps(table)).toEqual([]);
  });

  it("has a gap where a language keeps to its own", () => {
    expect(handOverGaps({ ts: { ts: 9 }, go: { py: 1 }, py: { go: 1 } })).toEqual([
      "no dead letter of ts was done by another language",
      "ts has done no dead letter of another language",
    ]);
  });
});

describe("the options of a fleet", () => {
  it("are a whole proof by default, and a smaller one when asked", () => {
    expect(readOptions(["kv"])).toMatchObject({ options: { orders: 20_000, kills: 5, stops: 1, seed: 1 } });
    expect(readOptions(["postgres", "--small", "--seed", "9"])).toMatchObject({
      options: { ledger: "postgres", orders: 3000, kills: 2, seed: 9 },
    });
  });

  it.each([[[]], [["none"]], [["kv", "postgres"]], [["kv", "--orders", "many"]], [["kv", "--what"]]])(
    "%j is refused with a reason",
    (args) => {
      expect(readOptions(args)).toMatchObject({ type: "bad", problem: expect.any(String) });
    },
  );
});
