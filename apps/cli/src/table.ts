// Tables and lists for people.
import { cut, safe } from "./text.ts";

const MAX_CELL = 60;

type Cell = string | number | boolean | undefined;

/** Rows under headings, columns aligned, numbers to the right; every cell made safe and cut. */
export function table(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map(cellText));
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...texts.map((row) => width(row[i] ?? ""))),
  );
  const isNumber = headings.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number"));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => pad(cell, widths[i] ?? 0, isNumber[i] ?? false))
      .join("  ")
      .trimEnd();
  return [line(headings), ...texts.map(line)].join("\n");
}

/** Names and values, one a line. */
export function list(pairs: readonly (readonly [string, Cell])[]): string {
  const longest = Math.max(...pairs.map(([name]) => name.length));
  return pairs
    .map(([name, value]) => `${name.padEnd(longest)}  ${safe(String(value ?? ""))}`.trimEnd())
    .join("\n");
}

function cellText(cell: Cell): string {
  return cut(safe(String(cell ?? "")), MAX_CELL);
}

function pad(text: string, to: number, isRight: boolean): string {
  const fill = " ".repeat(Math.max(0, to - width(text)));
  return isRight ? fill + text : text + fill;
}

function width(text: string): number {
  return [...text].length;
}
