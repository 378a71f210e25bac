import { z } from "zod";
import { Edit } from "../dead-letters/edit.ts";
import { DeadLetterFilter } from "../dead-letters/filter.ts";
import { moveDeadLetter, Moved } from "../dead-letters/move.ts";
import { replayEdited } from "../dead-letters/replay-edited.ts";
import { replay, ReplayReport } from "../dead-letters/replay-many.ts";
import { EventId } from "../event-id.ts";
import { ledgersOf, operator, router } from "../trpc.ts";
import { deadLetterReads } from "./dead-letter-reads.ts";

const Id = z.string().min(1).max(1100);

const Force = z.boolean().optional().describe("Also what was replayed 3 times");

const ReplayById = z.strictObject({
  stream: z.string(),
  id: Id,
  force: Force,
  as_event_id: EventId.optional().describe("Send it as an event of its own; the only way for a conflict"),
  edit: Edit.optional(),
});

const ReplayByFilter = z.strictObject({
  stream: z.string(),
  filter: DeadLetterFilter,
  limit: z.int().min(1).max(10_000).default(1000).describe("At most so many"),
  force: Force,
  dry_run: z.boolean().optional().describe("Say what would happen, and send nothing"),
});

/** Dead letters: a page of them, one in full, out of the way and back, back to work. */
export const deadLetters = router({
  ...deadLetterReads,

  discard: operator
    .input(z.strictObject({ stream: z.string(), id: Id }))
    .output(Moved)
    .mutation(({ ctx, input }) =>
      moveDeadLetter(ctx.nats.current(), { ...input, to: "archive", by: ctx.actor.name }),
    ),

  restore: operator
    .input(z.strictObject({ stream: z.string(), id: Id }))
    .output(Moved)
    .mutation(({ ctx, input }) =>
      moveDeadLetter(ctx.nats.current(), { ...input, to: "dead", by: ctx.actor.name }),
    ),

  replay: operator
    .input(z.union([ReplayById, ReplayByFilter]))
    .output(ReplayReport)
    .mutation(({ ctx, input }) =>
      "id" in input && input.edit !== undefined
        ? replayEdited(
            ctx.nats.current(),
            ledgersOf(ctx),
            { ...input, edit: input.edit },
            { actor: ctx.actor, requestId: ctx.caller.requestId },
          )
        : replay(ctx.nats.current(), ledgersOf(ctx), input),
    ),
});
