import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { expect, test } from "vitest";
import { scenarios, uncovered } from "../src/index.ts";

const protocol = readFileSync(join(checkoutRoot, "docs/protocol.md"), "utf8");
const required = [...protocol.matchAll(/\*\*\[([A-Z]+-\d+)\]\*\*/g)].map(([, id = ""]) => id);
const proven = new Set(scenarios.flatMap(({ requirements }) => requirements));

test("every scenario has an id of its own, of a form that a stream may have as its name", () => {
  const ids = scenarios.map(({ id }) => id);
  expect(ids.filter((id, n) => ids.indexOf(id) !== n)).toEqual([]);
  expect(ids.filter((id) => !/^[a-z][a-z0-9-]{1,45}$/.test(id))).toEqual([]);
});

test("every requirement that a scenario names is one of the protocol document", () => {
  const unknown = scenarios.flatMap(({ id, requirements }) =>
    requirements.filter((requirement) => !required.includes(requirement)).map((one) => `${id}: ${one}`),
  );
  expect(unknown).toEqual([]);
});

test("every requirement of the protocol has a scenario, or a reason why it has none", () => {
  expect(required.length).toBeGreaterThan(200);
  expect(required.filter((id) => !proven.has(id) && uncovered[id] === undefined)).toEqual([]);
  expect(Object.keys(uncovered).filter((id) => proven.has(id) || !required.includes(id))).toEqual([]);
});
