// A core against the raw client of its language, in one run: interleaved rounds on one server, medians of ratios.
// ./muster bench core [--lang ts|go|py] [--json] [--rounds N] [--only family]…
import { parseArgs } from "node:util";
import { findPostgres, startPostgres } from "@muster/testkit";
import { families } from "./core/cases.ts";
import { openLab } from "./core/lab.ts";
import { languageBench } from "./core/languages.ts";
import { report, summarize } from "./ratios.ts";

const { values } = parseArgs({
  options: {
    lang: { type: "string", default: "ts" },
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "5" },
    only: { type: "string", multiple: true },
  },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error(
    `muster bench core: --rounds ${JSON.stringify(values.rounds)} must be a whole number above 0`,
  );
  process.exit(2);
}
const { lang } = values;
if (lang !== "ts" && lang !== "go" && lang !== "py") {
  console.error(`muster bench core: --lang ${JSON.stringify(lang)} must be ts, go or py`);
  process.exit(2);
}

await using stack = new AsyncDisposableStack();
const hasPostgres = findPostgres() !== undefined;
const database = hasPostgres ? stack.use(await startPostgres()) : undefined;
if (database === undefined) console.error("no Postgres found: its cases are left out");
const lab = stack.use(await openLab());
const other = lang === "ts" ? undefined : languageBench(lang, database?.url);
const all = other?.families ?? families(database?.url);
const chosen = all.filter(({ name }) => values.only === undefined || values.only.includes(name));
if (chosen.length === 0) {
  console.error(`muster bench core: --only takes ${all.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const ratios = new Map<string, number[]>();
// The first round warms the code up and counts for nothing.
for (let round = 0; round <= rounds; round++) {
  for (const family of chosen) {
    const found = await family.round(lab);
    if (round > 0) {
      for (const [name, ratio] of Object.entries(found))
        ratios.set(name, [...(ratios.get(name) ?? []), ratio]);
    }
  }
  if (round > 0) console.error(`round ${round} of ${rounds}`);
}
const targets = Object.assign({}, ...chosen.map(({ cases }) => cases)) as Record<string, number | undefined>;
const costs = lab.costs.medians();
if (costs.length > 0) console.log("Processor time for a message, in µs: this process + the nats-server");
for (const { name, processUs, serverUs } of costs) {
  console.log(`  ${name.padEnd(34)} ${processUs.toFixed(1).padStart(6)} + ${serverUs.toFixed(1)}`);
}
const figures = other?.figures() ?? [];
for (const { name, raw, ours } of figures) console.log(`  ${name.padEnd(34)} raw ${raw}, ours ${ours}`);
report(
  [...ratios].map(([name, found]) => summarize(name, found, targets[name])),
  values.json,
  {
    ...(other === undefined ? {} : { lang, figures }),
    costs: costs.map(({ name, processUs, serverUs }) => ({
      name,
      process_us: processUs,
      server_us: serverUs,
    })),
  },
);
