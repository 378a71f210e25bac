// Sends one dead letter back to the group that failed it. Every step may be the last one before a crash.
import { dlqStream } from "@muster/contracts";
import { JetStreamApiError } from "@nats-io/jetstream";
import { z } from "zod";
import { asMusterError, fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { publish } from "../nats/publish.ts";
import { leaderMessageAt } from "../nats/scan.ts";
import { compareStoreTimes } from "../nats/store-time.ts";
import { type Check, checkReplay, isOfQueue, type ReplayOptions } from "./check.ts";
import {
  claimOf,
  finishClaim,
  isHeld,
  LEASE_MS,
  MOVER,
  type ReplayRecord,
  readClaim,
  releaseClaim,
  takeClaim,
} from "./claim.ts";
import { fingerprintOfEdit, withEdit } from "./edit.ts";
import { forget } from "./index/registry.ts";
import { type DeadLetter, toDeadLetter } from "./read.ts";
import { sendToMember } from "./send-to-member.ts";
import type { Target } from "./target.ts";

/** What became of one dead letter. `held`: another replay of it is under way. `gone`: it left meanwhile. */
export const ReplayOutcome = z.union([
  z.strictObject({ ...went("replayed"), seq: z.int().describe("Its new sequence in the stream") }),
  z.strictObject({
    ...went("replayed"),
    member: z.string().describe("The member of a queue group that has it in hand"),
  }),
  z.strictObject(went("would_replay")),
  z.strictObject({
    id: z.string(),
    outcome: z.enum(["refused", "held", "gone", "failed"]),
    code: z.string(),
    error: z.string(),
  }),
]);
export type ReplayOutcome = z.infer<typeof ReplayOutcome>;

/** Where it went: its new sequence in the stream, or the member of a queue group that has it in hand. */
type Place = { seq: number } | { member: string };

function went<T extends string>(outcome: T) {
  return { id: z.string(), outcome: z.literal(outcome), event_id: z.string(), replay_number: z.int() };
}

/** The points between the steps of a replay. Behind `checked` nothing has been changed yet. */
export type ReplayStep = "checked" | "claimed" | "published" | "deleted" | "released";

/** Clock and lease, for tests, and a hook between the steps. */
export type ReplayHooks = {
  now?: () => number;
  leaseMs?: number;
  /** Awaited after each step; what it throws ends the replay there, as a crash would. */
  onStep?: (step: ReplayStep) => void | Promise<void>;
};

/**
 * Checks, claims, publishes, deletes, releases, in this order. After a crash
 * - behind the claim, nothing has happened: another replay takes over when the lease has ended;
 * - behind the publish, the dead letter is still there: another replay publishes once more, which the
 *   dedupe window drops or the ledger makes harmless, and goes on to delete it; a queue group has
 *   neither, and handles it twice;
 * - behind the delete, only the claim is left, which hinders nobody.
 */
export async function replayOne(
  nats: Nats,
  letter: DeadLetter,
  target: Target,
  options: ReplayOptions & { dry_run?: boolean | undefined } = {},
  hooks: ReplayHooks = {},
): Promise<ReplayOutcome> {
  const { id, stream } = letter;
  const edited = options.edit === undefined ? letter : withEdit(letter, options.edit);
  const edit = options.edit === undefined ? undefined : fingerprintOfEdit(edited);
  const attempt = { nats, letter: edited, edit, target, options, hooks };
  // Nearly always nobody has claimed it before, and reading that would cost as much as claiming it.
  const isPlain = [options.dry_run, options.as_event_id, edit].every((option) => option === undefined);
  const first = isPlain ? await tryReplay(attempt, { revision: 0 }) : "claimed_before";
  if (first !== "claimed_before") return first;
  const outcome = await tryReplay(attempt, await readClaim(nats, stream, id));
  return outcome === "claimed_before" ? held(id) : outcome;
}

type Attempt = {
  nats: Nats;
  letter: DeadLetter;
  edit: string | undefined;
  target: Target;
  options: ReplayOptions & { dry_run?: boolean | undefined };
  hooks: ReplayHooks;
};

/** One try over what is known of its claim. "claimed_before": somebody has claimed it since, or before. */
async function tryReplay(
  { nats, letter, edit, target, options, hooks }: Attempt,
  before: { record?: ReplayRecord; revision: number },
): Promise<ReplayOutcome | "claimed_before"> {
  const { now = Date.now, leaseMs = LEASE_MS, onStep = () => undefined } = hooks;
  const { id, stream } = letter;
  const { as_event_id } = options;
  const check = await checkReplay(letter, target, options, isResumed(before.record, options));
  if (check.type === "refused") return { id, outcome: "refused", code: check.code, error: check.error };
  if (isHeld(before.record, now())) return held(id);
  const other = await otherReplay(letter, target, before.record, { as_event_id, edit });
  if (other !== undefined) return { id, outcome: "refused", ...other };
  if (options.dry_run === true)
    return { id, outcome: "would_replay", event_id: check.eventId, replay_number: check.replayNumber };
  await onStep("checked");

  const claim = await takeClaim(
    nats,
    stream,
    {
      ...claimOf(letter),
      ...(as_event_id === undefined ? {} : { as_event_id }),
      ...(edit === undefined ? {} : { edit }),
    },
    before,
    { nowMs: now(), leaseMs },
  );
  if (claim === undefined) return "claimed_before";
  await onStep("claimed");
  // Whoever held the claim before us may have finished between our reading and our claim.
  if (!(await isStillThere(nats, letter))) {
    await releaseClaim(nats, claim);
    return gone(id);
  }
  // Stalled for longer than the lease: somebody else may be at it.
  if (now() >= Date.parse(claim.record.lease_until)) return held(id);
  // Another message of the same id is there already; an edited one must not pass for it.
  const mayBeThere = edit === undefined || before.record?.edit === edit;
  const sent = await send(nats, letter, target, { ...check, mayBeThere });
  if ("outcome" in sent) {
    await releaseClaim(nats, claim);
    return sent;
  }
  await onStep("published");
  for (const sequence of letter.sequences) await remove(nats, dlqStream(stream), sequence);
  await onStep("deleted");
  await finishClaim(nats, claim);
  await onStep("released");
  return { id, outcome: "replayed", event_id: check.eventId, replay_number: check.replayNumber, ...sent };
}

type Ready = Extract<Check, { type: "ready" }>;

/** Where it is now, or why nobody has it. What it throws leaves open whether somebody has. */
async function send(
  nats: Nats,
  letter: DeadLetter,
  target: Target,
  check: Ready & { mayBeThere: boolean },
): Promise<Place | ReplayOutcome> {
  const { id, stream, group, body } = letter;
  const failed = (code: string, error: string): ReplayOutcome => ({ id, outcome: "failed", code, error });
  if (isOfQueue(target)) {
    const handed = await sendToMember(nats, group, body, check.headers);
    return handed.type === "taken" ? { member: handed.member } : failed(handed.code, handed.error);
  }
  const answer = await publish(nats, check.subject, body, check.headers);
  if (answer.type === "stored" && answer.stream === stream)
    return answer.duplicate && !check.mayBeThere
      ? failed("begun_edit", "an earlier replay of it was sent already, and no second one is taken so soon")
      : { seq: answer.seq };
  if (answer.type === "refused")
    return failed("stream_refused", `stream ${stream} refused it: ${answer.error} (${answer.errCode})`);
  const where = answer.type === "stored" ? `stream ${answer.stream} took it instead` : "no stream took it";
  return failed("no_stream", `${where} on ${check.subject}; the dead letter stays. Apply the group again`);
}

/** Whether the dead letter is still where it was read. The leader says: a replica may still have what is deleted. */
export async function isStillThere(nats: Nats, letter: DeadLetter): Promise<boolean> {
  const message = await leaderMessageAt(nats, dlqStream(letter.stream), letter.sequences[0] ?? 0);
  return message !== undefined && toDeadLetter(letter.stream, message).id === letter.id;
}

/** Deletes a message of a dead-letter stream; one that is gone already is no error. */
export async function remove(nats: Nats, stream: string, sequence: number): Promise<void> {
  try {
    await nats.jsm.streams.deleteMessage(stream, sequence, false);
    forget(nats, stream, sequence);
  } catch (error) {
    // Gone already: a replay that took over from us was quicker.
    if (error instanceof JetStreamApiError && (await leaderMessageAt(nats, stream, sequence)) === undefined)
      return;
    throw (
      asMusterError(error) ??
      fail("nats_error", `dead letter at ${sequence} of ${stream} could not be deleted`, error)
    );
  }
}

function isResumed(record: ReplayRecord | undefined, { as_event_id }: ReplayOptions): boolean {
  return as_event_id !== undefined && record?.state === "claimed" && record.as_event_id === as_event_id;
}

// A replay that did not finish may have been sent: sent otherwise it would have two effects, or be dropped as a
// copy of the first. Once its event is done, or has died again, that is decided.
async function otherReplay(
  letter: DeadLetter,
  target: Target,
  record: ReplayRecord | undefined,
  asked: { as_event_id: string | undefined; edit: string | undefined },
): Promise<{ code: string; error: string } | undefined> {
  if (record?.state !== "claimed" || record.owner === MOVER) return undefined;
  const isSameEvent = record.as_event_id === asked.as_event_id;
  if (isSameEvent && record.edit === asked.edit) return undefined;
  const begun = "an earlier replay of it did not finish and may have been sent; repeat it";
  if (!isSameEvent && record.as_event_id !== undefined)
    return { code: "begun_as_event", error: `${begun} with as_event_id ${record.as_event_id}` };
  const row = await target.row(letter.eventId);
  const hasDiedSince =
    row?.status === "dead" && compareStoreTimes(row.store_time, letter.storeTime) > 0 && isSameEvent;
  if (row?.status === "done" || hasDiedSince) return undefined;
  return isSameEvent
    ? {
        code: "begun_edit",
        error: `${begun} ${record.edit === undefined ? "without an edit" : "with the same edit, which the audit tells"}`,
      }
    : { code: "begun_as_event", error: `${begun} without as_event_id` };
}

function held(id: string): ReplayOutcome {
  return {
    id,
    outcome: "held",
    code: "held",
    error: "another replay of it is under way; it is free again when that ends, or after 30 s",
  };
}

function gone(id: string): ReplayOutcome {
  return {
    id,
    outcome: "gone",
    code: "not_found",
    error: "it is no longer among the dead letters: replayed or discarded meanwhile",
  };
}
