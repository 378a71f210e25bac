// The conformance worker with one mistake built in: MUSTER_DEFECT=<name>, unset for none. An unknown name ends it
// with 2. With MUSTER_DEFECT_TRACE=<file> it makes no mistake, and notes which mistakes would have mattered.
import { appendFileSync } from "node:fs";
import type { Strike } from "./defect.ts";
import { defects } from "./defects/index.ts";
import { noteParts } from "./process.ts";

const chosen = process.env["MUSTER_DEFECT"];
const traceFile = process.env["MUSTER_DEFECT_TRACE"];

if (chosen !== undefined && !Object.hasOwn(defects, chosen)) {
  process.stderr.write(`MUSTER_DEFECT: no defect ${chosen}; one of ${Object.keys(defects).join(", ")}\n`);
  process.exit(2);
}
noteParts();
for (const [name, defect] of Object.entries(defects)) {
  if (name === chosen) defect(Object.assign(() => true, { isOn: true }));
  else if (traceFile !== undefined) defect(tracer(name, traceFile));
}
await import("../../src/conformance/main.ts");

/** Notes once in a process that a defect would have struck. */
function tracer(defect: string, file: string): Strike {
  let isNoted = false;
  const note = (): boolean => {
    if (!isNoted) {
      isNoted = true;
      const { WORKER_ID: member, MUSTER_STREAM: stream, MUSTER_GROUP: group } = process.env;
      appendFileSync(file, `${JSON.stringify({ defect, member, stream, group })}\n`);
    }
    return false;
  };
  return Object.assign(note, { isOn: false });
}
