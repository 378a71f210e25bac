// muster doctor
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { endWithFailure, type Format, print } from "../output.ts";
import { cut, safe } from "../text.ts";

type Report = Awaited<ReturnType<Client["doctor"]["query"]>>;

/** Adds the doctor: exit code 1 where it finds an error, with --strict also for a warning. */
export function addDoctor(program: Command, client: () => Client, format: () => Format): void {
  program
    .command("doctor")
    .description("what is not as it should be in streams, groups and members; exit code 1 for an error")
    .option("--stream <name>", "only this stream and its groups")
    .option("--strict", "exit code 1 for a warning too")
    .addHelpText("after", "\n`./muster doctor tools` looks at this machine instead.")
    .action(async ({ stream, strict }: { stream?: string; strict?: boolean }) => {
      const report = await client().doctor.query(stream === undefined ? {} : { stream });
      print(format(), report, { people: words, items: ({ findings }) => findings });
      if (report.errors > 0 || (strict === true && report.warnings > 0)) endWithFailure();
    });
}

const MOST = 2000;

function words({ findings, errors, warnings, notes, looked_at, unseen }: Report): string {
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
