// The control plane in a large house: 1,000 groups, 10,000 members that beat, 1,000,000 dead letters on disk.
// ./muster bench control-plane [--json] [--rounds N] [--groups N] [--members N] [--letters N]
import { parseArgs } from "node:util";
import { connect } from "@nats-io/transport-node";
import { MEMBER_TTL_MS } from "@muster/contracts";
import { startNats, waitFor } from "@muster/testkit";
import { crashDelays, joinDelays, p99, questions, replayRate } from "./control-plane/cases.ts";
import { startPlane } from "./control-plane/plane.ts";
import { beat, beating, fillWithLetters, provision, type Size } from "./control-plane/scene.ts";
import { summarize } from "./ratios.ts";

const number = (default_: number) => ({ type: "string", default: String(default_) }) as const;
const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: number(5),
    groups: number(1000),
    members: number(10_000),
    letters: number(1_000_000),
  },
});
const asked = (name: "rounds" | "groups" | "members" | "letters"): number => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(
    `muster bench control-plane: --${name} ${JSON.stringify(values[name])} must be a whole number above 0`,
  );
  process.exit(2);
};
const rounds = asked("rounds");
const size: Size = {
  streams: 10,
  groups: asked("groups"),
  members: asked("members"),
  letters: asked("letters"),
};
const say = (line: string): void => console.error(line);

/** What was measured, by case: the figures of each round, what they are to be, and in what unit. */
type Measured = { unit: string; found: number[]; atMost?: number; atLeast?: number };
const measured = new Map<string, Measured>();
const note = (name: string, figure: number, aim: Omit<Measured, "found">): void => {
  const known = measured.get(name) ?? { ...aim, found: [] };
  known.found.push(figure);
  measured.set(name, known);
};

await using stack = new AsyncDisposableStack();
const server = stack.use(await startNats());
const nc = await connect({ servers: server.url, noAsyncTraces: true });
stack.defer(() => nc.close());

say(`making ${size.groups} groups and ${size.letters} dead letters`);
{
  // The buckets are the control plane's own, as with the first group of any house.
  await using first = await startPlane(server.url);
  const spec = { v: 1, contracts: ["order.v1"], subjects: ["first.>"] };
  await first.send("PUT", "/api/v1/streams/FIRST/groups/first", { spec });
}
await provision(nc, size);
await fillWithLetters(nc, size);
using _beats = beating(nc, size);
for (let n = 0; n < size.members; n++) beat(nc, n, size);
await nc.flush();

for (let round = 1; round <= rounds; round++) {
  await using plane = await startPlane(server.url);
  const startedAt = performance.now();
  note("ready after a start", plane.readyMs, { unit: "ms" });
  // Until then counts say that they are of a part.
  await waitFor(
    "the dead-letter indexes",
    async () => {
      for (let n = 0; n < size.streams; n++) {
        const path = `/api/v1/streams/S${n}/dead-letter-count`;
        const { index } = await plane.get<{ index: { state: string } }>(path);
        if (index.state !== "ready") return false;
      }
      return true;
    },
    { timeoutMs: 300_000, everyMs: 100 },
  );
  note("dead-letter indexes whole after", performance.now() - startedAt, { unit: "ms" });
  note("memory, before the first request", plane.memory() / 1e6, { unit: "MB" });
  for (const [name, ask] of Object.entries(questions)) {
    // The first few load code and fill caches, as the first minute of a day does.
    for (let n = 0; n < 5; n++) await ask(plane, n, size);
    note(`${name}, p99`, await p99(plane, size, ask), { unit: "ms", atMost: 100 });
  }
  note("join to event", median(await joinDelays(plane, nc, size)), { unit: "ms", atMost: 200 });
  note("replay rate", await replayRate(plane, nc, `S${(2 * round - 1) % size.streams}`), {
    unit: "letters/s",
    atLeast: 2000,
  });
  if (round === 1)
    note("crash to event", Math.max(...(await crashDelays(plane, nc, size))), {
      unit: "ms",
      atMost: MEMBER_TTL_MS + 1000,
    });
  note("memory, after all of these", plane.memory() / 1e6, { unit: "MB", atMost: 500 });
  say(`round ${round} of ${rounds}`);
}

const cases = [...measured].map(([name, { unit, found, atMost, atLeast }]) => {
  // As everywhere: above 1 is better than asked for.
  const ratios = found.map((figure) =>
    atMost !== undefined ? atMost / figure : figure / (atLeast ?? figure),
  );
  const target = atMost ?? atLeast;
  const summary = summarize(name, ratios, target === undefined ? undefined : 1);
  return { ...summary, value: tenth(median(found)), unit, ...(target === undefined ? {} : { aim: target }) };
});
const width = Math.max(...cases.map(({ name }) => name.length));
for (const { name, value, unit, aim, met } of cases) {
  const judged = aim === undefined ? "" : `  target ${aim} ${unit}: ${met === true ? "met" : "MISSED"}`;
  console.log(`${name.padEnd(width)}  ${String(value).padStart(8)} ${unit}${judged}`);
}
if (values.json) console.log(JSON.stringify({ cases, size }));

function median(found: readonly number[]): number {
  return found.toSorted((a, b) => a - b)[found.length >> 1] ?? Number.NaN;
}

function tenth(figure: number): number {
  return Math.round(figure * 10) / 10;
}
