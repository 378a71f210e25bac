// The dead letters of a filter, one by one in the order of their stream.
import { covers } from "../groups/subjects.ts";
import type { Nats } from "../nats/connection.ts";
import type { DeadLetterFilter } from "./filter.ts";
import { fingerprintOf } from "./normal-error.ts";
import { type DeadLetter, readDeadLetters, type Shelf } from "./read.ts";

/** `afterSeq`: only those whose first copy lies behind it in the dead-letter stream. `shelf`: default `dead`. */
export type SelectOptions = { afterSeq?: number | undefined; shelf?: Shelf | undefined };

/**
 * Each dead letter once, with all its copies, ordered by its first sequence in the dead-letter stream: to go on after
 * a stop, give the last one's as `afterSeq`. One that left meanwhile is left out.
 */
export async function* selectDeadLetters(
  nats: Nats,
  stream: string,
  filter: DeadLetterFilter,
  { afterSeq = 0, shelf = "dead" }: SelectOptions = {},
): AsyncGenerator<DeadLetter> {
  for (const letter of await readDeadLetters(nats, stream, filter.group, filter.reason, shelf)) {
    if ((letter.sequences[0] ?? 0) > afterSeq && matches(letter, filter)) yield letter;
  }
}

function matches({ headers, storedAt }: DeadLetter, filter: DeadLetterFilter): boolean {
  const header = (name: string) => headers[`Muster-Dlq-${name}`] ?? "";
  const error = `${header("Error-Class")}\n${header("Error")}`.toLowerCase();
  return (
    (filter.language === undefined || header("Language") === filter.language) &&
    (filter.version === undefined || header("Version") === filter.version) &&
    (filter.error === undefined || error.includes(filter.error.toLowerCase())) &&
    (filter.subject === undefined || covers(filter.subject, header("Subject"))) &&
    (filter.since === undefined || storedAt >= Date.parse(filter.since)) &&
    (filter.until === undefined || storedAt < Date.parse(filter.until)) &&
    (filter.fingerprint === undefined ||
      fingerprintOf(header("Error-Class"), header("Error")) === filter.fingerprint)
  );
}
