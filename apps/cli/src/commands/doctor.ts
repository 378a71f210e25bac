// What the doctor's command has beyond its procedure.
import type { Answer } from "../procedures.ts";
import type { Refinements } from "../refinement.ts";
import { cut, safe } from "../text.ts";

/** `muster doctor`. */
export const doctor: Refinements = {
  doctor: {
    note: "Exit code 1 for an error",
    extend: (command) =>
      command
        .option("--strict", "exit code 1 for a warning too")
        .addHelpText("after", "\n`./muster doctor tools` looks at this machine instead."),
    told: { people: words, items: ({ findings }) => findings },
    isFailure: ({ errors, warnings }, { strict }) => errors > 0 || (strict === true && warnings > 0),
  },
};

const MOST = 2000;

function words({ findings, errors, warnings, notes, looked_at, unseen }: Answer<"doctor">): string {
  const blocks = findings.map(({ severity, id, stream, group, evidence, reason, fix }) =>
    [
      `${severity}  ${id}  ${group === undefined ? stream : `${group} of ${stream}`}`,
      `  found  ${evidence}`,
      `  why    ${reason}`,
      `  fix    ${fix}`,
    ]
      .map((line) => cut(safe(line), MOST))
      .join("\n"),
  );
  const { streams, groups, members } = looked_at;
  return [
    ...blocks,
    `${some(errors, "error")}, ${some(warnings, "warning")}, ${some(notes, "note")} in ${some(groups, "group")} of ${some(streams, "stream")}, ${some(members, "member")}`,
    `not seen from here:\n${unseen.map((line) => `  ${line}`).join("\n")}`,
  ].join("\n\n");
}

function some(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
