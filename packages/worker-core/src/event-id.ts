import { v7 } from "uuid";

/** A new event id: a UUIDv7, for what has no identity from its business. */
export function newEventId(): string {
  return v7();
}
