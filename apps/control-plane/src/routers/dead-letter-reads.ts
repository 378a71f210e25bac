import { z } from "zod";
import { Counted, countDeadLetters, Totals, totalsOf } from "../dead-letters/count.ts";
import { Exported, exportDeadLetters, ExportQuery } from "../dead-letters/export.ts";
import { Failures, FailuresQuery, listFailures } from "../dead-letters/failures.ts";
import { DeadLetterView, getDeadLetter } from "../dead-letters/get.ts";
import { DeadLetterPage, listDeadLetters, ListQuery, Selected } from "../dead-letters/list.ts";
import { ledgersOf, viewer } from "../trpc.ts";

/** What looks at dead letters and changes nothing. */
export const deadLetterReads = {
  list: viewer
    .input(ListQuery)
    .output(DeadLetterPage)
    .query(({ ctx, input }) => listDeadLetters(ctx.nats.current(), ledgersOf(ctx), input)),

  get: viewer
    .input(
      z.strictObject({
        stream: z.string(),
        id: z.string().min(1).max(1100),
        archived: z.boolean().optional().describe("Look among those that were discarded"),
      }),
    )
    .output(DeadLetterView)
    .query(({ ctx, input }) => getDeadLetter(ctx.nats.current(), ledgersOf(ctx), input)),

  count: viewer
    .input(Selected)
    .output(Counted)
    .query(({ ctx, input }) => countDeadLetters(ctx.nats.current(), input)),

  totals: viewer
    .input(z.strictObject({ stream: z.string(), group: z.string().optional().describe("Only this group") }))
    .output(Totals)
    .query(({ ctx, input }) => totalsOf(ctx.nats.current(), input)),

  failures: viewer
    .input(FailuresQuery)
    .output(Failures)
    .query(({ ctx, input }) => listFailures(ctx.nats.current(), input)),

  export: viewer
    .input(ExportQuery)
    .output(Exported)
    .query(({ ctx, input }) => exportDeadLetters(ctx.nats.current(), input)),
};
