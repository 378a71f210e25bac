import { sha256Hex } from "@muster/contracts";
import { headers, type NatsConnection } from "@nats-io/transport-node";

/** A message to publish; what is left out makes an order that is valid. */
export interface Outgoing {
  /** `null`: no header, so that the message gets its id from elsewhere. */
  eventId?: string | null;
  body?: string | Uint8Array;
  /** In this order; a name given twice goes out twice. */
  headers?: readonly (readonly [string, string])[];
  /** Last tokens of the subject. */
  event?: string;
}

/** A message the stream has taken. */
export interface Published {
  readonly seq: number;
  readonly eventId: string | null;
  readonly body: Uint8Array;
  readonly bodySha256: string;
}

/** The publisher was told that its message is not in the stream. */
export class PublishRefused extends Error {
  readonly code: number;

  constructor(code: number, description: string) {
    super(`${code}: ${description}`);
    this.code = code;
  }
}

/** The bytes of a valid order. */
export function orderBody(fields: Record<string, unknown> = {}): string {
  return JSON.stringify({
    id: "o-1",
    customer: "Ada",
    amount: 12.5,
    status: "pending",
    created_at: "2026-01-02T03:04:05Z",
    ...fields,
  });
}

/** Publishes and waits for the PubAck. Throws `PublishRefused`. */
export async function publish(nc: NatsConnection, subject: string, message: Outgoing): Promise<Published> {
  const header = headers();
  if (message.eventId) header.append("Muster-Event-Id", message.eventId);
  for (const [name, value] of message.headers ?? []) header.append(name, value);
  const body = Buffer.from(message.body ?? orderBody());
  const reply = await nc.request(subject, body, { headers: header, timeout: 5000 });
  const ack = reply.json<{ seq: number; error?: { err_code: number; description: string } }>();
  if (ack.error) throw new PublishRefused(ack.error.err_code, ack.error.description);
  return { seq: ack.seq, eventId: message.eventId ?? null, body, bodySha256: sha256Hex(body) };
}
