// muster dlq list | get | discard | restore | replay
import type { Command } from "commander";
import { type Client, CliError } from "../client.ts";
import { endWithFailure, type Format, print } from "../output.ts";
import { list, table } from "../table.ts";
import { safe } from "../text.ts";
import { toNumber } from "./numbers.ts";

type ListInput = Parameters<Client["deadLetters"]["list"]["query"]>[0];
type ReplayInput = Parameters<Client["deadLetters"]["replay"]["mutate"]>[0];
type Page = Awaited<ReturnType<Client["deadLetters"]["list"]["query"]>>;
type View = Awaited<ReturnType<Client["deadLetters"]["get"]["query"]>>;
type Moved = Awaited<ReturnType<Client["deadLetters"]["discard"]["mutate"]>>;
type Report = Awaited<ReturnType<Client["deadLetters"]["replay"]["mutate"]>>;

/** Adds the commands for dead letters. */
export function addDlq(program: Command, client: () => Client, format: () => Format): void {
  const dlq = program.command("dlq").description("look at dead letters, put them back to work");

  dlq
    .command("list")
    .description("dead letters, oldest first")
    .argument("<stream>")
    .option("--group <group>")
    .option("--reason <reason>", "invalid, unknown_contract, permanent, exhausted, crash_loop or conflict")
    .option("--archived", "those that were discarded")
    .option("--cursor <n>", "go on behind this one", toNumber)
    .option("--limit <n>", "at most 500", toNumber)
    .action(async (stream: string, options: Omit<ListInput, "stream">) => {
      print(format(), await client().deadLetters.list.query({ stream, ...options }), page);
    });

  dlq
    .command("get")
    .description("one dead letter: payload, headers, history")
    .argument("<stream>")
    .argument("<id>")
    .action(async (stream: string, id: string) =>
      print(format(), await client().deadLetters.get.query({ stream, id }), view),
    );

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

  dlq
    .command("replay")
    .description("send dead letters back to the group that failed them; exit code 1 when one is not sent")
    .argument("<stream>")
    .argument("[id]", "one dead letter; else give --group, --reason or --all")
    .option("--group <group>")
    .option("--reason <reason>")
    .option("--all", "all of the stream")
    .option("--limit <n>", "at most so many; default 1000", toNumber)
    .option("--force", "also what was replayed 3 times")
    .option("--as-event-id <id>", "send it as an event of its own; the only way for a conflict")
    .option("--dry-run", "say what would happen")
    .action(async (stream: string, id: string | undefined, options: ReplayOptions) => {
      const answer = await client().deadLetters.replay.mutate(replayInput(stream, id, options));
      print(format(), answer, report);
      if (answer.outcomes.some(({ outcome }) => outcome !== "replayed" && outcome !== "would_replay"))
        endWithFailure();
    });
}

type ReplayOptions = {
  group?: string;
  reason?: string;
  all?: boolean;
  limit?: number;
  force?: boolean;
  asEventId?: string;
  dryRun?: boolean;
};

function replayInput(stream: string, id: string | undefined, options: ReplayOptions): ReplayInput {
  const { group, reason, all, limit, force, asEventId, dryRun } = options;
  const isSelection = group !== undefined || reason !== undefined || all === true;
  const forced = force === undefined ? {} : { force };
  if (id !== undefined) {
    if (isSelection || limit !== undefined || dryRun === true)
      throw new CliError("an id goes with --force and --as-event-id only", 2);
    return { stream, id, ...forced, ...(asEventId === undefined ? {} : { as_event_id: asEventId }) };
  }
  if (!isSelection) throw new CliError("give an id, or --group, --reason or --all", 2);
  if (asEventId !== undefined) throw new CliError("--as-event-id needs one id", 2);
  return {
    stream,
    filter: { ...(group === undefined ? {} : { group }), ...(reason === undefined ? {} : { reason }) },
    ...forced,
    ...(limit === undefined ? {} : { limit }),
    ...(dryRun === undefined ? {} : { dry_run: dryRun }),
  } as ReplayInput;
}

function moved({ id, group, stream, is }: Moved): string {
  return safe(`dead letter ${id} of group ${group} of stream ${stream} is ${is}`);
}

function page({ items, next_cursor }: Page): string {
  if (items.length === 0) return "no dead letters";
  const rows = items.map((item) => [
    item.id,
    item.group,
    item.reason,
    item.event_id,
    item.error,
    item.attempts,
    item.language,
    item.replay_number,
    item.last_at,
    item.done_since ?? "",
  ]);
  const shown = table(
    ["id", "group", "reason", "event id", "error", "attempts", "by", "replays", "at", "done since"],
    rows,
  );
  return next_cursor === undefined ? shown : `${shown}\n\nmore: --cursor ${next_cursor}`;
}

function view(letter: View): string {
  const facts = list([
    ["id", letter.id],
    ["group", `${letter.group} of ${letter.stream}`],
    ["reason", letter.reason],
    ["error", `${letter.error_class}: ${letter.error}`],
    ["event id", letter.event_id],
    ["subject", letter.subject],
    ["message", `${letter.stream} ${letter.seq}`],
    ["dead letter", `at ${letter.dlq_sequences.join(", ")}`],
    ["attempts", `${letter.attempts}, from ${letter.first_at} to ${letter.last_at}`],
    ["by", `${letter.language} ${letter.member}`],
    ["replays", letter.replay_number],
    ["done since", letter.done_since],
  ]);
  const history = table(
    ["attempt", "outcome", "by", "started", "error"],
    letter.history.map((entry) => [
      entry.attempt,
      entry.outcome,
      `${entry.language} ${entry.member}`,
      entry.started_at,
      entry.error,
    ]),
  );
  const headers = list(Object.entries(letter.headers).map(([name, value]) => [safe(name), value]));
  const payload =
    letter.payload_text === undefined
      ? `${letter.payload_base64} (base64: it is not UTF-8)`
      : safe(letter.payload_text);
  return [
    facts,
    ...(letter.history.length > 0 ? [`history\n${history}`] : []),
    `headers\n${headers}`,
    `payload (${letter.size} bytes)\n${payload}`,
  ].join("\n\n");
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
