// Which operation a request means.
import { fail } from "../errors.ts";
import { BASE, type Operation, operations } from "./operations.ts";

/** An operation with the parameters of its path, or why there is none. */
export type Route =
  | { type: "found"; operation: Operation; params: Record<string, string> }
  | { type: "no_path" }
  | { type: "no_method"; allowed: string[] };

/** The names of a path's parameters. */
export function parametersOf({ path }: Operation): string[] {
  return [...path.matchAll(/\{([a-z_]+)\}/g)].map(([, name = ""]) => name);
}

const all = Object.values(operations).map((operation) => ({
  operation,
  segments: operation.path.slice(1).split("/"),
}));

/**
 * Finds the operation by the path as it was sent: it is split before it is decoded, so that an id may hold a slash
 * (`%2F`). Throws `bad_path` where a segment cannot be decoded.
 */
export function findRoute(method: string, path: string): Route {
  if (!path.startsWith(`${BASE}/`)) return { type: "no_path" };
  const sent = path
    .slice(BASE.length + 1)
    .split("/")
    .map(decode);
  const matching = all.filter(({ segments }) => isMatch(segments, sent));
  // A segment that is spelt out means more than a parameter that takes anything.
  const best = Math.min(...matching.map(({ segments }) => segments.filter(isParameter).length));
  const candidates = matching.filter(({ segments }) => segments.filter(isParameter).length === best);
  if (candidates.length === 0) return { type: "no_path" };
  const found = candidates.find(({ operation }) => operation.method === method);
  if (found === undefined)
    return { type: "no_method", allowed: candidates.map(({ operation }) => operation.method) };
  const params = found.segments.flatMap((segment, i) =>
    isParameter(segment) ? [[segment.slice(1, -1), sent[i] ?? ""] as const] : [],
  );
  return { type: "found", operation: found.operation, params: Object.fromEntries(params) };
}

function isMatch(segments: readonly string[], sent: readonly string[]): boolean {
  return (
    segments.length === sent.length &&
    segments.every((segment, i) => (isParameter(segment) ? sent[i] !== "" : segment === sent[i]))
  );
}

function isParameter(segment: string): boolean {
  return segment.startsWith("{");
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    throw fail("bad_path", "the path is not percent-encoded UTF-8; encode each id by itself", error);
  }
}
