// muster groups pause | resume | reset | delete
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { type Client, CliError } from "../client.ts";
import { type Format, print } from "../output.ts";
import { list } from "../table.ts";
import { safe } from "../text.ts";
import { toNumber } from "./numbers.ts";

type Paused = Awaited<ReturnType<Client["groups"]["pause"]["mutate"]>>;
type Reset = Awaited<ReturnType<Client["groups"]["reset"]["mutate"]>>;
type Removal = Awaited<ReturnType<Client["groups"]["delete"]["mutate"]>>;

/** Adds the commands that steer a group to those that look at groups. */
export function addSteering(groups: Command, client: () => Client, format: () => Format): void {
  ofGroup(groups.command("pause"))
    .description("stop taking messages; what runs is finished, what waits stays")
    .action(async (stream: string, group: string) =>
      print(format(), await client().groups.pause.mutate({ stream, group }), paused),
    );

  ofGroup(groups.command("resume"))
    .description("take messages again")
    .action(async (stream: string, group: string) =>
      print(format(), await client().groups.resume.mutate({ stream, group }), paused),
    );

  ofGroup(groups.command("reset"))
    .description("go back, or ahead, to a sequence or a time of the stream; the group has to be paused")
    .option("--to-sequence <n>", "the first message to get", toNumber)
    .option("--to-time <time>", "the first message stored then or later, for example 2026-01-02T03:04:05Z")
    .option("--dry-run", "say what it would do, and change nothing")
    .addHelpText("after", "\nExample: muster groups reset ORDERS billing --to-sequence 1 --dry-run")
    .action(async (stream: string, group: string, options: ResetOptions) => {
      const to = targetOf(options);
      const answer = await client().groups.reset.mutate({
        stream,
        group,
        to,
        dry_run: options.dryRun === true,
      });
      print(format(), answer, reset);
    });

  ofGroup(groups.command("delete"))
    .description("delete its spec and consumer; messages, dead letters and the ledger stay")
    .option("--confirm <name>", "the group's name once more; without it you are asked")
    .option("--force", "also while members live")
    .option("--dry-run", "say what it would do, and change nothing")
    .addHelpText("after", "\nExample: muster groups delete ORDERS billing --confirm billing")
    .action(async (stream: string, group: string, options: DeleteOptions) => {
      const ask = { stream, group, force: options.force === true };
      const plan = await client().groups.delete.mutate({ ...ask, dry_run: true });
      if (options.dryRun === true) return print(format(), plan, removal);
      const confirm = options.confirm ?? (await askForName(plan));
      print(format(), await client().groups.delete.mutate({ ...ask, confirm }), removal);
    });
}

type ResetOptions = { toSequence?: number; toTime?: string; dryRun?: boolean };
type DeleteOptions = { confirm?: string; force?: boolean; dryRun?: boolean };

function ofGroup(command: Command): Command {
  return command.argument("<stream>").argument("<group>");
}

function targetOf({ toSequence, toTime }: ResetOptions): { sequence: number } | { time: string } {
  if ((toSequence === undefined) === (toTime === undefined))
    throw new CliError("give one of --to-sequence and --to-time", 2);
  return toSequence === undefined ? { time: toTime ?? "" } : { sequence: toSequence };
}

async function askForName(plan: Removal): Promise<string> {
  if (!process.stdin.isTTY)
    throw new CliError("nobody is there to be asked; give --confirm with the group's name", 2);
  process.stderr.write(`${removal(plan)}\n`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(`Type the group's name (${safe(plan.group)}) to delete it: `)).trim();
  } finally {
    lines.close();
  }
}

function paused({
  stream,
  group,
  paused: isPaused,
  change,
  note,
  ready,
  in_flight,
  held,
  backing_off,
}: Paused): string {
  const is = isPaused ? "paused" : "running";
  return list([
    ["group", `${group} of stream ${stream} is ${change === "unchanged" ? "already " : ""}${is}`],
    ["note", note],
    ["in flight", in_flight],
    ["held", held],
    ["ready", ready],
    ["backing off", backing_off],
  ]);
}

function reset({
  stream,
  group,
  dry_run,
  sequence,
  messages,
  again,
  skipped,
  unsettled,
  note,
}: Reset): string {
  return list([
    ["group", `${group} of stream ${stream} ${dry_run ? "would begin" : "begins"} at sequence ${sequence}`],
    ["messages from there", messages],
    ["had before", again],
    ["never given", skipped],
    ["not settled", unsettled],
    ["note", note],
  ]);
}

function removal({ stream, group, dry_run, removes, keeps, loses, members }: Removal): string {
  return list([
    ["group", `${group} of stream ${stream} ${dry_run ? "would be" : "is"} deleted`],
    ["removes", removes.join("; ")],
    ["keeps", keeps.join("; ")],
    ["loses", loses.join("; ") || "nothing"],
    ["live members", members.join(", ") || "none"],
  ]);
}
