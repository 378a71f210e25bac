// Jobs for people.
import type { Answer } from "../procedures.ts";
import { list, table } from "../table.ts";
import { safe } from "../text.ts";

/** A job as the control plane tells it. */
export type Job = Answer<"jobs.get">;

type Outcomes = Answer<"jobs.outcomes">;

/** Whether nothing more happens to it. */
export function isOver({ state }: Job): boolean {
  return state === "done" || state === "cancelled" || state === "failed";
}

/** Jobs as a table. */
export function jobs(all: readonly Job[]): string {
  if (all.length === 0) return "no jobs";
  const rows = all.map((one) => [
    one.id,
    one.stream,
    filterText(one),
    stateText(one),
    one.counts.selected,
    one.counts.replayed,
    unsent(one),
    one.created_at,
    one.created_by.name,
  ]);
  return table(
    ["id", "stream", "filter", "state", "selected", "replayed", "not sent", "created", "by"],
    rows,
  );
}

/** One job in full. */
export function job(one: Job): string {
  const { counts, since } = one;
  const facts = list([
    ["job", one.id],
    ["stream", one.stream],
    ["filter", filterText(one)],
    ["created", `${one.created_at} by ${one.created_by.name}`],
    ["state", `${stateText(one)}${one.is_held ? `, in hand of ${one.holder}` : ""}`],
    ...(one.reason === undefined ? [] : [["why", `${one.reason.message} [${one.reason.code}]`] as const]),
    ["place", `${one.cursor} of ${one.until_sequence} in the dead-letter stream`],
    ["selected", counts.selected],
    ["replayed", counts.replayed],
    ["gone", counts.gone],
    ["parked", counts.parked],
    ["skipped", byCode(counts.skipped)],
    ["failed", byCode(counts.failed)],
    ["tried again", one.open],
    ["under way", one.noted],
    ...(one.canary === undefined ? [] : [["canaries", canaryText(one)] as const]),
    ...(since === undefined
      ? []
      : [
          [
            "dead since",
            `${since.came_back} came back, ${since.new} new${since.more ? ", and more" : ""}`,
          ] as const,
        ]),
  ]);
  if (one.sample.length === 0) return facts;
  const rows = one.sample.map(({ id, code, error }) => [id, code, error]);
  return `${facts}\n\nnot sent, some of them\n${table(["id", "code", "why"], rows)}`;
}

/** A page of what became of its letters. */
export function outcomes({ items, next_cursor, is_whole }: Outcomes): string {
  const notice = is_whole
    ? ""
    : "\n\nsome are missing: which letters a job has sent is kept for 7 days; ledger and `dlq list` still tell of each event";
  if (items.length === 0) return `no letters${notice}`;
  const rows = items.map((one) => [
    one.id,
    one.group,
    one.event_id ?? "",
    one.outcome.replace("_", " "),
    one.code ?? one.dead_letter?.reason ?? one.member ?? one.done_at ?? "",
    one.dead_letter?.id ?? "",
  ]);
  const shown = table(["id", "group", "event id", "outcome", "why, by, since", "dead as"], rows);
  return `${shown}${next_cursor === undefined ? "" : `\n\nmore: --cursor ${next_cursor}`}${notice}`;
}

function filterText({ filter, force, limit, rate_per_second: rate }: Job): string {
  const parts = Object.entries(filter).map(([name, value]) => `${name}=${value}`);
  return safe(
    [
      parts.join(" ") || "all",
      ...(force ? ["with force"] : []),
      ...(limit === undefined ? [] : [`at most ${limit}`]),
      ...(rate === undefined ? [] : [`${rate}/s`]),
    ].join(", "),
  );
}

function stateText({ state, reason }: Job): string {
  return `${state.replaceAll("_", " ")}${reason === undefined ? "" : ` (${reason.code})`}`;
}

function canaryText({ canary, canaries, canary_passed }: Job): string {
  const of = (wanted: string) => canaries.filter(({ outcome }) => outcome === wanted).length;
  const told = `${canaries.length} of ${canary} sent, ${of("done")} done, ${of("dead") + of("lost")} not`;
  return canary_passed ? `${told}: passed` : told;
}

function unsent({ counts: { parked, skipped, failed } }: Job): number {
  return [parked, ...Object.values(skipped), ...Object.values(failed)].reduce((sum, count) => sum + count, 0);
}

function byCode(counts: Record<string, number>): string {
  const told = Object.entries(counts).map(([code, count]) => `${count} ${code}`);
  return told.join(", ") || "0";
}
