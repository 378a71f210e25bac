import type { Account } from "@muster/contracts";

/** What a demo came to. */
export type Outcome = {
  account: Account;
  /** Dead letters that were put back to work. */
  replayed: number;
  /** Workers ended with SIGKILL. */
  killed: number;
  seconds: number;
};

const SHOWN_IDS = 10;

/** True when every published event was found exactly once, and nothing else was found. */
export function isClosed({ lost, repeated, invented }: Account): boolean {
  return lost.length === 0 && repeated.length === 0 && invented.length === 0;
}

/** The outcome as the object of `--json`. */
export function outcomeJson({ account, replayed, killed, seconds }: Outcome): Record<string, unknown> {
  return {
    published: account.published,
    done: account.done,
    dead: account.dead,
    dead_by_reason: account.dead_by_reason,
    replayed,
    lost: account.lost.length,
    repeated: account.repeated.length,
    done_by_language: account.done_by_language,
    killed,
    seconds,
  };
}

/** The account as a table, with the events that break it by name. */
export function outcomeText({ account, replayed, killed, seconds }: Outcome): string {
  const { published, done, dead, lost, repeated, invented } = account;
  const parts = (counts: Readonly<Record<string, number>>): string[][] =>
    Object.entries(counts)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => [`  ${name}`, String(count), percent(count, published)]);
  const rows = [
    ["published", String(published), ""],
    ["done", String(done), percent(done, published)],
    ...parts(account.done_by_language),
    ["dead", String(dead), percent(dead, published)],
    ...parts(account.dead_by_reason),
    ["lost", String(lost.length), ""],
    ["repeated", String(repeated.length), ""],
    ["invented", String(invented.length), ""],
    ["replayed", String(replayed), ""],
    ["killed", String(killed), ""],
  ];
  const bad = [...named("lost", lost), ...named("repeated", repeated), ...named("invented", invented)];
  const verdict = isClosed(account)
    ? `The account closes: every event was found exactly once. ${seconds} s.`
    : `The account does not close. ${seconds} s.`;
  return [table(rows), ...bad, verdict].join("\n");
}

/** Rows in columns, numbers set to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => row[i]?.length ?? 0)),
  );
  const align = (cell: string, i: number): string =>
    /^[0-9.]+( %)?$/.test(cell) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
  return rows.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}

function named(what: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return [];
  const more = ids.length > SHOWN_IDS ? `, and ${ids.length - SHOWN_IDS} more` : "";
  return [`${what}: ${ids.slice(0, SHOWN_IDS).join(", ")}${more}`];
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "" : `${((100 * part) / whole).toFixed(1)} %`;
}
