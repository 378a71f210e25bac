import { partialDeepStrictEqual } from "node:assert/strict";
import { inspect, isDeepStrictEqual } from "node:util";

/** A behaviour that was not what the protocol asks for. Its message is the scenario's detail. */
export class Unexpected extends Error {
  override readonly name = "Unexpected";
}

/** `actual` is deeply equal to `expected`. */
export function same(what: string, actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) throw new Unexpected(got(what, actual, expected));
}

/** `actual` has all that `expected` has; further properties do not matter. */
export function has(what: string, actual: unknown, expected: object): void {
  try {
    partialDeepStrictEqual(actual, expected);
  } catch {
    throw new Unexpected(got(what, actual, expected));
  }
}

/** A condition holds; `seen` is told where it does not. */
export function holds(what: string, condition: boolean, seen?: unknown): void {
  if (!condition) throw new Unexpected(seen === undefined ? what : `${what}: got ${show(seen)}`);
}

/** A text matches a pattern. */
export function like(what: string, text: string | undefined, pattern: RegExp): void {
  if (text === undefined || !pattern.test(text)) throw new Unexpected(got(what, text, pattern));
}

/** The promise fails with an error whose message matches. */
export async function refused(what: string, promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
  );
  like(what, error, pattern);
}

function got(what: string, actual: unknown, expected: unknown): string {
  return `${what}: got ${show(actual)}, wanted ${show(expected)}`;
}

function show(value: unknown): string {
  return inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 6, maxStringLength: 300 });
}
