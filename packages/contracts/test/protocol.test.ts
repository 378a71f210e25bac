/** The requirement ids of docs/protocol.md, by which the conformance suite names what it proves. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const protocol = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
const defined = [...protocol.matchAll(/\*\*\[([A-Z]+-[0-9]+)\]\*\*/g)].map(([, id]) => id ?? "");

test("every requirement has an id of its own", () => {
  expect(defined.length).toBeGreaterThan(250);
  expect(defined.filter((id, at) => defined.indexOf(id) !== at)).toEqual([]);
});

test("the ids of a group are numbered without a gap, so that none is taken away", () => {
  const groups = new Map<string, number[]>();
  for (const id of defined) {
    const [group = "", number] = id.split("-");
    groups.set(group, [...(groups.get(group) ?? []), Number(number)]);
  }
  for (const [group, numbers] of groups) {
    expect(
      numbers.toSorted((a, b) => a - b),
      group,
    ).toEqual(numbers.map((_, at) => at + 1));
  }
});

test("every requirement that the text refers to is there", () => {
  const words = ["SHA", "RFC", "UTF", "ISO"];
  const referred = [...protocol.matchAll(/\b([A-Z]+)-[0-9]+\b/g)].filter(
    ([, group]) => !words.includes(group ?? ""),
  );
  expect(referred.map(([id]) => id).filter((id) => !defined.includes(id))).toEqual([]);
});

test("its SQL is that of the migrations", () => {
  const folder = new URL("../migrations/", import.meta.url);
  const migrations = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), "utf8"));
  const lines = (text: string): string[] => text.split("\n").filter((line) => line.trim() !== "");
  const known = new Set(migrations.flatMap(lines));
  const [, sql = ""] = /```sql\n([^`]*)```/.exec(protocol) ?? [];
  expect(lines(sql).filter((line) => !known.has(line))).toEqual([]);
  expect(lines(sql).length).toBeGreaterThan(20);
});
