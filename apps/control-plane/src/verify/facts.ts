// What the account of a group is made from, read in an order in which nothing can slip through.
import { dlqStream, eventIdOf, type GroupSpec } from "@muster/contracts";
import { type ReplayRecord, readClaims } from "../dead-letters/claim.ts";
import { type DeadLetterFacts, readDeadLetters } from "../dead-letters/read.ts";
import { kindOf } from "../groups/change.ts";
import { findConsumer } from "../groups/consumer.ts";
import { filtersOf } from "../groups/consumer-config.ts";
import { type Figures, figuresOf } from "../groups/figures.ts";
import { readMembers } from "../groups/members.ts";
import { readSpecs } from "../groups/specs.ts";
import { findStream, getStream } from "../groups/streams.ts";
import { isCovered } from "../groups/subjects.ts";
import { placeOf } from "../groups/take-over.ts";
import type { Ledgers, SettledRow } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import { toRecord } from "../nats/headers.ts";
import { scanStream } from "../nats/scan.ts";
import { storeTimeOf } from "../nats/store-time.ts";
import { adoptedAt } from "./adopted.ts";

/** A message that lies in the source stream. */
export type SourceMessage = { seq: number; storeTime: string; eventId: string; isMine: boolean };

/** A dead letter or archived one; its body is not needed. */
export type Letter = Pick<DeadLetterFacts, "id" | "group" | "seq" | "storeTime" | "eventId" | "reason">;

/** Everything an account needs. Rows, letters and claims are those of all groups of the stream. */
export type Facts = {
  group: string;
  ledger: GroupSpec["ledger"];
  retention: string;
  /** Store time from which messages belong to this stream and not to an earlier one of its name. */
  created: string;
  /** Sequences ever given: from, up to. */
  firstSeq: number;
  lastSeq: number;
  /** Up to here somebody else settled messages, before Muster took stream or consumer over; 0: nobody. */
  takenOverAt: number;
  /** The same of a stream that Muster has only adopted, as far as it can be told; 0: it is Muster's own. */
  adoptedAt: number;
  /** The first sequence that is still there, for streams that drop old messages. */
  firstKept: number;
  otherGroups: string[];
  /** Those of them with ledger `none`: what they have settled leaves no trace. */
  untracedGroups: string[];
  /** All messages at or below it are acknowledged by the group. */
  ackFloor: number;
  /** The last sequence handed out to the group. */
  delivered: number;
  figures: Pick<Figures, "ready" | "in_flight" | "backing_off" | "ack_pending">;
  source: SourceMessage[];
  letters: Letter[];
  archived: Letter[];
  rows: SettledRow[];
  claims: ReplayRecord[];
};

/**
 * Reads source, dead letters, ledger, claims, in this order: work only ever moves on in it, or back to
 * the source under a new sequence, so what was missed at one place is found at a later one.
 */
export async function readFacts(nats: Nats, ledgers: Ledgers, spec: GroupSpec): Promise<Facts> {
  const { stream, group, ledger } = spec;
  const info = await getStream(nats, stream);
  const filters = filtersOf(spec);
  const source: SourceMessage[] = [];
  for await (const { seq, storeTime, subject, headers } of scanStream(nats, stream, {
    upTo: info.state.last_seq,
  })) {
    const eventId = eventIdOf(toRecord(headers), stream, seq, storeTime);
    source.push({ seq, storeTime, eventId, isMine: isCovered(filters, subject) });
  }
  const letters = await readDeadLetters(nats, stream);
  const archived = await readArchive(nats, stream);
  // Before the ledger: what is settled here has its row by then.
  const consumer = await findConsumer(nats, stream, group);
  const members = [...(await readMembers(nats, stream, group)).values()].flat();
  const others = (await readSpecs(nats, stream)).map((one) => one.spec).filter((one) => one.group !== group);
  // A limits stream keeps its messages: there the others' rows are not asked what is missing.
  const counted = info.config.retention === "limits" ? [spec] : [spec, ...others];
  const rows = await ledgers.rows(stream, namesOf(counted, "postgres"));
  const claims = await readClaims(nats, stream);
  const place = { created: storeTimeOf(info.created), lastSeq: info.state.last_seq };
  // Messages of a limits stream are settled by consumer, and others never settled for one that Muster made.
  const isOwn = info.config.retention === "limits" && kindOf(consumer?.config ?? {}) !== undefined;
  const isAdopted = kindOf(info.config) === undefined && !isOwn;
  const since = isAdopted ? await adoptedSince(nats, stream) : undefined;
  const dead = Object.fromEntries(
    letters.filter((letter) => letter.group === group).map((letter) => [letter.id, 1]),
  );
  return {
    group,
    ledger,
    retention: info.config.retention,
    ...place,
    firstSeq: Math.max(1, info.config.first_seq ?? 1),
    takenOverAt: Math.max(placeOf(info.config), placeOf(consumer?.config ?? {})),
    adoptedAt: adoptedAt(since, place, [
      ...source,
      ...letters,
      ...archived,
      ...[...rows, ...claims].map((one) => ({ seq: one.sequence, storeTime: one.store_time })),
    ]),
    firstKept: info.state.first_seq,
    otherGroups: others.map((other) => other.group),
    untracedGroups: namesOf(others, "none"),
    ackFloor: consumer?.ack_floor.stream_seq ?? 0,
    delivered: consumer?.delivered.stream_seq ?? 0,
    figures: figuresOf(consumer, members, dead),
    source,
    letters,
    archived,
    rows,
    claims,
  };
}

/** When Muster came to a stream of others: it made the stream of dead letters then. */
async function adoptedSince(nats: Nats, stream: string): Promise<string | undefined> {
  const dlq = await findStream(nats, dlqStream(stream));
  return dlq === undefined || kindOf(dlq.config) === undefined ? undefined : storeTimeOf(dlq.created);
}

function namesOf(specs: readonly GroupSpec[], ledger: GroupSpec["ledger"]): string[] {
  return specs.filter((spec) => spec.ledger === ledger).map(({ group }) => group);
}

/** The archived dead letters of a stream, each once. */
export async function readArchive(nats: Nats, stream: string): Promise<Letter[]> {
  return await readDeadLetters(nats, stream, undefined, "archive");
}
