// An answer that nobody has given a view of its own: tables of what is in lists, names and values of the rest.
import { list, table } from "./table.ts";

/** The answer for people. */
export function anything(answer: unknown): string {
  if (Array.isArray(answer)) return tableOf(answer);
  if (!isObject(answer)) return answer === undefined || answer === null ? "done" : String(cell(answer));
  const entries = Object.entries(answer);
  const facts = entries.filter(([, value]) => !isRows(value));
  const tables = entries.flatMap(([name, value]) =>
    isRows(value) ? [`${words(name)}\n${tableOf(value)}`] : [],
  );
  const top = facts.length === 0 ? [] : [list(facts.map(([name, value]) => [words(name), cell(value)]))];
  return [...top, ...tables].join("\n\n") || "done";
}

function tableOf(rows: readonly unknown[]): string {
  if (rows.length === 0) return "none";
  if (!rows.every(isObject)) return rows.map(cell).join("\n");
  const names = [...new Set(rows.flatMap(Object.keys))];
  return table(
    names.map(words),
    rows.map((row) => names.map((name) => cell(row[name]))),
  );
}

/** A list that is worth a table. */
function isRows(value: unknown): value is Record<string, unknown>[] {
  return Array.isArray(value) && value.length > 0 && value.every(isObject);
}

function cell(value: unknown): string | number {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return value;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function words(name: string): string {
  return name.replaceAll("_", " ");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
