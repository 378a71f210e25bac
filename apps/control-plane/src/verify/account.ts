// The account of a group from what was read: where each event is, and which are nowhere. Pure.
import { z } from "zod";
import { compareStoreTimes } from "../nats/store-time.ts";
import type { Facts, Letter, SourceMessage } from "./facts.ts";

const Count = z.int().min(0);

/** Where the events of a group are. `accepted` is the sum of done, dead, archived, waiting, lost and untraced. */
export const Terms = z.strictObject({
  accepted: Count.describe("The sum of done, dead, archived, waiting, lost and untraced"),
  done: Count,
  dead: Count,
  archived: Count,
  waiting: Count.describe("In the stream and not settled: ready, in flight or backing off"),
  lost: Count,
  untraced: Count.describe(
    "Messages that a group without a ledger has settled, or that are lost: nothing tells which",
  ),
  repeats: Count.describe("Further messages that brought a settled event again, replays among them"),
  conflicts: Count.describe(
    "Dead letters that brought a settled event again with another body; their event counts by its own row",
  ),
});
export type Terms = z.infer<typeof Terms>;

/** One event or message that is nowhere. */
export const Suspect = z.union([
  z.strictObject({ event_id: z.string() }),
  z.strictObject({ sequence: z.int() }),
]);
export type Suspect = z.infer<typeof Suspect>;

/** The account: its terms, with all suspects counted as lost. */
export type Account = { terms: Terms; suspects: Suspect[]; cannotSee: string[] };

/** Closes the account of one group. */
export function closeGroup(facts: Facts): Account {
  const events = placeEvents(facts);
  const missing = facts.retention === "limits" ? missingByEvent(facts) : missingBySequence(facts);
  const gone = Math.max(0, missing.sequences.length - missing.uncertain);
  const isTraced = facts.ledger !== "none";
  const suspects: Suspect[] = [
    ...events.lost.map((event_id) => ({ event_id })),
    ...(isTraced ? missing.sequences.map((sequence) => ({ sequence })) : []),
  ];
  const lost = events.lost.length + (isTraced ? gone : 0);
  const untraced = isTraced ? 0 : gone;
  const { done, dead, archived } = events;
  const waiting = Math.max(0, events.waiting - missing.notWaiting);
  const mine = facts.rows.filter((row) => row.group === facts.group);
  const terms: Terms = {
    accepted: done + dead + archived + waiting + lost + untraced,
    done,
    dead,
    archived,
    waiting,
    lost,
    untraced,
    repeats: mine.reduce((sum, row) => sum + row.sequences.length + row.more, 0),
    conflicts: facts.letters.filter((letter) => letter.group === facts.group && letter.reason === "conflict")
      .length,
  };
  const cannotSee = isTraced
    ? missing.cannotSee
    : [
        `what became of ${untraced} messages: with ledger none only a dead letter leaves a trace, so they may be done or lost`,
        ...missing.cannotSee,
      ];
  return { terms, suspects: lost === 0 ? [] : suspects, cannotSee };
}

/** Each event the group knows of, at exactly one place; a dead row without its dead letter is nowhere. */
function placeEvents(facts: Facts) {
  const { group } = facts;
  const rows = new Map(facts.rows.filter((row) => row.group === group).map((row) => [row.event_id, row]));
  const open = latestByEvent(facts.source.filter((message) => message.isMine && isOpen(facts, message)));
  const letters = byEvent(facts.letters.filter((letter) => letter.group === group));
  const archive = byEvent(facts.archived.filter((letter) => letter.group === group));
  const claims = new Map(
    facts.claims.filter((claim) => claim.group === group).map((claim) => [claim.event_id, claim]),
  );
  const places = { done: 0, dead: 0, archived: 0, waiting: 0, lost: [] as string[] };
  for (const id of new Set([
    ...rows.keys(),
    ...open.keys(),
    ...letters.keys(),
    ...archive.keys(),
    ...claims.keys(),
  ])) {
    const row = rows.get(id);
    const message = open.get(id);
    // A dead row of an earlier message is no answer to a later one: a replay, or the corrected order.
    const isWaiting =
      message !== undefined &&
      (row === undefined || compareStoreTimes(message.storeTime, row.store_time) >= 0);
    if (row?.status === "done") places.done++;
    else if (isWaiting) places.waiting++;
    else if (letters.has(id)) places.dead++;
    else if (archive.has(id)) places.archived++;
    else if (claims.has(id)) places.dead++;
    else if (row !== undefined) places.lost.push(id);
  }
  return places;
}

/**
 * `uncertain`: so many of the sequences are known after all, only not which. `notWaiting`: so many
 * messages that lie in the stream unsettled, as far as one sees them, are among those that are missing.
 */
type Missing = { sequences: number[]; uncertain: number; notWaiting: number; cannotSee: string[] };

/** Work queue and interest: a message leaves when it is settled, so every sequence must be known somewhere. */
function missingBySequence(facts: Facts): Missing {
  const known = new Set(facts.source.map((message) => message.seq));
  const isOurs = (storeTime: string) => compareStoreTimes(storeTime, facts.created) >= 0;
  for (const { seq, storeTime } of [...facts.letters, ...facts.archived])
    if (isOurs(storeTime)) known.add(seq);
  for (const { sequence, store_time } of facts.claims) if (isOurs(store_time)) known.add(sequence);
  let uncertain = 0;
  let isOlder = false;
  for (const row of facts.rows) {
    if (!isOurs(row.store_time)) {
      isOlder = true;
      continue;
    }
    known.add(row.sequence);
    for (const sequence of row.sequences) known.add(sequence);
    uncertain += row.more;
  }
  const sequences: number[] = [];
  const first = Math.max(facts.firstSeq, facts.takenOverAt + 1, facts.adoptedAt + 1);
  for (let seq = first; seq <= facts.lastSeq; seq++) if (!known.has(seq)) sequences.push(seq);
  const cannotSee = earlier(facts);
  if (uncertain > 0)
    cannotSee.push(
      `which sequences ${uncertain} repeats had: rows keep 32 and count the rest, so as many missing sequences are not called lost`,
    );
  if (isOlder)
    cannotSee.push(
      "messages of an earlier stream of this name: their rows are counted, their sequences are not looked for",
    );
  if (facts.otherGroups.length > 0)
    cannotSee.push(
      `whose a missing sequence is: ${facts.otherGroups.join(", ")} share the stream, and a message that is gone does not tell its subject`,
    );
  if (facts.retention === "interest" && sequences.length > 0) {
    cannotSee.push(
      `what became of ${sequences.length} messages: on an interest stream those that no group wanted leave no trace`,
    );
    return { ...none, cannotSee };
  }
  if (facts.ledger !== "none" && facts.untracedGroups.length > 0 && sequences.length > 0) {
    cannotSee.push(
      `what became of ${sequences.length} messages: ${facts.untracedGroups.join(", ")} on the same stream, with ledger none, leaves no trace of what it has done`,
    );
    return { ...none, cannotSee };
  }
  return { sequences, uncertain, notWaiting: 0, cannotSee };
}

const none = { sequences: [], uncertain: 0, notWaiting: 0 };

/** Limits: messages stay, so each that the group has acknowledged must have its row or dead letter. */
function missingByEvent(facts: Facts): Missing {
  const { group } = facts;
  const known = new Set(facts.rows.filter((row) => row.group === group).map((row) => row.event_id));
  const knownSequences = new Set<number>();
  for (const letter of [...facts.letters, ...facts.archived]) {
    if (letter.group !== group) continue;
    known.add(letter.eventId);
    if (compareStoreTimes(letter.storeTime, facts.created) >= 0) knownSequences.add(letter.seq);
  }
  for (const claim of facts.claims) if (claim.group === group) known.add(claim.event_id);
  const unknown = facts.source.filter(
    (message) => message.isMine && !known.has(message.eventId) && !knownSequences.has(message.seq),
  );
  const ours = unknown.filter((message) => message.seq > Math.max(facts.takenOverAt, facts.adoptedAt));
  const settled = ours.filter((message) => message.seq <= facts.ackFloor).map((message) => message.seq);
  const between = ours.filter((message) => message.seq > facts.ackFloor && message.seq <= facts.delivered);
  const cannotSee = earlier(facts);
  if (facts.firstKept > facts.firstSeq)
    cannotSee.push(
      `messages that the stream has dropped by its limits: those before sequence ${facts.firstKept}`,
    );
  const excess = between.length - facts.figures.ack_pending;
  if (excess > 0) {
    // Too many to be all in somebody's hands; which of them are not, the server does not tell.
    cannotSee.push(`which ${excess} of ${between.length} delivered messages are settled without a row`);
    return {
      sequences: [...settled, ...between.map((message) => message.seq)],
      uncertain: between.length - excess,
      notWaiting: excess,
      cannotSee,
    };
  }
  return { sequences: settled, uncertain: 0, notWaiting: 0, cannotSee };
}

/** What others settled left no row. */
function earlier({ takenOverAt, adoptedAt }: Facts): string[] {
  const at = Math.max(takenOverAt, adoptedAt);
  if (at === 0) return [];
  const why =
    takenOverAt === at
      ? "Muster took over there what others had made"
      : "the stream is others', Muster may not note on it where it came, and the first message that is known to have come later lies behind";
  return [`what became of messages up to sequence ${at} that left no row: ${why}`];
}

function isOpen(facts: Facts, message: SourceMessage): boolean {
  return facts.retention !== "limits" || message.seq > facts.ackFloor;
}

function latestByEvent(messages: readonly SourceMessage[]): Map<string, SourceMessage> {
  return new Map(messages.map((message) => [message.eventId, message]));
}

function byEvent(letters: readonly Letter[]): Map<string, Letter> {
  return new Map(letters.map((letter) => [letter.eventId, letter]));
}
