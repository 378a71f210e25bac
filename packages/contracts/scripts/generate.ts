/** Writes `schemas/`, `vectors/` and `asyncapi/` from their sources; with `--check` it only tells what differs. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { contractSchemas, protocolSchemas } from "../src/schemas.ts";
import { asyncApiDocument } from "./asyncapi/document.ts";
import { firstDifference } from "./difference.ts";
import { vectorFiles } from "./cases/index.ts";

const root = new URL("../", import.meta.url);
const documents = new Map<string, unknown>([["asyncapi/asyncapi.json", asyncApiDocument]]);
for (const [name, schema] of Object.entries({ ...contractSchemas, ...protocolSchemas })) {
  documents.set(`schemas/${name}.json`, schema);
}

for (const [file, vectors] of Object.entries(vectorFiles)) {
  documents.set(`vectors/${file}`, vectors);
}

const committed = ["asyncapi", "schemas", "vectors"].flatMap((folder) => {
  mkdirSync(new URL(`${folder}/`, root), { recursive: true });
  return readdirSync(new URL(`${folder}/`, root)).map((file) => `${folder}/${file}`);
});
const stale = committed.filter((path) => !documents.has(path));

if (process.argv.includes("--check")) check();
else write();

function write(): void {
  for (const [path, document] of documents) {
    writeFileSync(new URL(path, root), text(document));
  }
  for (const path of stale) console.warn(`${path} has no source any more: delete it`);
  console.log(`wrote ${documents.size} files`);
}

function check(): void {
  const problems = stale.map((path) => `${path} has no source any more: delete it`);
  for (const [path, document] of documents) {
    const difference = committed.includes(path)
      ? firstDifference(readFileSync(new URL(path, root), "utf8"), text(document))
      : "is missing";
    if (difference) problems.push(`${path} ${difference}`);
  }
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) {
    console.error("run: pnpm --filter @muster/contracts generate");
    process.exitCode = 1;
  } else console.log(`${documents.size} generated files are up to date`);
}

function text(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
