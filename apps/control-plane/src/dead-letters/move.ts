// Discards a dead letter to the archive, and brings it back. Every step may be the last one before a crash.
import { archiveSubject, checkName, dlqStream, dlqSubject } from "@muster/contracts";
import { z } from "zod";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { publish } from "../nats/publish.ts";
import { claimOf, isHeld, LEASE_MS, MOVER, readClaim, releaseClaim, takeClaim } from "./claim.ts";
import { findDeadLetter } from "./find.ts";
import type { DeadLetter, Shelf } from "./read.ts";
import { isStillThere, remove } from "./replay.ts";

/** Where a dead letter is now. */
export const Moved = z
  .strictObject({
    stream: z.string(),
    id: z.string(),
    group: z.string(),
    event_id: z.string(),
    is: z.enum(["discarded", "restored"]),
  })
  .meta({ id: "Moved" });
export type Moved = z.infer<typeof Moved>;

/** The points between the steps of a move. */
export type MoveStep = "claimed" | "published" | "deleted";

/** Clock and a hook between the steps; for tests. What the hook throws ends the move there, as a crash would. */
export type MoveHooks = { now?: () => number; onStep?: (step: MoveStep) => void };

/**
 * Claims, publishes, deletes, releases, under the claim that replays take: nothing is sent and discarded at once. After
 * a crash behind the publish it lies in both places, where it counts as dead, until the move is repeated; copies of
 * one id are one. Throws `not_found`, `held`, `begun_replay`, `stream_refused`.
 */
export async function moveDeadLetter(
  nats: Nats,
  { stream, id, to, by }: { stream: string; id: string; to: "archive" | "dead"; by: string },
  { now = Date.now, onStep = () => undefined }: MoveHooks = {},
): Promise<Moved> {
  checkName("stream", stream);
  const from: Shelf = to === "archive" ? "dead" : "archive";
  const letter = await findDeadLetter(nats, stream, id, from);
  if (letter === undefined) throw notThere(stream, id, from);
  const before = await readClaim(nats, stream, id);
  if (isHeld(before.record, now())) throw held(id);
  // Whether it was sent nobody knows: a replay finds out, because sending it again is harmless.
  if (before.record?.state === "claimed" && before.record.owner !== MOVER)
    throw fail(
      "begun_replay",
      `a replay of dead letter ${id} did not finish and may have been sent; replay it again first`,
    );
  const clock = { nowMs: now(), leaseMs: LEASE_MS };
  const claim = await takeClaim(nats, stream, claimOf(letter), before, clock, MOVER);
  if (claim === undefined) throw held(id);
  onStep("claimed");
  if (!(await isStillThere(nats, letter))) {
    await releaseClaim(nats, claim);
    throw notThere(stream, id, from);
  }
  // Stalled for longer than the lease: somebody else may be at it.
  if (now() >= Date.parse(claim.record.lease_until)) throw held(id);
  const subject = (to === "archive" ? archiveSubject : dlqSubject)(stream, letter.group, letter.reason);
  const answer = await publish(nats, subject, letter.body, headersFor(letter, to, by));
  if (answer.type !== "stored" || answer.stream !== dlqStream(stream)) {
    await releaseClaim(nats, claim);
    const why =
      answer.type === "refused" ? answer.error : "it does not take the subject; apply the group again";
    throw fail("stream_refused", `stream ${dlqStream(stream)} did not take dead letter ${id}: ${why}`);
  }
  onStep("published");
  for (const sequence of letter.sequences) await remove(nats, dlqStream(stream), sequence);
  onStep("deleted");
  await releaseClaim(nats, claim);
  return {
    stream,
    id,
    group: letter.group,
    event_id: letter.eventId,
    is: to === "archive" ? "discarded" : "restored",
  };
}

/** Its own, and who moved it when. Without its message id: within the dedupe window it would be dropped as its own copy. */
function headersFor(letter: DeadLetter, to: "archive" | "dead", by: string): Record<string, string> {
  const kept = Object.entries(letter.headers).filter(([name]) => !/^(nats-|muster-archived-)/i.test(name));
  return {
    ...Object.fromEntries(kept),
    "Muster-Dlq-Id": letter.id,
    ...(to === "archive"
      ? {
          "Muster-Archived-At": new Date().toISOString(),
          "Muster-Archived-By": encodeURIComponent(by.toWellFormed()),
        }
      : {}),
  };
}

function notThere(stream: string, id: string, shelf: Shelf): Error {
  const where = shelf === "dead" ? dlqStream(stream) : `the archive of ${stream}`;
  return fail(
    "not_found",
    `dead letter ${id} is not in ${where}: moved or replayed meanwhile, or never there`,
  );
}

function held(id: string): Error {
  return fail(
    "held",
    `a replay of dead letter ${id}, or a move, is under way; it is free again when that ends, or after 30 s`,
  );
}
