// Message headers as a plain record: case-sensitive, the last value wins, empty is absent.
import { type MsgHdrs, headers as newHeaders } from "@nats-io/nats-core";

// What a direct get adds to the message it reads; never part of the message itself.
const addedByDirectGet = new Set([
  "Nats-Stream",
  "Nats-Subject",
  "Nats-Sequence",
  "Nats-Time-Stamp",
  "Nats-Num-Pending",
  "Nats-Last-Sequence",
  "Nats-UpTo-Sequence",
]);

/** The headers of a stored message. */
export function toRecord(headers: MsgHdrs | undefined): Record<string, string> {
  const record: Record<string, string> = {};
  for (const [name, values] of headers ?? []) {
    const value = values.at(-1) ?? "";
    // defineProperty, because a header may be called __proto__.
    if (value !== "" && !addedByDirectGet.has(name)) {
      Object.defineProperty(record, name, { value, enumerable: true, writable: true, configurable: true });
    }
  }
  return record;
}

/** A record as headers to publish. */
export function toMsgHdrs(record: Readonly<Record<string, string>>): MsgHdrs {
  const headers = newHeaders();
  for (const [name, value] of Object.entries(record)) headers.set(name, value);
  return headers;
}
