// Which rows of the index a filter means.
import { setImmediate as breathe } from "node:timers/promises";
import { covers } from "../../groups/subjects.ts";
import type { DeadLetterFilter } from "../filter.ts";
import { searchable } from "../normal-error.ts";
import type { Shelf } from "../read.ts";
import { ARCHIVED, DEAD, type Letters } from "./letters.ts";
import type { Texts } from "./texts.ts";

const SLICE_MS = 8;
const SLICE_ROWS = 4096;
const KEPT = 16;

/** Says whether a row is meant: there, the first of its copies, on the shelf, and as the filter has it. */
export type Match = (row: number) => boolean;

/** The filter made ready for the letters as they are now; what was added since does not match by texts. */
export async function matcher(letters: Letters, filter: DeadLetterFilter, shelf: Shelf): Promise<Match> {
  const { kindTexts, errorTexts, subjectTexts } = letters;
  const { group, reason, language, version, error, subject, fingerprint } = filter;
  const marked: [Uint32Array, Uint8Array][] = [];
  if ((group ?? reason ?? language ?? version) !== undefined)
    marked.push([letters.kinds, kindTexts.marks({ group, reason, language, version })]);
  if (error !== undefined) {
    const part = searchable(error);
    const mark = (marks: Uint8Array, from: number) => errorTexts.markContaining(part, marks, from);
    marked.push([letters.errors, await remembered(errorTexts, `e ${part}`, mark)]);
  }
  if (subject !== undefined) {
    const mark = (marks: Uint8Array, from: number) => markCovered(subjectTexts, subject, marks, from);
    marked.push([letters.subjects, await remembered(subjectTexts, `s ${subject}`, mark)]);
  }
  const flags = shelf === "dead" ? DEAD : ARCHIVED;
  const since = filter.since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(filter.since);
  const until = filter.until === undefined ? Number.POSITIVE_INFINITY : Date.parse(filter.until);
  const isOfFailure = fingerprint === undefined ? undefined : byFingerprint(letters, fingerprint);
  return (row) => {
    if (letters.flags[row] !== flags) return false;
    for (const [column, marks] of marked) if (marks[column[row] ?? 0] !== 1) return false;
    const time = letters.times[row] ?? 0;
    return time >= since && time < until && (isOfFailure === undefined || isOfFailure(row));
  };
}

/** Visits the rows that match from one row on, up to one or down to the first, until it returns false; lets others run in between. */
export async function eachRow(
  letters: Letters,
  match: Match,
  { from, to = letters.size, isDown = false }: { from: number; to?: number; isDown?: boolean },
  visit: (row: number) => boolean | void,
): Promise<void> {
  const step = isDown ? -1 : 1;
  const end = isDown ? -1 : to;
  let breakAt = performance.now() + SLICE_MS;
  for (let row = from; row !== end; row += step) {
    if (match(row) && visit(row) === false) return;
    if (row % SLICE_ROWS === 0 && performance.now() > breakAt) {
      await breathe();
      breakAt = performance.now() + SLICE_MS;
    }
  }
}

const memory = new WeakMap<Texts, Map<string, Promise<Uint8Array>>>();

/** The marks of a pattern, made once and then for what was added since: pages of one list ask for the same. */
async function remembered(
  texts: Texts,
  key: string,
  mark: (marks: Uint8Array, from: number) => Promise<void>,
): Promise<Uint8Array> {
  const known = memory.get(texts) ?? new Map<string, Promise<Uint8Array>>();
  memory.set(texts, known);
  const extend = async () => {
    const before = (await known.get(key)) ?? new Uint8Array();
    if (before.length === texts.size) return before;
    const marks = new Uint8Array(texts.size);
    marks.set(before);
    await mark(marks, before.length);
    return marks;
  };
  const marks = extend();
  known.delete(key);
  known.set(key, marks);
  for (const oldest of known.keys()) {
    if (known.size <= KEPT) break;
    known.delete(oldest);
  }
  return await marks;
}

async function markCovered(texts: Texts, pattern: string, marks: Uint8Array, from: number): Promise<void> {
  let breakAt = performance.now() + SLICE_MS;
  for (let id = from; id < marks.length; id++) {
    if (covers(pattern, texts.text(id))) marks[id] = 1;
    if (performance.now() > breakAt) {
      await breathe();
      breakAt = performance.now() + SLICE_MS;
    }
  }
}

function byFingerprint(letters: Letters, fingerprint: string): Match {
  const high = Number.parseInt(fingerprint.slice(0, 8), 16);
  const low = Number.parseInt(fingerprint.slice(8), 16);
  return (row) => {
    const error = letters.errors[row] ?? 0;
    return letters.fingerprints[0][error] === high && letters.fingerprints[1][error] === low;
  };
}
