import { expect, it } from "vitest";
import { harmlessOf, spentByBlows } from "../src/fleet/spent.ts";
import type { FleetOrder } from "../src/fleet/orders.ts";

const order = (eventId: string, kind: FleetOrder["kind"]): FleetOrder => ({
  eventId,
  kind,
  customer: "ada",
  cents: 1,
});
const orders = [
  order("a", "exhausted"),
  order("b", "recovers"),
  order("c", "good"),
  order("d", "crash_loops"),
];
const letter = (eventId: string, reason: "exhausted" | "crash_loop") => ({
  eventId,
  id: `dl.${eventId}`,
  reason,
  language: "go",
});

it("tells deaths that kills of processes have helped to from those that had to be", () => {
  const letters = [
    letter("a", "exhausted"),
    letter("b", "crash_loop"),
    letter("c", "exhausted"),
    letter("d", "crash_loop"),
    letter("x", "exhausted"),
  ];
  const spent = spentByBlows(orders, letters);
  expect(spent.map(({ eventId }) => eventId)).toEqual(["b", "c"]);
  // Nothing in a good order's handler fails: that it died is a fault.
  expect(harmlessOf(orders, spent)).toEqual(["c (good) died in go: exhausted"]);
});
