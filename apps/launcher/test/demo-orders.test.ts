import { contractSchemas, createVerdict } from "@muster/contracts";
import { describe, expect, it } from "vitest";
import { kindsOf, type OrderKind, seededOrders } from "../src/demo/orders.ts";

const verdict = createVerdict("order.v1", contractSchemas["order.v1"]);

function countKinds(kinds: readonly OrderKind[]): Record<string, number> {
  return Object.fromEntries(
    [...new Set(kinds)].map((kind) => [kind, kinds.filter((other) => other === kind).length]),
  );
}

describe("the orders of the demo", () => {
  it("are the same for the same seed, byte for byte, and others for another", () => {
    expect(seededOrders(200, 7)).toEqual(seededOrders(200, 7));
    expect(seededOrders(200, 7)).not.toEqual(seededOrders(200, 8));
  });

  it("have an event id of their own each", () => {
    expect(new Set(seededOrders(1000, 1).map((order) => order.eventId)).size).toBe(1000);
  });

  it("hold the shares of bad ones", () => {
    expect(countKinds(kindsOf(1000))).toEqual({
      large: 20,
      permanent: 20,
      broken: 20,
      not_json: 10,
      good: 930,
    });
    expect(countKinds(kindsOf(10))).toEqual({ large: 1, permanent: 1, broken: 1, not_json: 1, good: 6 });
    expect(countKinds(kindsOf(1))).toEqual({ large: 1 });
  });

  it.each([1, 2, 3, 99])("pass or fail the contract as their kind says (seed %i)", (seed) => {
    for (const { kind, body } of seededOrders(1000, seed)) {
      const found = verdict(body);
      if (kind === "not_json") expect(found).toMatchObject({ ok: false, code: "json" });
      else if (kind === "broken") expect(found).toMatchObject({ ok: false, code: "schema" });
      else expect(found).toMatchObject({ ok: true });
    }
  });

  it("are what the handler's rules make of their kind", () => {
    for (const { kind, body } of seededOrders(1000, 5)) {
      if (kind === "not_json" || kind === "broken") continue;
      const { amount, customer } = JSON.parse(new TextDecoder().decode(body)) as {
        amount: number;
        customer: string;
      };
      expect(amount < 0 || customer === "").toBe(kind === "permanent");
      expect(amount > 10_000 && customer !== "").toBe(kind === "large");
    }
  });
});
