// muster groups pause | resume | reset | delete
import type { Command } from "commander";
import { ask as askFor, askToGoOn } from "../ask.ts";
import { type Client, CliError } from "../client.ts";
import { type Format, print } from "../output.ts";
import { list } from "../table.ts";
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
    .option("--yes", "without asking")
    .action(async (stream: string, group: string, options: ResetOptions) => {
      const of = { stream, group, to: targetOf(options) };
      if (options.dryRun === true || options.yes !== true) {
        const plan = await client().groups.reset.mutate({ ...of, dry_run: true });
        if (options.dryRun === true) return print(format(), plan, reset);
        await askToGoOn(reset(plan), options.yes);
      }
      print(format(), await client().groups.reset.mutate(of), reset);
    });

  ofGroup(groups.command("delete"))
    .description("delete its spec and consumer; messages, dead letters and the ledger stay")
    .option("--confirm <name>", "the group's name once more; without it you are asked")
    .option("--yes", "without asking, whatever is lost")
    .option("--force", "also while members live")
    .option("--dry-run", "say what it would do, and change nothing")
    .action(async (stream: string, group: string, options: DeleteOptions) => {
      const ask = { stream, group, force: options.force === true };
      const plan = await client().groups.delete.mutate({ ...ask, dry_run: true });
      if (options.dryRun === true) return print(format(), plan, removal);
      const confirm = options.confirm ?? (options.yes === true ? group : await askForName(plan));
      print(format(), await client().groups.delete.mutate({ ...ask, confirm }), removal);
    });
}

type ResetOptions = { toSequence?: number; toTime?: string; dryRun?: boolean; yes?: boolean };
type DeleteOptions = { confirm?: string; yes?: boolean; force?: boolean; dryRun?: boolean };

function ofGroup(command: Command): Command {
  return command.argument("<stream>").argument("<group>");
}

function targetOf({ toSequence, toTime }: ResetOptions): { sequence: number } | { time: string } {
  if ((toSequence === undefined) === (toTime === undefined))
    throw new CliError("give one of --to-sequence and --to-time", 2);
  return toSequence === undefined ? { time: toTime ?? "" } : { sequence: toSequence };
}

function askForName(plan: Removal): Promise<string> {
  const question = `Type the group's name (${plan.group}) to delete it:`;
  return askFor(removal(plan), question, "--confirm with the group's name, or --yes");
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
