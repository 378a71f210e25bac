// Replay jobs in figures: how many there are by state, and what they came to.
import { JobState } from "../jobs/job.ts";
import { listJobs } from "../jobs/store.ts";
import type { Nats } from "../nats/connection.ts";

type Figure = { name: string; help: string; labels: Record<string, string>; value: number };

/** Of the jobs that are kept: all that have not ended, and the newest that have. */
export async function jobFigures(nats: Nats): Promise<Figure[]> {
  const jobs = (await listJobs(nats)).map(({ job }) => job);
  const states = JobState.options.map((state) => ({
    name: "muster_jobs",
    help: "replay jobs by state, of those that are kept",
    labels: { state },
    value: jobs.filter((job) => job.state === state).length,
  }));
  const letters = new Map<string, Figure>();
  for (const { stream, counts } of jobs) {
    const { replayed, parked, gone } = counts;
    const outcomes = { replayed, parked, gone, skipped: sum(counts.skipped), failed: sum(counts.failed) };
    for (const [outcome, count] of Object.entries(outcomes)) {
      const key = `${stream} ${outcome}`;
      const value = (letters.get(key)?.value ?? 0) + count;
      const help = "dead letters that replay jobs dealt with, by outcome, of the jobs that are kept";
      letters.set(key, { name: "muster_jobs_letters_total", help, labels: { stream, outcome }, value });
    }
  }
  return [...states, ...letters.values()];
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
