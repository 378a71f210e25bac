// Texts given as flags and arguments, read as their schema wants them.
import { CliError } from "./client.ts";
import type { Schema } from "./procedures.ts";

/** What a value is called in the help: `<n>`, `<time>`, else by the last word of its flag. */
export function placeholderOf({ type, format }: Schema, flag: string): string {
  if (type === "integer" || type === "number") return "n";
  if (format === "date-time") return "time";
  return isText(type) ? (flag.split("-").at(-1) ?? flag) : "json";
}

/** The text as a value of the schema. Throws a usage error that names the flag; the rest is the control plane's to check. */
export function valueOf(text: string, schema: Schema, flag: string): unknown {
  const { type, format } = schema;
  if (type === "integer" || type === "number") return toNumber(text, schema, flag);
  if (format === "date-time") return toTime(text, flag);
  return isText(type) ? text : toJson(text, flag);
}

/** What the help says of a value beside its description. */
export function limitsOf({ type, format, minimum, maximum, default: byDefault }: Schema): string {
  const bounds =
    (type === "integer" || type === "number") && (minimum !== undefined || maximum !== undefined)
      ? [range(minimum, maximum)]
      : [];
  const told = [
    ...(format === "date-time" ? ["a time, or 30m, 2h, 7d ago"] : []),
    ...bounds,
    ...(typeof byDefault === "string" || typeof byDefault === "number" ? [`default: ${byDefault}`] : []),
  ];
  return told.length === 0 ? "" : ` (${told.join("; ")})`;
}

function toNumber(text: string, { type, minimum, maximum }: Schema, flag: string): number {
  const isWhole = type === "integer";
  if (!(isWhole ? /^-?\d{1,15}$/ : /^-?(\d{1,15}([.]\d{1,6})?|[.]\d{1,6})$/).test(text))
    throw new CliError(`${flag} ${text} is no ${isWhole ? "whole " : ""}number`, 2);
  const value = Number(text);
  if (value < (minimum ?? -Infinity) || value > (maximum ?? Infinity))
    throw new CliError(`${flag} ${text} is not ${range(minimum, maximum)}`, 2);
  return value;
}

function range(minimum?: number, maximum?: number): string {
  if (minimum === undefined) return `at most ${maximum}`;
  return maximum === undefined ? `at least ${minimum}` : `${minimum} to ${maximum}`;
}

const unitMs: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function toTime(text: string, flag: string): string {
  // As it is where it is one already: it may be finer than a millisecond.
  if (/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  const [, amount, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = amount === undefined ? Date.parse(text) : Date.now() - Number(amount) * (unitMs[unit] ?? 0);
  if (Number.isNaN(ms))
    throw new CliError(`${flag} ${text} is no time such as 2026-01-02T03:04:05Z, and no 30m, 2h or 7d`, 2);
  return new Date(ms).toISOString();
}

function toJson(text: string, flag: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new CliError(`${flag} is not JSON: ${(error as Error).message}`, 2);
  }
}

function isText(type: string | undefined): boolean {
  return type === "string";
}
