import { z } from "zod";
import { JobInput } from "../jobs/job.ts";
import { JobOutcomes, jobOutcomes, OutcomesQuery } from "../jobs/outcomes.ts";
import { cancelJob, createJob, pauseJob, resumeJob } from "../jobs/steer.ts";
import { getJob, listJobs } from "../jobs/store.ts";
import { countSince, JobView, viewOf } from "../jobs/view.ts";
import { ledgersOf, operator, router, viewer } from "../trpc.ts";

const Id = z.strictObject({ id: z.string().min(1).max(100) });

/** Replay jobs: dead letters put back to work in the background, by whichever control plane lives. */
export const jobs = router({
  create: operator
    .input(JobInput)
    .output(JobView)
    .mutation(async ({ ctx, input }) =>
      viewOf(await createJob(ctx.nats.current(), ledgersOf(ctx), input, ctx.actor)),
    ),

  list: viewer
    .input(
      z
        .strictObject({ limit: z.int().min(1).max(500).default(50).describe("At most so many") })
        .default({ limit: 50 }),
    )
    .output(z.array(JobView))
    .query(async ({ ctx, input }) =>
      (await listJobs(ctx.nats.current())).slice(0, input.limit).map(({ job }) => viewOf(job)),
    ),

  get: viewer
    .input(
      Id.extend({
        count_since: z.boolean().default(false).describe("Count what became dead since it began, too"),
      }),
    )
    .output(JobView)
    .query(async ({ ctx, input }) => {
      const nats = ctx.nats.current();
      const { job } = await getJob(nats, input.id);
      return input.count_since ? { ...viewOf(job), since: await countSince(nats, job) } : viewOf(job);
    }),

  outcomes: viewer
    .input(OutcomesQuery)
    .output(JobOutcomes)
    .query(({ ctx, input }) => jobOutcomes(ctx.nats.current(), ledgersOf(ctx), input)),

  pause: operator
    .input(Id)
    .output(JobView)
    .mutation(async ({ ctx, input }) => viewOf(await pauseJob(ctx.nats.current(), input.id))),

  resume: operator
    .input(Id)
    .output(JobView)
    .mutation(async ({ ctx, input }) => viewOf(await resumeJob(ctx.nats.current(), input.id))),

  cancel: operator
    .input(Id)
    .output(JobView)
    .mutation(async ({ ctx, input }) => viewOf(await cancelJob(ctx.nats.current(), input.id))),
});
