// Failure groups: dead letters of the same fault, whatever the language, group and reason they died in.
import { setImmediate as breathe } from "node:timers/promises";
import { z } from "zod";
import type { Nats } from "../nats/connection.ts";
import { eachRow, type Match, matcher } from "./index/filter-rows.ts";
import type { Letters } from "./index/letters.ts";
import { readRow } from "./index/read-rows.ts";
import { deadLetterIndex } from "./index/registry.ts";
import { IndexStatus } from "./index/status.ts";
import { Selected, selectionOf } from "./list.ts";
import { fingerprintOf, normalError } from "./normal-error.ts";
import type { DeadLetter } from "./read.ts";

const Counts = z.record(z.string(), z.int());

/** Dead letters that share a fingerprint. Times are those at which they were stored as dead letters. */
export const Failure = z.strictObject({
  fingerprint: z.string(),
  error: z.string().describe("The error without what differs: numbers, ids, paths, what is quoted"),
  count: z.int(),
  first_at: z.string(),
  last_at: z.string(),
  example_id: z.string().describe("The latest one"),
  error_class: z.string().describe("Of the example; other languages have other names for it"),
  by: z.array(z.strictObject({ language: z.string(), version: z.string(), count: z.int() })),
  reasons: Counts,
  groups: Counts,
});
export type Failure = z.infer<typeof Failure>;

export const FailuresQuery = Selected.extend({
  limit: z.int().min(1).max(500).default(50).describe("At most so many"),
});

/** The largest first. `more`: failure groups that the limit left out. */
export const Failures = z
  .strictObject({
    items: z.array(Failure.meta({ id: "Failure" })),
    more: z.int().describe("Failure groups that the limit left out"),
    index: IndexStatus,
  })
  .meta({ id: "Failures" });
export type Failures = z.infer<typeof Failures>;

/** Groups the dead letters of a filter; of each group one letter is read. */
export async function listFailures(
  nats: Nats,
  { limit, ...selected }: z.infer<typeof FailuresQuery>,
): Promise<Failures> {
  const { stream, filter, shelf } = selectionOf(selected);
  const { letters, status } = await deadLetterIndex(nats, stream).view("exact");
  const match = await matcher(letters, filter, shelf);
  // What comes while it counts is not counted in one place and missing in another.
  const rows = { from: 0, to: letters.size };
  const { faults, counts } = await countFaults(letters, match, rows);
  const largest = [...counts.keys()].sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0)).slice(0, limit);
  const details = new Map(largest.map((fault) => [fault, new Detail()]));
  await eachRow(letters, match, rows, (row) =>
    details.get(faults[letters.errors[row] ?? 0] ?? 0)?.add(letters, row),
  );
  const items: Failure[] = [];
  for (const detail of details.values()) {
    const example = await latest(nats, stream, letters, detail);
    // All of them left meanwhile.
    if (example !== undefined) items.push(detail.failure(letters, example));
  }
  return { items, more: counts.length - largest.length, index: status };
}

/** The number of each error text's failure group, and how many letters each group has; a million texts may be one. */
async function countFaults(
  letters: Letters,
  match: Match,
  rows: { from: number; to: number },
): Promise<{ faults: Uint32Array; counts: number[] }> {
  const ofErrors = new Uint32Array(letters.errorTexts.size);
  await eachRow(letters, match, rows, (row) => {
    const error = letters.errors[row] ?? 0;
    ofErrors[error] = (ofErrors[error] ?? 0) + 1;
  });
  const [high, low] = letters.fingerprints;
  const numbers = new Map<number, number>();
  const faults = new Uint32Array(ofErrors.length);
  const counts: number[] = [];
  for (const [error, count] of ofErrors.entries()) {
    if (count === 0) continue;
    // 53 bits of the fingerprint: a number is a cheaper key than a text.
    const key = (high[error] ?? 0) * 2 ** 21 + ((low[error] ?? 0) >>> 11);
    const fault = numbers.get(key) ?? numbers.size;
    numbers.set(key, fault);
    faults[error] = fault;
    counts[fault] = (counts[fault] ?? 0) + count;
    if (error % BREATH === 0) await breathe();
  }
  return { faults, counts };
}

const BREATH = 65_536;

/** What is gathered of one failure group; names by their numbers. */
class Detail {
  /** The latest rows: one of them may be gone by now. */
  readonly rows: number[] = [];
  #first = Number.POSITIVE_INFINITY;
  #last = 0;
  #count = 0;
  readonly #by = new Map<number, number>();
  readonly #reasons = new Map<number, number>();
  readonly #groups = new Map<number, number>();

  add(letters: Letters, row: number): void {
    this.#count++;
    if (this.rows.push(row) > 2 * EXAMPLES) this.rows.splice(0, EXAMPLES);
    const time = letters.times[row] ?? 0;
    this.#first = Math.min(this.#first, time);
    this.#last = Math.max(this.#last, time);
    const kind = letters.kinds[row] ?? 0;
    const name = (part: "group" | "reason" | "language" | "version") => letters.kindTexts.nameOf(kind, part);
    for (const [counts, key] of [
      [this.#by, name("language") * 2 ** 26 + name("version")],
      [this.#reasons, name("reason")],
      [this.#groups, name("group")],
    ] as const)
      counts.set(key, (counts.get(key) ?? 0) + 1);
  }

  failure({ kindTexts: { names } }: Letters, example: DeadLetter): Failure {
    const header = (name: string) => example.headers[`Muster-Dlq-${name}`] ?? "";
    const named = (counts: Map<number, number>) =>
      Object.fromEntries(largestFirst(counts).map(([key, count]) => [names.text(key), count]));
    return {
      fingerprint: fingerprintOf(header("Error-Class"), header("Error")),
      error: normalError(header("Error-Class"), header("Error")),
      count: this.#count,
      first_at: new Date(this.#first).toISOString(),
      last_at: new Date(this.#last).toISOString(),
      example_id: example.id,
      error_class: header("Error-Class"),
      by: largestFirst(this.#by).map(([key, count]) => ({
        language: names.text(Math.floor(key / 2 ** 26)),
        version: names.text(key % 2 ** 26),
        count,
      })),
      reasons: named(this.#reasons),
      groups: named(this.#groups),
    };
  }
}

const EXAMPLES = 8;

async function latest(nats: Nats, stream: string, letters: Letters, { rows }: Detail) {
  for (const row of rows.slice(-EXAMPLES).toReversed()) {
    const letter = await readRow(nats, stream, letters, row);
    if (letter !== undefined) return letter;
  }
  return undefined;
}

function largestFirst(counts: Map<number, number>): [number, number][] {
  return [...counts].sort(([, a], [, b]) => b - a);
}
