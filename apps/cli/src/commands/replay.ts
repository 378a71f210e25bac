// What the command that replays dead letters at once has beyond its procedure; replay jobs are in jobs.ts.
import type { Command } from "commander";
import { CliError } from "../client.ts";
import { readPayload } from "../input.ts";
import type { Answer, Input } from "../procedures.ts";
import type { Refinement, Run } from "../refinement.ts";
import { table } from "../table.ts";
import { safe } from "../text.ts";

/** `muster dlq replay`. */
export const replay: Refinement<"deadLetters.replay"> = {
  words: "dlq replay",
  summary: "send dead letters back to the group that failed them",
  note: "One by its id, or those of a filter, or --all. Exit code 1 when one is not sent",
  flags: { filter: "", edit: false },
  extend,
  prepare,
  told: { people: report, items: ({ outcomes }) => outcomes },
  isFailure: ({ outcomes }) =>
    outcomes.some(({ outcome }) => outcome !== "replayed" && outcome !== "would_replay"),
};

function extend(command: Command): void {
  command
    .option("--all", "all of the stream")
    .option("--edit <file>", "send it with the payload in the file, - for standard input")
    .option("--set-header <name=value>", "send it with that header; as often as wanted", collect)
    .option("--unset-header <name>", "send it without that header; as often as wanted", collect);
}

type ById = Extract<Input<"deadLetters.replay">, { id: string }>;
type ByFilter = Exclude<Input<"deadLetters.replay">, { id: string }>;
type Options = { all?: boolean; edit?: string; setHeader?: string[]; unsetHeader?: string[] };

async function prepare(run: Run<"deadLetters.replay">): Promise<Input<"deadLetters.replay">> {
  // The flags of both ways; which one is meant is found out here.
  const given = run.input as Partial<ById & ByFilter> & { stream: string };
  const options = run.options as Options;
  const edit = await editOf(options);
  const isSelection = given.filter !== undefined || options.all === true;
  if (given.id !== undefined) {
    if (isSelection || given.limit !== undefined || given.dry_run !== undefined)
      throw new CliError("an id goes with --force, --as-event-id and an edit only", 2);
    return { ...given, id: given.id, ...(edit === undefined ? {} : { edit }) };
  }
  if (!isSelection) throw new CliError("give an id, or a filter such as --group, or --all", 2);
  if (given.as_event_id !== undefined) throw new CliError("--as-event-id needs one id", 2);
  if (edit !== undefined) throw new CliError("an edit needs one id", 2);
  return { ...given, filter: given.filter ?? {} };
}

async function editOf({ edit, setHeader = [], unsetHeader = [] }: Options): Promise<ById["edit"]> {
  const headers = new Map<string, string | null>(unsetHeader.map((name) => [name, null]));
  for (const one of setHeader) {
    const at = one.indexOf("=");
    if (at < 1) throw new CliError(`${one} is no header: write name=value`, 2);
    headers.set(one.slice(0, at), one.slice(at + 1));
  }
  if (edit === undefined && headers.size === 0) return undefined;
  return {
    ...(edit === undefined ? {} : await readPayload(edit)),
    ...(headers.size === 0 ? {} : { headers: Object.fromEntries(headers) }),
  };
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function report({ counts, more, outcomes }: Answer<"deadLetters.replay">): string {
  const total =
    Object.entries(counts)
      .map(([outcome, count]) => `${count} ${outcome.replace("_", " ")}`)
      .join(", ") || "no dead letters";
  const left = more > 0 ? `\n${more} more were left out by the limit; run it again for the next` : "";
  const bad = outcomes.filter((item) => "code" in item);
  const shown = outcomes.length <= 20 ? outcomes : bad.slice(0, 100);
  if (shown.length === 0) return total + left;
  const rows = shown.map((item) => [
    item.id,
    item.outcome.replace("_", " "),
    "event_id" in item ? item.event_id : "",
    "error" in item
      ? `${item.code}: ${item.error}`
      : `replay ${item.replay_number}${"member" in item ? `, taken by ${item.member}` : ""}`,
  ]);
  const why =
    bad.length > 0 && shown.length < 6
      ? `\n${bad
          .slice(0, 5)
          .map((item) => ("error" in item ? safe(`${item.id}: ${item.error}`) : ""))
          .join("\n")}`
      : "";
  return `${table(["id", "outcome", "event id", "note"], rows)}${why}\n\n${total}${left}`;
}
