import { readFileSync } from "node:fs";

type Case = { name: string } & Record<string, unknown>;

/** The cases of a vector file; each test says which fields it has. */
export function vectors<Fields>(file: string): (Fields & { name: string })[] {
  const document: { cases: Case[] } = JSON.parse(read(`vectors/${file}.json`));
  return document.cases as (Fields & { name: string })[];
}

/** A schema of `schemas/`, or one that was made for the vectors. */
export function contract(name: string): unknown {
  try {
    return JSON.parse(read(`schemas/${name}.json`));
  } catch {
    return JSON.parse(read(`vectors/${name}.json`));
  }
}

/** The body of a verdict vector. */
export function bodyOf(of: { body_base64?: string; body_repeat?: [string, number][] }): Uint8Array {
  if (of.body_base64 !== undefined) return Buffer.from(of.body_base64, "base64");
  return Buffer.from((of.body_repeat ?? []).map(([text, count]) => text.repeat(count)).join(""));
}

/** The snake_case facts of a vector as our functions take them. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- says what the vector holds
export function camelCase<Facts>(facts: Record<string, unknown>): Facts {
  const renamed = Object.fromEntries(Object.entries(facts).map(([name, value]) => [camel(name), value]));
  return renamed as Facts;
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function read(path: string): string {
  return readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
}
