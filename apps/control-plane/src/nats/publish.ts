// Publishing into JetStream with its answer read: stored where, or refused why.
import { type Payload, RequestError } from "@nats-io/nats-core";
import { z } from "zod";
import { fail } from "../errors.ts";
import type { Nats } from "./connection.ts";
import { toMsgHdrs } from "./headers.ts";

const TIMEOUT_MS = 5000;

const Answer = z.object({
  error: z.object({ err_code: z.number().default(0), description: z.string().default("") }).optional(),
  stream: z.string().optional(),
  seq: z.number().optional(),
  duplicate: z.boolean().default(false),
});

/** What the server said: stored, refused by the stream, or taken by no stream at all. */
export type Published =
  | { type: "stored"; stream: string; seq: number; duplicate: boolean }
  | { type: "refused"; errCode: number; error: string }
  | { type: "no_stream" };

/** Publishes and waits for the PubAck; throws when NATS does not answer (the message may be stored all the same). */
export async function publish(
  nats: Nats,
  subject: string,
  body: Payload,
  headers: Readonly<Record<string, string>>,
): Promise<Published> {
  try {
    const answer = await nats.nc.request(subject, body, {
      headers: toMsgHdrs(headers),
      timeout: TIMEOUT_MS,
    });
    return read(subject, answer.data);
  } catch (error) {
    if (error instanceof RequestError && error.isNoResponders()) return { type: "no_stream" };
    throw error;
  }
}

function read(subject: string, data: Uint8Array): Published {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(data));
  } catch {
    json = undefined;
  }
  const answer = Answer.safeParse(json);
  if (!answer.success)
    throw fail("nats_error", `what answered on ${subject} is no stream: its answer is no PubAck`);
  const { error, stream, seq, duplicate } = answer.data;
  if (error !== undefined) return { type: "refused", errCode: error.err_code, error: error.description };
  if (stream === undefined || seq === undefined)
    throw fail("nats_error", `the answer on ${subject} is no PubAck`);
  return { type: "stored", stream, seq, duplicate };
}
