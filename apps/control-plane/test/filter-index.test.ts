import { overlaps } from "@muster/contracts";
import { expect, test } from "vitest";
import { FilterIndex, smallest } from "../src/groups/filter-index.ts";
import { covers } from "../src/groups/subjects.ts";

const tokens = ["a", "b", "*"];
const filters = [">", "a", "*", "a.>", "*.>"].concat(
  tokens.flatMap((one) =>
    tokens.flatMap((two) => [
      `${one}.${two}`,
      `${one}.${two}.>`,
      ...tokens.map((three) => `${one}.${two}.${three}`),
    ]),
  ),
);

test("finds an overlap where comparing each with each finds one, in every pair", () => {
  for (const one of filters) {
    const index = new FilterIndex();
    index.set("owner", [one]);
    for (const other of filters)
      expect([one, other, index.overlapping(other)]).toEqual([
        one,
        other,
        overlaps(one, other) ? "owner" : undefined,
      ]);
  }
});

test("finds among many the one that overlaps, and forgets who is gone", () => {
  const index = new FilterIndex();
  for (let i = 0; i < 1000; i++) index.set(`g${i}`, [`orders.${i}.>`, `muster.replay.S.g${i}.>`]);
  expect(index.overlapping("orders.77.created")).toBe("g77");
  index.set("g77", ["other.>"]);
  expect(index.overlapping("orders.77.created")).toBeUndefined();
  index.delete("g78");
  expect(index.overlapping("orders.78.x")).toBeUndefined();
  expect(index.overlapping("orders.1000.x")).toBeUndefined();
});

test("keeps of any filters those that no other covers", () => {
  for (const one of filters)
    for (const other of filters) {
      const some = [one, other, "c.d"];
      const unique = [...new Set(some)].sort();
      const expected = unique.filter(
        (filter) => !unique.some((wide) => wide !== filter && covers(wide, filter)),
      );
      expect(smallest(some)).toEqual(expected);
    }
});

test("gives the same answer again, whatever was done with the first one", () => {
  const first = smallest(["b.>", "a", "b.c"]);
  expect(first).toEqual(["a", "b.>"]);
  first.push("c");
  expect(smallest(["b.c", "a", "b.>"])).toEqual(["a", "b.>"]);
});
