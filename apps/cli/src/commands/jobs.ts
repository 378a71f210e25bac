// muster jobs create | list | show | outcomes | pause | resume | cancel
import type { Command } from "commander";
import { type Client, CliError } from "../client.ts";
import { endWithFailure, type Format, print, printLine } from "../output.ts";
import { safeJson } from "../text.ts";
import { addWatch, show, type Watching } from "../watch.ts";
import { addFilters, type Filter, filterOf } from "./dlq-filters.ts";
import {
  isOver,
  type Job,
  jobs as shownJobs,
  job as shownJob,
  outcomes as shownOutcomes,
} from "./job-views.ts";
import { watchJob } from "./job-watch.ts";
import { toNumber } from "./numbers.ts";

type CreateInput = Parameters<Client["jobs"]["create"]["mutate"]>[0];

type CreateOptions = Filter & {
  all?: boolean;
  force?: boolean;
  limit?: number;
  rate?: number;
  canary?: number;
  failureShare?: number;
  dryRun?: boolean;
  watch?: boolean;
};

type Page = { cursor?: string; limit?: number };

/** Adds the commands for replay jobs. */
export function addJobs(program: Command, client: () => Client, format: () => Format): void {
  const jobs = program
    .command("jobs")
    .description("replay many dead letters in the background, by whichever control plane lives");

  addFilters(
    jobs
      .command("create")
      .description("replay the dead letters that lie there now")
      .argument("<stream>")
      .option("--all", "all of the stream, where no filter is given"),
  )
    .option("--force", "also what was replayed 3 times")
    .option("--limit <n>", "at most so many", toNumber)
    .option("--rate <n>", "so many a second; default as fast as it goes", toRate)
    .option("--canary <n>", "so many first, the others only when each of them is done", toNumber)
    .option(
      "--failure-share <share>",
      "stop when more than this share of what was sent, 0.01 to 1, is dead again",
      toShare,
    )
    .option("--dry-run", "say what would happen to the first 10,000, and create nothing")
    .option("--watch", "follow it until it ends")
    .action((stream: string, options: CreateOptions) => create(client(), format(), stream, options));

  addWatch(jobs.command("list"))
    .description("jobs, the newest first")
    .option("--limit <n>", "at most 500; default 50", toNumber)
    .action(async ({ limit, ...watching }: { limit?: number } & Watching) => {
      const of = limit === undefined ? {} : { limit };
      await show(format(), watching, () => client().jobs.list.query(of), shownJobs);
    });

  jobs
    .command("show")
    .description("how far a job is; exit code 1 when it failed")
    .argument("<id>")
    .option("--watch", "until it ends, drawn anew each second; with -o json an object a line")
    .action(async (id: string, options: { watch?: boolean }) => {
      if (options.watch === true) await watchJob(client(), id, format());
      await showEnd(client(), format(), id, options.watch);
    });

  addWatch(jobs.command("outcomes"))
    .description("what became of each of its letters, as far as the server shows it now")
    .argument("<id>")
    .option("--cursor <cursor>", "go on behind the page that gave it")
    .option("--limit <n>", "at most 500; default 100", toNumber)
    .action(async (id: string, { cursor, limit, ...watching }: Page & Watching) => {
      const of = {
        id,
        ...(cursor === undefined ? {} : { cursor }),
        ...(limit === undefined ? {} : { limit }),
      };
      await show(format(), watching, () => client().jobs.outcomes.query(of), {
        people: shownOutcomes,
        items: ({ items }) => items,
        more: ({ next_cursor: next }) => (next === undefined ? undefined : `--cursor ${next}`),
      });
    });

  const steer = (name: "pause" | "resume" | "cancel", what: string) =>
    jobs
      .command(name)
      .description(what)
      .argument("<id>")
      .action(async (id: string) =>
        print(format(), await client().jobs[name].mutate({ id }), ({ state }) => `job ${id} is ${state}`),
      );
  steer("pause", "begin no further letter; those under way are finished");
  steer("resume", "go on behind the last letter");
  steer("cancel", "end it for good; what was not sent lies where it lay");
}

async function create(client: Client, format: Format, stream: string, options: CreateOptions): Promise<void> {
  const { all, force, limit, rate, canary, failureShare, dryRun, watch } = options;
  const filter = filterOf(options);
  if (Object.keys(filter).length === 0 && all !== true)
    throw new CliError("give a filter such as --group, or --all", 2);
  if (dryRun === true) {
    const most = Math.min(limit ?? 10_000, 10_000);
    const answer = await client.deadLetters.replay.mutate({
      stream,
      filter,
      limit: most,
      dry_run: true,
      ...(force === undefined ? {} : { force }),
    });
    return print(format, { counts: answer.counts, more: answer.more }, dryRunOf);
  }
  const input: CreateInput = {
    stream,
    filter,
    ...(force === undefined ? {} : { force }),
    ...(limit === undefined ? {} : { limit }),
    ...(rate === undefined ? {} : { rate_per_second: rate }),
    ...(canary === undefined ? {} : { canary }),
    ...(failureShare === undefined ? {} : { failure_share: failureShare }),
  };
  const made = await client.jobs.create.mutate(input);
  if (watch !== true) return print(format, made, shownJob);
  await watchJob(client, made.id, format);
  await showEnd(client, format, made.id, watch);
}

/** The job with what became dead meanwhile. */
async function showEnd(client: Client, format: Format, id: string, isLine = false): Promise<void> {
  const job: Job = await client.jobs.get.query({ id, count_since: true });
  if (isLine && format !== "table") await printLine(safeJson(job, 0));
  else print(format, job, shownJob);
  if (isOver(job) && job.state === "failed") endWithFailure();
}

function dryRunOf({ counts, more }: { counts: Record<string, number>; more: number }): string {
  const told = Object.entries(counts).map(([outcome, count]) => `${count} ${outcome.replace("_", " ")}`);
  return `${told.join(", ") || "no dead letters"}${more > 0 ? `; ${more} more were not looked at` : ""}`;
}

function toShare(text: string): number {
  const share = Number(text);
  if (!/^(0?[.]\d{1,3}|1)$/.test(text) || share === 0)
    throw new CliError(`${text} is no share: a part of 1, such as 0.1 for a tenth`, 2);
  return share;
}

function toRate(text: string): number {
  const rate = Number(text);
  if (!/^\d{1,6}([.]\d{1,3})?$/.test(text) || rate === 0)
    throw new CliError(`${text} is no rate: so many a second, such as 100 or 0.5`, 2);
  return rate;
}
