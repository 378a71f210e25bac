// Dead letters for people.
import type { Answer } from "../procedures.ts";
import { list, table } from "../table.ts";
import { safe } from "../text.ts";

type Of<K extends "list" | "count" | "totals" | "failures" | "get"> = Answer<`deadLetters.${K}`>;

/** A page of the list. */
export function page({ items, next_cursor, index }: Of<"list">): string {
  if (items.length === 0 && next_cursor === undefined) return `no dead letters${notice(index)}`;
  const rows = items.map((item) => [
    item.id,
    item.group,
    item.reason,
    item.event_id,
    item.error,
    item.attempts,
    item.language,
    item.replay_number,
    item.last_at,
    item.done_since ?? "",
  ]);
  const shown = table(
    ["id", "group", "reason", "event id", "error", "attempts", "by", "replays", "at", "done since"],
    rows,
  );
  return `${shown}${next_cursor === undefined ? "" : `\n\nmore: --cursor ${next_cursor}`}${notice(index)}`;
}

/** One dead letter in full. */
export function view(letter: Of<"get">): string {
  const facts = list([
    ["id", letter.id],
    ["group", `${letter.group} of ${letter.stream}`],
    ["reason", letter.reason],
    ["error", `${letter.error_class}: ${letter.error}`],
    ["event id", letter.event_id],
    ["subject", letter.subject],
    ["message", `${letter.stream} ${letter.seq}`],
    ["dead letter", `at ${letter.dlq_sequences.join(", ")}, stored ${letter.stored_at}`],
    ["attempts", `${letter.attempts}, from ${letter.first_at} to ${letter.last_at}`],
    ["by", `${letter.language} ${letter.member}, version ${letter.version}`],
    ["contract", letter.contract],
    ["failure group", letter.fingerprint],
    ["trace", letter.trace_id],
    ["replays", letter.replay_number],
    ["done since", letter.done_since],
    ["claim", claim(letter.claim)],
  ]);
  const history = table(
    ["attempt", "outcome", "by", "started", "error"],
    letter.history.map((entry) => [
      entry.attempt,
      entry.outcome,
      `${entry.language} ${entry.member}`,
      entry.started_at,
      entry.error,
    ]),
  );
  const headers = list(Object.entries(letter.headers).map(([name, value]) => [safe(name), value]));
  const payload =
    letter.payload_text === undefined
      ? `${letter.payload_base64} (base64: it is not UTF-8)`
      : safe(letter.payload_text);
  return [
    facts,
    ...(letter.history.length > 0 ? [`history\n${history}`] : []),
    `headers\n${headers}`,
    `payload (${letter.size} bytes)\n${payload}`,
  ].join("\n\n");
}

/** How many. */
export function counted({ count, index }: Of<"count">): string {
  return `${count} dead letters${notice(index)}`;
}

/** Counts by group and reason. */
export function totals({ groups }: Of<"totals">): string {
  if (groups.length === 0) return "no dead letters";
  const rows = groups.flatMap(({ group, by_reason }) =>
    Object.entries(by_reason).map(([reason, { dead, archived }]) => [group, reason, dead, archived]),
  );
  return table(["group", "reason", "dead", "archived"], rows);
}

/** Failure groups. */
export function failures({ items, more, index }: Of<"failures">): string {
  if (items.length === 0) return `no dead letters${notice(index)}`;
  const rows = items.map((item) => [
    item.fingerprint,
    item.count,
    item.error,
    item.by.map(({ language, version, count }) => `${language} ${version}: ${count}`).join(", "),
    Object.keys(item.groups).join(", "),
    Object.keys(item.reasons).join(", "),
    item.last_at,
    item.example_id,
  ]);
  const shown = table(["failure", "count", "error", "by", "groups", "reasons", "last", "example"], rows);
  return `${shown}${more > 0 ? `\n\n${more} more failure groups: --limit` : ""}${notice(index)}`;
}

function claim(of: Of<"get">["claim"]): string | undefined {
  if (of === undefined) return undefined;
  const what = `${of.kind} of ${of.at}`;
  if (of.state === "replayed") return `${what}, sent as event ${of.as_event_id ?? ""}`;
  return of.is_held ? `${what} is under way until ${of.lease_until}` : `${what} did not finish: repeat it`;
}

// An answer that is not whole has to say so.
function notice(index: Of<"count">["index"]): string {
  if (index.state === "building")
    return `\n\nnot all are read yet: ${index.done} of ${index.of} messages; ask again shortly`;
  return index.state === "behind"
    ? `\n\nwhat came or went after ${index.as_of} may not show yet; ask again shortly`
    : "";
}
