import { admitVectors, attemptWriteVectors } from "./attempts.ts";
import { backoffVectors } from "./backoff.ts";
import { headerVectors } from "./headers.ts";
import { nameVectors } from "./names.ts";
import { orderVectors } from "./orders.ts";
import { rowVectors, rowWriteVectors } from "./rows.ts";
import { specProblemVectors } from "./spec-problems.ts";
import { idVectors, keyVectors, replyVectors, subjectVectors } from "./subjects.ts";
import { textVectors } from "./texts.ts";
import { byteCases } from "./verdicts-bytes.ts";
import { jsonCases } from "./verdicts-json.ts";
import { schemaCases, vectorContracts } from "./verdicts-schema.ts";
import { titled } from "./verdict-cases.ts";
import type { Vectors } from "./write.ts";

const verdictVectors: Vectors = {
  description:
    "body_base64, or body_repeat: texts and how often each stands there; contract: schemas/<contract>.json, or vectors/<contract>.json for those made for vectors",
  cases: [...titled("bytes", byteCases), ...jsonCases, ...schemaCases],
};

/** Every file of `vectors/` by its path, checked for names given twice. */
export const vectorFiles: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(
    Object.entries(vectorContracts).map(([name, schema]) => [
      `${name}.json`,
      { $comment: "Generated from packages/contracts/scripts/cases. Do not edit.", ...schema },
    ]),
  ),
  "admits.json": file(admitVectors),
  "attempt-writes.json": file(attemptWriteVectors),
  "backoff.json": file(backoffVectors),
  "headers.json": file(headerVectors),
  "ids.json": file(idVectors),
  "keys.json": file(keyVectors),
  "names.json": file(nameVectors),
  "orders.json": file(orderVectors),
  "replies.json": file(replyVectors),
  "row-writes.json": file(rowWriteVectors),
  "rows.json": file(rowVectors),
  "spec-problems.json": file(specProblemVectors),
  "subjects.json": file(subjectVectors),
  "texts.json": file(textVectors),
  "verdicts.json": file(verdictVectors),
};

function file(vectors: Vectors): unknown {
  const names = new Set<string>();
  for (const { name } of vectors.cases) {
    if (names.has(name)) throw new Error(`two vectors are called ${JSON.stringify(name)}`);
    names.add(name);
  }
  return {
    $comment: "Generated from packages/contracts/scripts/cases. Do not edit.",
    ...vectors,
  };
}
