import type { Msg } from "@nats-io/transport-node";
import { MusterError } from "@muster/contracts";

/** The answer of a stream to a publish. */
export type PubAck =
  | { ok: true; stream: string; sequence: number; duplicate: boolean }
  | { ok: false; errorCode: number; error: string };

const decoder = new TextDecoder();

/** Reads the answer of a stream; throws `unreachable` when it is none. Read by hand: every settled message has one. */
export function readPubAck(msg: Msg): PubAck {
  const answer = readObject(msg);
  const error = answer?.["error"];
  if (typeof error === "object" && error !== null) {
    const { err_code: code, description } = error as { err_code?: unknown; description?: unknown };
    return {
      ok: false,
      errorCode: typeof code === "number" ? code : 0,
      error: typeof description === "string" ? description : "",
    };
  }
  const sequence = answer?.["seq"];
  if (answer === undefined || typeof sequence !== "number" || !Number.isSafeInteger(sequence)) {
    throw new MusterError("unreachable", "the answer to a publish is no PubAck");
  }
  const stream = answer["stream"];
  return {
    ok: true,
    stream: typeof stream === "string" ? stream : "",
    sequence,
    duplicate: answer["duplicate"] === true,
  };
}

function readObject(msg: Msg): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(msg.data));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
