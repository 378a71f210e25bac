// What the commands for replay jobs have beyond their procedures.
import { type Client, CliError } from "../client.ts";
import { endWithFailure, type Format, print, printLine } from "../output.ts";
import type { Refinements, Run } from "../refinement.ts";
import { safeJson } from "../text.ts";
import { isOver, type Job, jobs as shownJobs, job as shownJob, outcomes } from "./job-views.ts";
import { watchJob } from "./job-watch.ts";

/** The letters that a dry run looks at. */
const MOST_DRY = 10_000;

const stateOf = ({ id, state }: Job): string => `job ${id} is ${state}`;

/** `muster jobs …`. */
export const jobs: Refinements = {
  "jobs.create": {
    args: ["stream"],
    flags: { filter: "", rate_per_second: "rate" },
    extend: (command) =>
      command
        .option("--all", "all of the stream, where no filter is given")
        .option("--dry-run", "say what would happen to the first 10,000, and create nothing")
        .option("--watch", "follow it until it ends"),
    action: create,
  },
  "jobs.list": { told: shownJobs },
  "jobs.get": {
    words: "jobs show",
    note: "Exit code 1 when it failed",
    // Always, but for what is drawn each second.
    flags: { count_since: false },
    extend: (command) =>
      command.option("--watch", "until it ends, drawn anew each second; with -o json an object a line"),
    action: async ({ client, format, input: { id }, options }) => {
      if (options["watch"] === true) await watchJob(client, id, format);
      await showEnd(client, format, id, options["watch"] === true);
    },
  },
  "jobs.outcomes": { told: outcomes },
  "jobs.pause": { note: "Those under way are finished", told: stateOf },
  "jobs.resume": { note: "It goes on behind the last letter", told: stateOf },
  "jobs.cancel": { note: "What was not sent lies where it lay", told: stateOf },
};

async function create({ client, format, input, options, call }: Run<"jobs.create">): Promise<void> {
  if (input.filter === undefined && options["all"] !== true)
    throw new CliError("give a filter such as --group, or --all", 2);
  if (options["dryRun"] === true) {
    const { stream, filter = {}, limit = MOST_DRY, force } = input;
    const { counts, more } = await client.deadLetters.replay.mutate({
      stream,
      filter,
      limit: Math.min(limit, MOST_DRY),
      dry_run: true,
      ...(force === undefined ? {} : { force }),
    });
    return print(format, { counts, more }, { people: dryRunOf });
  }
  const made = await call(input);
  if (options["watch"] !== true) return print(format, made, { people: shownJob });
  await watchJob(client, made.id, format);
  await showEnd(client, format, made.id, true);
}

/** The job with what became dead meanwhile. */
async function showEnd(client: Client, format: Format, id: string, isLine = false): Promise<void> {
  const job: Job = await client.jobs.get.query({ id, count_since: true });
  if (isLine && format !== "table") await printLine(safeJson(job, 0));
  else print(format, job, { people: shownJob });
  if (isOver(job) && job.state === "failed") endWithFailure();
}

function dryRunOf({ counts, more }: { counts: Record<string, number>; more: number }): string {
  const told = Object.entries(counts).map(([outcome, count]) => `${count} ${outcome.replace("_", " ")}`);
  return `${told.join(", ") || "no dead letters"}${more > 0 ? `; ${more} more were not looked at` : ""}`;
}
