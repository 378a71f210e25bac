// Finds which scenarios each defect fails, to be judged before they go into expected.json:
//   node test/wrong-worker/survey.ts [--whole] <folder> [defect…]
// One run of the whole suite, without a mistake, notes in which scenarios each defect would have mattered; a
// scenario in which it never would cannot fail by it. Those are played against it (`--whole`: all), and what
// fails once more. <folder> keeps the reports; what is there is not played again.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defects } from "./defects/index.ts";
import { play, type Played } from "./suite.ts";

const args = process.argv.slice(2);
const isWhole = args.includes("--whole");
const [folder = "survey", ...chosen] = args.filter((arg) => arg !== "--whole");
mkdirSync(folder, { recursive: true });
const traceFile = join(folder, "trace.jsonl");
const healthy = await kept("healthy", () => play({ traceFile }));
const ids = healthy.map(({ id }) => id);
const trace = readFileSync(traceFile, "utf8").trimEnd().split("\n");

for (const defect of chosen.length > 0 ? chosen : Object.keys(defects)) {
  const touched = touchedBy(defect);
  const only = isWhole ? undefined : touched;
  const name = isWhole ? `${defect}-whole` : defect;
  const first = await kept(name, async () => (only?.length === 0 ? [] : play({ defect, only })));
  const failed = first.filter(({ status }) => status !== "pass");
  const again = await kept(`${name}-again`, async () =>
    failed.length === 0 ? [] : play({ defect, only: failed.map(({ id }) => id), parallel: 6 }),
  );
  process.stdout.write(`\n${name}: ${failed.length} failed, ${touched.length} touched\n`);
  for (const { id, detail } of failed) {
    const second = again.find((one) => one.id === id);
    const took = `${Math.round((second?.took_ms ?? 0) / 100) / 10} s`;
    const flaky = second?.status === "pass" ? " PASSED AGAIN" : "";
    const surprise = touched.includes(id) ? "" : " NOT TOUCHED";
    const text = detail.replaceAll(/\s+/g, " ").slice(0, 200);
    process.stdout.write(`  ${id} ${took}${flaky}${surprise}  ${text}\n`);
  }
}

async function kept(name: string, run: () => Promise<Played[]>): Promise<Played[]> {
  const file = join(folder, `${name}.json`);
  if (!existsSync(file)) writeFileSync(file, JSON.stringify(await run()));
  return JSON.parse(readFileSync(file, "utf8")) as Played[];
}

/** Scenarios in which the defect would have gone wrong: the suite names members and streams by them. */
function touchedBy(defect: string): string[] {
  const found = new Set<string>();
  for (const line of trace) {
    const note = JSON.parse(line) as Record<"defect" | "member" | "stream" | "group", string | undefined>;
    if (note.defect !== defect) continue;
    const member = note.member?.replace(/-[0-9]+$/, "");
    const names = [note.stream, note.group].flatMap((name) => [name, name?.replace(/-[0-9]+$/, "")]);
    const of = ids.filter((id) => id.slice(0, 40) === member || names.includes(id));
    if (of.length === 0) process.stderr.write(`of no scenario: ${line}\n`);
    for (const id of of) found.add(id);
  }
  return ids.filter((id) => found.has(id));
}
