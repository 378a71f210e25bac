/**
 * Writes `schemas/`, `vectors/`, `asyncapi/` and what Go and Python have of them, from their sources; with `--check`
 * it only tells what differs.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { contractSchemas, protocolSchemas } from "../src/schemas.ts";
import { asyncApiDocument } from "./asyncapi/document.ts";
import { firstDifference } from "./difference.ts";
import { vectorFiles } from "./cases/index.ts";
import { copies } from "./copies.ts";
import { goFile } from "./types/go.ts";
import { pythonFile } from "./types/python.ts";
import { contractOf } from "./types/shape.ts";

const root = new URL("../../../", import.meta.url);
const own = "packages/contracts";
/** Each generated file by its path from the checkout's root. */
const texts = new Map<string, string>([[`${own}/asyncapi/asyncapi.json`, json(asyncApiDocument)]]);
for (const [name, schema] of Object.entries({ ...contractSchemas, ...protocolSchemas }))
  texts.set(`${own}/schemas/${name}.json`, json(schema));
for (const [file, vectors] of Object.entries(vectorFiles)) texts.set(`${own}/vectors/${file}`, json(vectors));

const contracts = Object.entries(contractSchemas).map(([name, schema]) => contractOf(name, schema));
texts.set("apps/worker-go/contracts/contracts_gen.go", goFile(contracts));
texts.set("apps/worker-py/src/worker_py/contracts.py", pythonFile(contracts));
for (const [copy, original] of Object.entries(copies))
  texts.set(copy, texts.get(original) ?? readFileSync(new URL(original, root), "utf8"));

const stale = ["asyncapi", "schemas", "vectors"]
  .flatMap((folder) =>
    readdirSync(new URL(`${own}/${folder}/`, root)).map((file) => `${own}/${folder}/${file}`),
  )
  .filter((path) => !texts.has(path));

if (process.argv.includes("--check")) check();
else write();

function write(): void {
  for (const [path, text] of texts) {
    const file = new URL(path, root);
    if (existsSync(file) && readFileSync(file, "utf8") === text) continue;
    mkdirSync(new URL(".", file), { recursive: true });
    writeFileSync(file, text);
    console.log(`wrote ${path}`);
  }
  for (const path of stale) console.warn(`${path} has no source any more: delete it`);
  console.log(`${texts.size} generated files are up to date`);
}

function check(): void {
  const problems = stale.map((path) => `${path} has no source any more: delete it`);
  for (const [path, text] of texts) {
    const file = new URL(path, root);
    const difference = existsSync(file) ? firstDifference(readFileSync(file, "utf8"), text) : "is missing";
    if (difference) problems.push(`${path} ${difference}`);
  }
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) {
    console.error("run: ./muster generate");
    process.exitCode = 1;
  } else console.log(`${texts.size} generated files are up to date`);
}

function json(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
