import type { Result, Scenario, Status } from "./scenario.ts";

/** The object on the last line of `--json`. */
export type Report = {
  scenarios: {
    id: string;
    /** What the scenario is about. */
    requirement: string;
    /** All that it proves, the first one included. */
    requirements: string[];
    status: Status;
    detail: string;
    took_ms: number;
  }[];
};

export function reportOf(results: readonly Result[]): Report {
  return {
    scenarios: results.map(({ scenario, status, detail, tookMs }) => ({
      id: scenario.id,
      requirement: scenario.requirements[0],
      requirements: [...scenario.requirements],
      status,
      detail,
      took_ms: tookMs,
    })),
  };
}

/** A row of the table: one scenario, on one line. */
export function rowOf({ scenario, status, detail, tookMs, firstDetail }: Result): string {
  const seconds = `${(tookMs / 1000).toFixed(1)} s`.padStart(7);
  const twice =
    firstDetail === undefined ? "" : `  (played twice, the machine was busy: ${oneLine(firstDetail)})`;
  const row = `${status.padEnd(11)} ${scenario.id.padEnd(34)} ${scenario.requirements.join(" ").padEnd(22)} ${seconds}`;
  return `${row}${status === "pass" ? "" : `  ${oneLine(detail)}`}${twice}`;
}

/** What did not pass, with its title and the whole detail; then the counts. */
export function closingOf(results: readonly Result[], { logs }: { logs: boolean }): string {
  const lines: string[] = [];
  for (const status of ["unsupported", "skipped", "fail"] as const) {
    const some = results.filter((result) => result.status === status);
    if (some.length > 0) lines.push("", `${status} (${some.length}):`);
    for (const { scenario, detail, logs: said } of some) {
      const { id, requirements, title } = scenario;
      lines.push(`  ${id} [${requirements.join(", ")}] ${title}`, `    ${detail}`);
      if (logs && status === "fail") lines.push(...said.map((line) => `    ${line}`));
    }
  }
  return [...lines, "", countsOf(results)].join("\n");
}

/** E.g. `97 passed, 1 failed, 14 unsupported`. */
export function countsOf(results: readonly Result[]): string {
  const count = (status: Status): number => results.filter((result) => result.status === status).length;
  const rare = (["unsupported", "skipped"] as const).filter((status) => count(status) > 0);
  const parts = [`${count("pass")} passed`, `${count("fail")} failed`];
  return [...parts, ...rare.map((status) => `${count(status)} ${status}`)].join(", ");
}

/** A line of `--list`. */
export function listingOf({ id, requirements, title }: Scenario): string {
  return `${id.padEnd(34)} ${requirements.join(" ").padEnd(22)} ${title}`;
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length > 160 ? `${line.slice(0, 157)}...` : line;
}
