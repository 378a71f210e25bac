// The input of a procedure, put together from what arguments and flags gave.
import { CliError } from "./client.ts";
import type { Field, Inner } from "./fields.ts";

/** Each value in its place. Throws a usage error where none, or more than one, of alternatives is given. */
export function inputOf(
  values: ReadonlyMap<Field, unknown>,
  inner: readonly Inner[],
): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const [{ at }, value] of values) {
    const [outer = "", part] = at;
    if (value === undefined) continue;
    if (part === undefined) input[outer] = value;
    else input[outer] = { ...(input[outer] as object | undefined), [part]: value };
  }
  for (const { at, isRequired, alternatives } of inner) {
    const given: object = (input[at] as object | undefined) ?? {};
    if (isRequired) input[at] = given;
    if (!isRequired && input[at] === undefined) continue;
    const meant = alternatives.filter((names) => names.some((name) => name in given));
    if (alternatives.length > 0 && meant.length !== 1)
      throw new CliError(`give one of ${flagsOf(values, at).join(" and ")}`, 2);
  }
  return input;
}

function flagsOf(values: ReadonlyMap<Field, unknown>, outer: string): string[] {
  return [...values.keys()].filter(({ at }) => at[0] === outer).map(({ name }) => `--${name}`);
}
