import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import type { Client } from "../src/client.ts";
import { createProgram } from "../src/program.ts";
import { applied, appliedAll } from "../src/commands/plan-words.ts";

const notes = [
  "stream ORDERS has 1 of 3 copies\x1b[2J",
  "consumer billing of stream ORDERS has 2 of 3 copies",
];
afterEach(() => void vi.restoreAllMocks());

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

test.each([
  ["spec: {}", "apply", { changes: [{ what: "stream ORDERS" }], notes }],
  ["groups: [spec: {}]", "applyAll", { ok: true, shared: [{ what: "stream ORDERS" }], groups: [], notes }],
])("and it has a line each in jsonl, of %s", async (file, procedure, answer) => {
  const client = { groups: { [procedure]: { mutate: () => Promise.resolve(answer) } } };
  const folder = await mkdtemp(join(tmpdir(), "muster-cli-"));
  await writeFile(join(folder, "file.yaml"), file);
  let out = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const args = ["-o", "jsonl", "groups", "apply", "-f", join(folder, "file.yaml")];
  await createProgram(() => client as unknown as Client).parseAsync(args, { from: "user" });
  await rm(folder, { recursive: true });
  expect(
    out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([{ what: "stream ORDERS" }, ...notes.map((note) => ({ note }))]);
});
