import { DeadLetterReason } from "@muster/contracts";
import { z } from "zod";
import { getDeadLetter } from "../dead-letters/get.ts";
import { listDeadLetters } from "../dead-letters/list.ts";
import { moveDeadLetter } from "../dead-letters/move.ts";
import { replay } from "../dead-letters/replay-many.ts";
import { EventId } from "../event-id.ts";
import { ledgersOf, operator, viewer, router } from "../trpc.ts";

const Id = z.string().min(1).max(1100);

const Selection = z.strictObject({
  stream: z.string(),
  group: z.string().optional(),
  reason: DeadLetterReason.optional(),
  archived: z.boolean().optional(),
  cursor: z.int().min(0).optional(),
  limit: z.int().min(1).max(500).default(100),
});

const ReplayById = z.strictObject({
  stream: z.string(),
  id: Id,
  force: z.boolean().optional(),
  as_event_id: EventId.optional(),
});

const ReplayByFilter = z.strictObject({
  stream: z.string(),
  filter: z.strictObject({ group: z.string().optional(), reason: DeadLetterReason.optional() }),
  limit: z.int().min(1).max(10_000).default(1000),
  force: z.boolean().optional(),
  dry_run: z.boolean().optional(),
});

/** Dead letters: a page of them, one in full, out of the way and back, back to work. */
export const deadLetters = router({
  list: viewer
    .input(Selection)
    .query(({ ctx, input }) => listDeadLetters(ctx.nats.current(), ledgersOf(ctx), input)),

  get: viewer
    .input(z.strictObject({ stream: z.string(), id: Id }))
    .query(({ ctx, input }) => getDeadLetter(ctx.nats.current(), ledgersOf(ctx), input)),

  discard: operator
    .input(z.strictObject({ stream: z.string(), id: Id }))
    .mutation(({ ctx, input }) =>
      moveDeadLetter(ctx.nats.current(), { ...input, to: "archive", by: ctx.actor.name }),
    ),

  restore: operator
    .input(z.strictObject({ stream: z.string(), id: Id }))
    .mutation(({ ctx, input }) =>
      moveDeadLetter(ctx.nats.current(), { ...input, to: "dead", by: ctx.actor.name }),
    ),

  replay: operator
    .input(z.union([ReplayById, ReplayByFilter]))
    .mutation(({ ctx, input }) => replay(ctx.nats.current(), ledgersOf(ctx), input)),
});
