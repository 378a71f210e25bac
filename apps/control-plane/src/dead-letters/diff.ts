// What an edit changed, for the audit: bounded, whatever the payloads are.
import { sha256Hex } from "@muster/contracts";
import type { DeadLetter } from "./read.ts";

/** One change: where (a JSON pointer), and what was and is there as JSON, cut. */
export type Change = { path: string; before?: string; after?: string };

/** The payload's changes where both are JSON; their hashes in any case. `more`: so many were left out. */
export type Diff = {
  payload: { before_sha256: string; after_sha256: string; changes?: Change[]; more?: number };
  headers: Change[];
};

const MOST_CHANGES = 100;
const MOST_VALUE = 200;
const MOST_PATH = 300;
const MOST_DEPTH = 64;
const TOO_DEEP = "(nested too deeply)";

/** The difference between a dead letter and what is sent instead of it. */
export function diffOf(before: DeadLetter, after: DeadLetter): Diff {
  const payload = { before_sha256: sha256Hex(before.body), after_sha256: sha256Hex(after.body) };
  const headers = headerChanges(before.headers, after.headers).slice(0, MOST_CHANGES);
  const [was, is] = [parse(before.body), parse(after.body)];
  if (was === undefined || is === undefined) return { payload, headers };
  const changes: Change[] = [];
  const more = compare({ was: was.value, is: is.value, path: "", depth: 0 }, changes);
  return { payload: { ...payload, changes, ...(more > 0 ? { more } : {}) }, headers };
}

type Pair = { was: unknown; is: unknown; path: string; depth: number };

/** Collects the changes; gives how many found no room. */
function compare({ was, is, path, depth }: Pair, changes: Change[]): number {
  const [from, to] = [childrenOf(was), childrenOf(is)];
  const isSameKind = from !== undefined && to !== undefined && Array.isArray(was) === Array.isArray(is);
  if (!isSameKind || depth === MOST_DEPTH) {
    if (from === undefined && to === undefined && was === is) return 0;
    // What is too deep to be written is not known to be the same.
    if (isSameKind && text(was) === text(is) && text(was) !== TOO_DEEP) return 0;
    return push(changes, changeOf(path, was, is));
  }
  let more = 0;
  for (const key of new Set([...from.keys(), ...to.keys()])) {
    const at = `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    more +=
      from.has(key) && to.has(key)
        ? compare({ was: from.get(key), is: to.get(key), path: at, depth: depth + 1 }, changes)
        : push(changes, changeOf(at, from.get(key), to.get(key)));
  }
  return more;
}

function push(changes: Change[], change: Change): number {
  if (changes.length >= MOST_CHANGES) return 1;
  changes.push(change);
  return 0;
}

function headerChanges(was: Record<string, string>, is: Record<string, string>): Change[] {
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((name) => was[name] !== is[name])
    .map((name) => changeOf(name, was[name], is[name]));
}

/** JSON knows no undefined: that is what was not there. */
function changeOf(path: string, was: unknown, is: unknown): Change {
  return {
    path: path.slice(0, MOST_PATH),
    ...(was === undefined ? {} : { before: text(was).slice(0, MOST_VALUE) }),
    ...(is === undefined ? {} : { after: text(is).slice(0, MOST_VALUE) }),
  };
}

function childrenOf(value: unknown): Map<string, unknown> | undefined {
  return typeof value === "object" && value !== null ? new Map(Object.entries(value)) : undefined;
}

// A payload may be nested deeper than the stack.
function text(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return TOO_DEEP;
  }
}

function parse(body: Uint8Array): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as unknown };
  } catch {
    return undefined;
  }
}
