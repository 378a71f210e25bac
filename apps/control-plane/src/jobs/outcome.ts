// What became of letters that a job took in hand, as far as the server shows it now.
import { dlqFilter, dlqStream, type LedgerRow, replayMsgId } from "@muster/contracts";
import { z } from "zod";
import { findDeadLetter } from "../dead-letters/find.ts";
import { AT_ONCE } from "../dead-letters/index/read-rows.ts";
import { toDeadLetter } from "../dead-letters/read.ts";
import { getStream } from "../groups/streams.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import { leaderMessageAt, scanStream } from "../nats/scan.ts";
import { compareStoreTimes } from "../nats/store-time.ts";
import { pipelined } from "../pipelined.ts";
import { isEnded, type ReplayJob } from "./job.ts";
import type { JobLetter } from "./letters.ts";
import { isSettled, rowOf } from "./trace.ts";

/** So many messages are looked through for what no ledger and no note tells. */
const MOST_SCANNED = 20_000;

/** What is known of one letter of a job. */
export const LetterOutcome = z
  .strictObject({
    id: z.string(),
    dlq_seq: z.int().describe("Where its first copy lay in the dead-letter stream"),
    group: z.string(),
    event_id: z.string().optional().describe("Absent where it was too long to be noted"),
    outcome: z
      .enum([
        "waiting",
        "left",
        "refused",
        "failed",
        "sent",
        "done",
        "dead_again",
        "discarded",
        "gone",
        "lost",
        "unknown",
      ])
      .describe(
        "waiting: still to be sent; left: not sent, it lies where it lay; refused, failed: the same, see code; " +
          "sent: no member has settled it; done: its event is done; dead_again: see dead_letter; " +
          "discarded: it lies in the archive; gone: it left otherwise; " +
          "lost: settled or gone without row or dead letter; unknown: settled, and nothing tells how",
      ),
    seq: z.int().optional().describe("Where it went in its stream"),
    member: z.string().optional().describe("The member of a queue group that took it"),
    code: z.string().optional().describe("Why it was not sent"),
    done_at: z.string().optional(),
    dead_letter: z
      .strictObject({ id: z.string(), reason: z.string() })
      .optional()
      .describe("What it is dead as now, or was when it died again"),
  })
  .meta({ id: "LetterOutcome" });
export type LetterOutcome = z.infer<typeof LetterOutcome>;

type Told = Pick<LetterOutcome, "outcome" | "seq" | "member" | "code" | "done_at" | "dead_letter">;

/** The outcomes of letters of one job, in their order. */
export async function outcomesOf(
  nats: Nats,
  ledgers: Ledgers,
  job: ReplayJob,
  letters: readonly JobLetter[],
): Promise<LetterOutcome[]> {
  const look = new Look(nats, ledgers, job);
  return await pipelined(letters, AT_ONCE, async (letter) => ({
    id: letter.id,
    dlq_seq: letter.dlq_seq,
    group: letter.group,
    ...(letter.event_id === undefined ? {} : { event_id: letter.event_id }),
    ...(await look.at(letter)),
  }));
}

/** One look at the server: what several letters need is read once. */
class Look {
  readonly #nats: Nats;
  readonly #ledgers: Ledgers;
  readonly #job: ReplayJob;
  readonly #open: ReadonlySet<number | undefined>;
  readonly #once = new Map<string, Promise<unknown>>();

  constructor(nats: Nats, ledgers: Ledgers, job: ReplayJob) {
    this.#nats = nats;
    this.#ledgers = ledgers;
    this.#job = job;
    this.#open = new Set(job.open.map(({ sequences }) => sequences[0]));
  }

  async at(letter: JobLetter): Promise<Told> {
    const there = letter.outcome === "replayed" ? undefined : await this.#where(letter);
    if (there === "dead") return this.#unsent(letter);
    if (there === "archive") return { outcome: "discarded" };
    if (letter.member !== undefined) return { outcome: "unknown", member: letter.member };
    const seq = letter.seq ?? (await this.#replayOf(letter));
    const place = seq === undefined ? {} : { seq };
    // In this order, because what is settled has its row or its dead letter by then.
    const isThrough = seq === undefined || (await this.#isSettled(letter, seq));
    const row = await this.#row(letter);
    const byRow = row === "unseen" ? undefined : toldBy(row, letter, seq);
    if (byRow !== undefined) return { ...byRow, ...place };
    if (!isThrough) return { outcome: "sent", ...place };
    const died = await this.#deadAs(letter, seq);
    if (died !== undefined) return { outcome: "dead_again", dead_letter: died, ...place };
    const canary = this.#job.canaries.find(({ id }) => id === letter.id)?.outcome;
    if (canary === "done") return { outcome: "done", ...place };
    if (letter.outcome !== "replayed" && seq === undefined) return { outcome: "gone" };
    return { outcome: row === "unseen" ? "unknown" : "lost", ...place };
  }

  #unsent({ id, dlq_seq, outcome, code }: JobLetter): Told {
    const { cursor, sample } = this.#job;
    if (!isEnded(this.#job) && (this.#open.has(dlq_seq) || dlq_seq > cursor)) return { outcome: "waiting" };
    if (outcome === "refused" || outcome === "failed")
      return { outcome, ...(code === undefined ? {} : { code }) };
    const known = sample.find((one) => one.id === id)?.code;
    return { outcome: "left", ...(known === undefined ? {} : { code: known }) };
  }

  /** Where the letter itself lies now, if anywhere. */
  async #where({ id, dlq_seq }: JobLetter): Promise<"dead" | "archive" | undefined> {
    const { stream } = this.#job;
    const message = await leaderMessageAt(this.#nats, dlqStream(stream), dlq_seq);
    if (message !== undefined && toDeadLetter(stream, message).id.startsWith(id)) return "dead";
    if ((await findDeadLetter(this.#nats, stream, id)) !== undefined) return "dead";
    return (await findDeadLetter(this.#nats, stream, id, "archive")) === undefined ? undefined : "archive";
  }

  async #isSettled({ id, group }: JobLetter, seq: number): Promise<boolean> {
    const { stream } = this.#job;
    const { retention } = (await this.#read("stream", () => getStream(this.#nats, stream))).config;
    return await isSettled(this.#nats, stream, { id, group, seq }, retention);
  }

  async #row({ group, event_id }: JobLetter): Promise<LedgerRow | undefined | "unseen"> {
    const { stream } = this.#job;
    if (stream === "core" || event_id === undefined) return "unseen";
    return await rowOf(this.#ledgers, { stream, group, eventId: event_id }, true);
  }

  /** Where the message of a letter lies that a killed control plane sent, or somebody else. */
  async #replayOf({ id }: JobLetter): Promise<number | undefined> {
    const { stream } = this.#job;
    if (stream === "core") return undefined;
    const sent = await this.#read("replays", async () => {
      const found = new Map<string, number>();
      let looked = 0;
      const options = { filter: `muster.replay.${stream}.>`, isCertain: true };
      for await (const { seq, headers } of scanStream(this.#nats, stream, options)) {
        found.set(headers?.last("Nats-Msg-Id") ?? "", seq);
        if (++looked === MOST_SCANNED) break;
      }
      return found;
    });
    return sent.get(replayMsgId(id));
  }

  /** What the event is dead as since the job was created, where the letter still lies. */
  async #deadAs({ group, event_id }: JobLetter, seq: number | undefined): Promise<Told["dead_letter"]> {
    const { stream, until_sequence } = this.#job;
    const died = await this.#read(`deaths ${group}`, async () => {
      const found = new Map<string, { id: string; reason: string; seq: number }>();
      let looked = 0;
      const options = { from: until_sequence + 1, filter: dlqFilter(stream, group), isCertain: true };
      for await (const message of scanStream(this.#nats, dlqStream(stream), options)) {
        const { id, reason, eventId, seq: was } = toDeadLetter(stream, message);
        found.set(eventId, { id, reason, seq: was });
        if (++looked === MOST_SCANNED) break;
      }
      return found;
    });
    const one = event_id === undefined ? undefined : died.get(event_id);
    if (one === undefined || (seq !== undefined && one.seq < seq)) return undefined;
    return { id: one.id, reason: one.reason };
  }

  #read<T>(key: string, read: () => Promise<T>): Promise<T> {
    const kept = this.#once.get(key) ?? read();
    this.#once.set(key, kept);
    return kept as Promise<T>;
  }
}

/** Done is done, whoever did it. A dead row is of this replay or a later one, or of the letter itself. */
function toldBy(
  row: LedgerRow | undefined,
  { store_time }: JobLetter,
  seq: number | undefined,
): Told | undefined {
  if (row === undefined) return undefined;
  if (row.status === "done") return { outcome: "done", done_at: row.at };
  const isLater = row.sequence === seq || compareStoreTimes(row.store_time, store_time) > 0;
  if (!isLater) return undefined;
  const id = row.headers?.["Muster-Dlq-Id"];
  return {
    outcome: "dead_again",
    ...(id === undefined ? {} : { dead_letter: { id, reason: row.reason ?? "" } }),
  };
}
