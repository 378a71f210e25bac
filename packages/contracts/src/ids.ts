import { sha256Hex } from "./hash.ts";
import { headerText } from "./texts.ts";

/** Message headers, name → last value given. */
export type Headers = ReadonlyMap<string, string> | Readonly<Record<string, string>>;

/**
 * The event's business identity; it survives redelivery, republish and replay.
 * It is the header's text form: a dead letter carries its headers in that form, and the replay
 * must be the same event.
 */
export function eventIdOf(headers: Headers, stream: string, seq: number, storeTime: string): string {
  return (
    headerText(headerOf(headers, "Muster-Event-Id"), Number.POSITIVE_INFINITY) ||
    headerText(headerOf(headers, "Nats-Msg-Id"), Number.POSITIVE_INFINITY) ||
    `${stream}.${seq}.${storeTime}`
  );
}

/**
 * Id and `Nats-Msg-Id` of a dead letter: with the group, because groups fail an event apart; with the
 * store time, because a stream that was made again gives its sequences a second time.
 */
export function deadLetterId(group: string, eventId: string, seq: number, storeTime: string): string {
  return `dl.${group}.${sha256Hex(eventId).slice(0, 24)}.${seq}.${storeTime}`;
}

/** `Nats-Msg-Id` of a replay: a second one inside the dedupe window is dropped by the server. */
export function replayMsgId(deadLetter: string): string {
  return `replay.${deadLetter}`;
}

function headerOf(headers: Headers, name: string): string {
  if (isMap(headers)) return headers.get(name) ?? "";
  return Object.hasOwn(headers, name) ? (headers[name] ?? "") : "";
}

// A plain `instanceof` in place leaves the record's type unknown to the compiler.
function isMap(headers: Headers): headers is ReadonlyMap<string, string> {
  return headers instanceof Map;
}
