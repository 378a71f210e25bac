// One dead letter in full: payload, headers, history of its attempts.
import { AttemptEntry, checkName } from "@muster/contracts";
import { z } from "zod";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import { type DeadLetterLine, toLine } from "./list.ts";
import { getStoredDeadLetter } from "./read.ts";

/** A dead letter with everything that is known of it. */
export type DeadLetterView = DeadLetterLine & {
  stream: string;
  /** Sequence and store time of the message in its stream. */
  seq: number;
  store_time: string;
  /** All its places in the dead-letter stream. */
  dlq_sequences: number[];
  headers: Record<string, string>;
  history: AttemptEntry[];
  payload_base64: string;
  /** The payload as text where it is UTF-8. Untrusted: escape it before showing it. */
  payload_text?: string;
};

/** The dead letter, or error `not_found`. */
export async function getDeadLetter(
  nats: Nats,
  ledgers: Ledgers,
  { stream, id }: { stream: string; id: string },
): Promise<DeadLetterView> {
  checkName("stream", stream);
  const letter = await getStoredDeadLetter(nats, stream, id);
  const text = asText(letter.body);
  return {
    ...(await toLine(ledgers, letter)),
    stream,
    seq: letter.seq,
    store_time: letter.storeTime,
    dlq_sequences: letter.sequences,
    headers: letter.headers,
    history: historyOf(letter.headers["Muster-Dlq-History"]),
    payload_base64: Buffer.from(letter.body).toString("base64"),
    ...(text === undefined ? {} : { payload_text: text }),
  };
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
