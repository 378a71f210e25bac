import { sha256Hex } from "./hash.ts";

/** Key of a group's spec. */
export function groupKey(stream: string, group: string): string {
  return `${stream}.${group}`;
}

/** Key of a member's record. */
export function memberKey(stream: string, group: string, member: string): string {
  return `${stream}.${group}.${member}`;
}

/** Key of a message's attempts record. */
export function attemptsKey(stream: string, group: string, seq: number): string {
  return `${stream}.${group}.${seq}`;
}

/** Key of an event's ledger row; hashed, because keys refuse what event ids may hold. */
export function ledgerKey(stream: string, group: string, eventId: string): string {
  return `${stream}.${group}.${sha256Hex(eventId)}`;
}
