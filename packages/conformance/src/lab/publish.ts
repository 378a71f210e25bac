import { jetstream, type PubAck } from "@nats-io/jetstream";
import { headers, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";

/** A message to publish: a body as it is, or the order of its event. */
export type Message = {
  /** Default: none, so that the event is known by its message id or its place. */
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

/** Publishes one message into a stream and returns its PubAck. */
export async function publish(nc: NatsConnection, subject: string, message: Message): Promise<PubAck> {
  return jetstream(nc).publish(subject, bodyOf(message), { headers: headersOf(message) });
}

/** Publishes one message that no stream takes: a queue group's. */
export function publishCore(nc: NatsConnection, subject: string, message: Message): void {
  nc.publish(subject, bodyOf(message), { headers: headersOf(message) });
}

function headersOf(message: Message): MsgHdrs {
  const head = headers();
  if (message.eventId !== undefined) head.set("Muster-Event-Id", message.eventId);
  if (message.directive !== undefined) head.set("Muster-Conformance", message.directive);
  for (const [name, value] of Object.entries(message.headers ?? {})) head.append(name, value);
  return head;
}

function bodyOf(message: Message): string | Uint8Array {
  return message.body ?? JSON.stringify(order(message.eventId ?? "o-1"));
}
