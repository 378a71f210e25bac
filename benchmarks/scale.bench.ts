// How a group scales with its members, of three languages, and what limits it: handlers of 10 ms, so that the ideal is known.
// ./muster bench scale [--json] [--rounds N] [--seconds N] [--only case]…
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { GroupSpecInput } from "@muster/contracts";
import { checkoutRoot, startCluster } from "@muster/testkit";
import { type Lab, openLab } from "./core/lab.ts";
import { summarize } from "./ratios.ts";
import { CONCURRENCY, type Run, runFleet } from "./scale/fleet.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    only: { type: "string", multiple: true },
  },
});
const whole = (name: "rounds" | "seconds"): number => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(
    `muster bench scale: --${name} ${JSON.stringify(values[name])} must be a whole number above 0`,
  );
  process.exit(2);
};
const [rounds, seconds] = [whole("rounds"), whole("seconds")];

/** One line of the table: how many members, with what spec, on one server or three. */
type Case = { name: string; members: number; spec: Partial<GroupSpecInput>; on: "one" | "three" };

const limited = 2 * CONCURRENCY;
const cases: Case[] = [
  ...[1, 2, 4, 8].map((members): Case => ({ name: "none", members, spec: { ledger: "none" }, on: "one" })),
  ...[1, 2, 4, 8].map((members): Case => ({ name: "kv", members, spec: { ledger: "kv" }, on: "one" })),
  {
    name: `max_ack_pending ${limited}`,
    members: 4,
    spec: { ledger: "none", max_ack_pending: limited },
    on: "one",
  },
  { name: "R3, none", members: 4, spec: { ledger: "none" }, on: "three" },
  { name: "R3, kv", members: 4, spec: { ledger: "kv" }, on: "three" },
];
const chosen = cases.filter(({ name }) => values.only === undefined || values.only.includes(name));
if (chosen.length === 0) {
  const names = [...new Set(cases.map(({ name }) => name))];
  console.error(`muster bench scale: --only takes ${names.map((name) => JSON.stringify(name)).join(", ")}`);
  process.exit(2);
}

await using stack = new AsyncDisposableStack();
const labs = new Map<Case["on"], Lab>();
for (const on of new Set(chosen.map((one) => one.on))) labs.set(on, stack.use(await open(on)));

const runs = new Map<Case, Run[]>();
for (let round = 1; round <= rounds; round++) {
  for (const one of chosen) {
    const lab = labs.get(one.on);
    if (lab !== undefined)
      runs.set(one, [...(runs.get(one) ?? []), await runFleet(lab, one.members, seconds, one.spec)]);
  }
  console.error(`round ${round} of ${rounds}`);
}

const told = [...runs].map(([{ name, members }, found]) => {
  const shares = found.map(({ ofIdeal }) => ofIdeal);
  const middle = found.toSorted((a, b) => a.rate - b.rate)[found.length >> 1];
  const summary = summarize(`${name}, ${members} members`, shares);
  return { ...summary, members, rate: Math.round(middle?.rate ?? 0), done: middle?.done ?? {} };
});
for (const { name, rate, ratio, min, max, done } of told) {
  const all = Object.values(done).reduce((sum, count) => sum + count, 0);
  const by = Object.entries(done).map(([language, n]) => `${language} ${Math.round((100 * n) / all)} %`);
  console.log(
    `${name.padEnd(32)} ${String(rate).padStart(6)}/s  ${ratio.toFixed(2)} of ideal (${min}–${max})  ${by.join(", ")}`,
  );
}
if (values.json) console.log(JSON.stringify({ cases: told, rounds, seconds }));

async function open(on: Case["on"]): Promise<Lab> {
  if (on === "one") return openLab();
  const cluster = stack.use(
    await startCluster({ configFile: join(checkoutRoot, "infra/nats/cluster.conf") }),
  );
  return openLab({ url: cluster.url, replicas: 3 });
}
