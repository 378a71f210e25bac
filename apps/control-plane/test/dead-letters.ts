// Dead letters as members of any language write them, put straight into the dead-letter stream.
import { deadLetterHeaders, type DeadLetterReason, dlqStream, dlqSubject } from "@muster/contracts";
import type { Nats } from "../src/nats/connection.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";

let count = 0;

/** What a test says of a letter; the rest is made up. */
export type LetterSpec = {
  stream?: string;
  group?: string;
  reason?: DeadLetterReason;
  language?: "ts" | "go" | "py";
  version?: string;
  errorClass?: string;
  error?: string;
  subject?: string;
  body?: string | Uint8Array;
  eventId?: string;
  seq?: number;
  storeTime?: string;
  replayNumber?: number;
  /** Of the original message. */
  headers?: Record<string, string>;
};

/** The headers that a member would give it. */
export function letterHeaders(spec: LetterSpec = {}): Record<string, string> {
  const { seq = ++count } = spec;
  return deadLetterHeaders(
    { ...spec.headers },
    {
      stream: spec.stream ?? "ORDERS",
      group: spec.group ?? "billing",
      reason: spec.reason ?? "permanent",
      eventId: spec.eventId ?? `o${seq}.created`,
      seq,
      storeTime: spec.storeTime ?? String(1_790_000_000_000_000_000n + BigInt(seq)),
      subject: spec.subject ?? "orders.created",
      errorClass: spec.errorClass ?? "Error",
      error: spec.error ?? "fraud check timeout",
      attempts: 1,
      firstAt: "2026-01-02T03:04:05.000Z",
      lastAt: "2026-01-02T03:04:05.000Z",
      member: "m1",
      language: spec.language ?? "ts",
      version: spec.version ?? "1",
      contract: "order.v1",
      replayNumber: spec.replayNumber ?? 0,
      history: [],
    },
    900_000,
  );
}

/** Stores a dead letter; gives its id and its sequence in the dead-letter stream. */
export async function storeLetter(nats: Nats, spec: LetterSpec = {}): Promise<{ id: string; seq: number }> {
  const { stream = "ORDERS", group = "billing", reason = "permanent", body = "{}" } = spec;
  const headers = letterHeaders(spec);
  const published = await nats.js.publish(dlqSubject(stream, group, reason), body, {
    headers: toMsgHdrs(headers),
  });
  return { id: headers["Muster-Dlq-Id"] ?? "", seq: published.seq };
}

/** Makes a dead-letter stream as `groups apply` does, without a group. */
export async function makeDlq(nats: Nats, stream: string, over: object = {}): Promise<void> {
  const subjects = [`muster.dlq.${stream}.>`, `muster.archive.${stream}.>`];
  const config = { storage: "file", discard: "new", allow_direct: true } as const;
  await nats.jsm.streams.add({ name: dlqStream(stream), subjects, ...config, ...over });
}
