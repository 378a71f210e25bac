import { jetstream, type PubAck } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/transport-node";

/** A message to publish: a body as it is, or the order of this number. */
export type Message = {
  subject: string;
  eventId?: string;
  body?: string | Uint8Array;
  /** What the conformance worker is to do with it, e.g. `retryable;times=1`. */
  directive?: string;
  headers?: Record<string, string>;
};

/** A valid order. */
export function order(id: string, amount = 10): Record<string, unknown> {
  return { id, customer: "ada", amount, status: "pending", created_at: "2026-01-01T00:00:00Z" };
}

/** Publishes one message and returns its PubAck. */
export async function publish(nc: NatsConnection, message: Message): Promise<PubAck> {
  const head = headers();
  if (message.eventId !== undefined) head.set("Muster-Event-Id", message.eventId);
  if (message.directive !== undefined) head.set("Muster-Conformance", message.directive);
  for (const [name, value] of Object.entries(message.headers ?? {})) head.append(name, value);
  const body = message.body ?? JSON.stringify(order(message.eventId ?? "o-1"));
  return jetstream(nc).publish(message.subject, body, { headers: head });
}
