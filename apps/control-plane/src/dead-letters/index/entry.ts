// A message of a dead-letter stream, its body left at the server, as an entry of the index.
import { ARCHIVED, DEAD, type Entry, OTHER } from "./letters.ts";

/** What is indexed of a message; the same reading of headers and subject as `toDeadLetter` has. */
export function entryOf(
  stream: string,
  message: { subject: string; seq: number; storedAt: number; headers: Iterable<readonly [string, string]> },
): Entry {
  const [root, kind, source, group = "", reason = ""] = message.subject.split(".");
  const isOurs = root === "muster" && source === stream && group !== "" && reason !== "";
  const entry: Entry = {
    seq: message.seq,
    storedAt: message.storedAt,
    shelf: isOurs && kind === "dlq" ? DEAD : isOurs && kind === "archive" ? ARCHIVED : OTHER,
    id: "",
    group,
    reason,
    language: "",
    version: "",
    subject: "",
    errorClass: "",
    error: "",
  };
  let messageId = "";
  for (const [name, value] of message.headers) {
    const field = fields.get(name);
    if (field !== undefined) entry[field] = value;
    else if (name === "Nats-Msg-Id") messageId = value;
  }
  if (entry.id === "") entry.id = messageId || `seq.${message.seq}`;
  return entry;
}

/** The headers that it looks at begin so. */
export const READ = ["Muster-Dlq-", "Nats-Msg-Id"];

type Field = "id" | "language" | "version" | "subject" | "errorClass" | "error";

const fields = new Map<string, Field>([
  ["Muster-Dlq-Id", "id"],
  ["Muster-Dlq-Language", "language"],
  ["Muster-Dlq-Version", "version"],
  ["Muster-Dlq-Subject", "subject"],
  ["Muster-Dlq-Error-Class", "errorClass"],
  ["Muster-Dlq-Error", "error"],
]);
