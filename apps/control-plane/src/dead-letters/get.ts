// One dead letter in full: payload, headers, history of its attempts, its trace, and who replays it.
import { AttemptEntry, checkName } from "@muster/contracts";
import { z } from "zod";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import { parsed } from "../parsed.ts";
import { isHeld, MOVER, type ReplayRecord, readClaim } from "./claim.ts";
import { getStoredDeadLetter } from "./find.ts";
import { DeadLetterLine, factsOf, toLine } from "./line.ts";
import type { DeadLetter } from "./read.ts";

/** A dead letter with everything that is in its message. */
export const DeadLetterContent = DeadLetterLine.extend({
  stream: z.string(),
  seq: z.number().describe("Sequence of the message in its stream"),
  store_time: z.string().describe("When that message was stored there, in nanoseconds since 1970"),
  contract: z.string(),
  dlq_sequences: z.array(z.number()).describe("All its places in the dead-letter stream"),
  headers: z.record(z.string(), z.string()),
  history: z.array(parsed("AttemptEntry", AttemptEntry)),
  trace_id: z.string().optional().describe("Of its traceparent header"),
  payload_base64: z.string(),
  payload_text: z.string().optional().describe("Where it is UTF-8; untrusted: escape it before showing it"),
  payload_is_json: z.boolean(),
});
export type DeadLetterContent = z.infer<typeof DeadLetterContent>;

/** What is known of a replay or move of it that has begun, or of one that sent it as another event. */
export const ClaimView = z.strictObject({
  kind: z.enum(["replay", "move"]),
  state: z.enum(["claimed", "replayed"]),
  at: z.string(),
  lease_until: z.string(),
  is_held: z
    .boolean()
    .describe("Nobody else may replay it now; else the claim is of one that did not finish"),
  as_event_id: z.string().optional(),
});

export const DeadLetterView = DeadLetterContent.extend({ claim: ClaimView.optional() }).meta({
  id: "DeadLetter",
});
export type DeadLetterView = z.infer<typeof DeadLetterView>;

/** The dead letter, or error `not_found`. `archived`: one that was discarded. */
export async function getDeadLetter(
  nats: Nats,
  ledgers: Ledgers,
  { stream, id, archived }: { stream: string; id: string; archived?: boolean | undefined },
): Promise<DeadLetterView> {
  checkName("stream", stream);
  const letter = await getStoredDeadLetter(nats, stream, id, archived === true ? "archive" : "dead");
  const [line, claim] = await Promise.all([toLine(ledgers, letter), claimIfThere(nats, stream, id)]);
  return { ...contentOf(letter), ...line, ...(claim === undefined ? {} : { claim: viewOf(claim) }) };
}

/** Everything that is in the letter's message. */
export function contentOf(letter: DeadLetter): DeadLetterContent {
  const text = asText(letter.body);
  const traceId = traceIdOf(letter.headers["traceparent"]);
  return {
    ...factsOf(letter),
    stream: letter.stream,
    seq: letter.seq,
    store_time: letter.storeTime,
    contract: letter.headers["Muster-Dlq-Contract"] ?? "",
    dlq_sequences: letter.sequences,
    headers: letter.headers,
    history: historyOf(letter.headers["Muster-Dlq-History"]),
    ...(traceId === undefined ? {} : { trace_id: traceId }),
    payload_base64: Buffer.from(letter.body).toString("base64"),
    ...(text === undefined ? {} : { payload_text: text }),
    payload_is_json: text !== undefined && isJson(text),
  };
}

/** Where no group was ever applied there are no claims. */
async function claimIfThere(nats: Nats, stream: string, id: string): Promise<ReplayRecord | undefined> {
  try {
    return (await readClaim(nats, stream, id)).record;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "no_bucket") return undefined;
    throw error;
  }
}

function viewOf(record: ReplayRecord): z.infer<typeof ClaimView> {
  const { state, at, lease_until, as_event_id } = record;
  return {
    kind: record.owner === MOVER ? "move" : "replay",
    state,
    at,
    lease_until,
    is_held: isHeld(record, Date.now()),
    ...(as_event_id === undefined ? {} : { as_event_id }),
  };
}

// W3C trace context: version, trace id, parent id, flags; an id of zeros is none.
function traceIdOf(traceparent: string | undefined): string | undefined {
  const id = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-|$)/.exec(traceparent ?? "")?.[1];
  return id === undefined || /^0+$/.test(id) ? undefined : id;
}

function historyOf(json: string | undefined): AttemptEntry[] {
  try {
    return z.array(AttemptEntry).safeParse(JSON.parse(json ?? "[]")).data ?? [];
  } catch {
    return [];
  }
}

function asText(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
