import { expect, test } from "vitest";
import { applied, appliedAll } from "../src/commands/plan-words.ts";

const notes = [
  "stream ORDERS has 1 of 3 copies\x1b[2J",
  "consumer billing of stream ORDERS has 2 of 3 copies",
];
const told =
  "note: stream ORDERS has 1 of 3 copies\\u001b[2J\nnote: consumer billing of stream ORDERS has 2 of 3 copies";

test("what an apply waited for in vain is told, of one group and of several", () => {
  const one = { stream: "ORDERS", group: "billing", revision: 2, changes: [] };
  expect(applied({ ...one, notes })).toBe(
    `what  change\n\n${told}\n\ngroup billing of stream ORDERS is at revision 2`,
  );
  expect(applied(one)).not.toContain("note");
  const all = { ok: true, shared: [], groups: [{ ...one, outcome: "applied" as const }] };
  expect(appliedAll({ ...all, notes })).toContain(`\n\n${told}\n\n1 groups are as the file says`);
  expect(appliedAll(all)).not.toContain("note");
});
