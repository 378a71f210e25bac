// muster dlq: what changes something, discard | restore | replay; what looks is in dlq-look.ts
import type { Command } from "commander";
import { type Client, CliError } from "../client.ts";
import { readPayload } from "../input.ts";
import { endWithFailure, type Format, print } from "../output.ts";
import { table } from "../table.ts";
import { safe } from "../text.ts";
import { addFilters, type Filter, filterOf } from "./dlq-filters.ts";
import { addLooking } from "./dlq-look.ts";
import { toNumber } from "./numbers.ts";

type ReplayInput = Parameters<Client["deadLetters"]["replay"]["mutate"]>[0];
type Moved = Awaited<ReturnType<Client["deadLetters"]["discard"]["mutate"]>>;
type Report = Awaited<ReturnType<Client["deadLetters"]["replay"]["mutate"]>>;

/** Adds the commands for dead letters. */
export function addDlq(program: Command, client: () => Client, format: () => Format): void {
  const dlq = program.command("dlq").description("look at dead letters, put them back to work");

  addLooking(dlq, client, format);

  dlq
    .command("discard")
    .description("put a dead letter into the archive, where it counts as dealt with")
    .argument("<stream>")
    .argument("<id>")
    .action(async (stream: string, id: string) =>
      print(format(), await client().deadLetters.discard.mutate({ stream, id }), moved),
    );

  dlq
    .command("restore")
    .description("bring a discarded dead letter back")
    .argument("<stream>")
    .argument("<id>")
    .action(async (stream: string, id: string) =>
      print(format(), await client().deadLetters.restore.mutate({ stream, id }), moved),
    );

  const replay = dlq
    .command("replay")
    .description("send dead letters back to the group that failed them; exit code 1 when one is not sent")
    .argument("<stream>")
    .argument("[id]", "one dead letter; else give a filter such as --group, or --all");
  addFilters(replay)
    .option("--all", "all of the stream")
    .option("--limit <n>", "at most so many; default 1000", toNumber)
    .option("--force", "also what was replayed 3 times")
    .option("--as-event-id <id>", "send it as an event of its own; the only way for a conflict")
    .option("--edit <file>", "send it with the payload in the file, - for standard input")
    .option("--set-header <name=value>", "send it with that header; as often as wanted", collect, [])
    .option("--unset-header <name>", "send it without that header; as often as wanted", collect, [])
    .option("--dry-run", "say what would happen")
    .action(async (stream: string, id: string | undefined, options: ReplayOptions) => {
      const input = replayInput(stream, id, options);
      const edit = await editOf(options);
      if (edit !== undefined && id === undefined) throw new CliError("an edit needs one id", 2);
      const answer = await client().deadLetters.replay.mutate(
        "id" in input && edit !== undefined ? { ...input, edit } : input,
      );
      print(format(), answer, { people: report, items: ({ outcomes }) => outcomes });
      if (answer.outcomes.some(({ outcome }) => outcome !== "replayed" && outcome !== "would_replay"))
        endWithFailure();
    });
}

type ReplayOptions = Filter & {
  all?: boolean;
  limit?: number;
  force?: boolean;
  asEventId?: string;
  edit?: string;
  setHeader: string[];
  unsetHeader: string[];
  dryRun?: boolean;
};

function replayInput(stream: string, id: string | undefined, options: ReplayOptions): ReplayInput {
  const { all, limit, force, asEventId, dryRun } = options;
  const filter = filterOf(options);
  const isSelection = Object.keys(filter).length > 0 || all === true;
  const forced = force === undefined ? {} : { force };
  if (id !== undefined) {
    if (isSelection || limit !== undefined || dryRun === true)
      throw new CliError("an id goes with --force, --as-event-id and an edit only", 2);
    return { stream, id, ...forced, ...(asEventId === undefined ? {} : { as_event_id: asEventId }) };
  }
  if (!isSelection) throw new CliError("give an id, or a filter such as --group, or --all", 2);
  if (asEventId !== undefined) throw new CliError("--as-event-id needs one id", 2);
  return {
    stream,
    filter,
    ...forced,
    ...(limit === undefined ? {} : { limit }),
    ...(dryRun === undefined ? {} : { dry_run: dryRun }),
  };
}

type Edit = NonNullable<Extract<ReplayInput, { id: string }>["edit"]>;

async function editOf({ edit, setHeader, unsetHeader }: ReplayOptions): Promise<Edit | undefined> {
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

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function moved({ id, group, stream, is }: Moved): string {
  return safe(`dead letter ${id} of group ${group} of stream ${stream} is ${is}`);
}

function report({ counts, more, outcomes }: Report): string {
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
