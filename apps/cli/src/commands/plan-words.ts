// Plans in words: what would be made or changed, field by field; and what an apply has done.
import type { Answer } from "../procedures.ts";
import { table } from "../table.ts";
import { safe } from "../text.ts";

type Plan = Answer<"groups.plan">;
type PlanAll = Answer<"groups.planAll">;
type Applied = Answer<"groups.apply">;
type AppliedAll = Answer<"groups.applyAll">;
type Changes = Plan["changes"];

/** The plan of a group for people; what stays as it is, is left out. */
export function planned(plan: Plan): string {
  const all = changed(plan.changes);
  const end = all.length === 0 ? "nothing to do" : "apply makes it so";
  return [...all, "", ...restart(plan), `${nameOf(plan)} ${now(plan)}: ${end}`].join("\n").trimStart();
}

/** The plan of a file of groups: what they share, then each that changes. */
export function plannedAll({ nothing_to_do, shared, groups }: PlanAll): string {
  const blocks = groups.map((plan) => ({ plan, lines: changed(plan.changes) }));
  const toChange = blocks.filter(({ lines }) => lines.length > 0);
  const told = toChange.map(({ plan, lines }) =>
    [`${nameOf(plan)} ${now(plan)}`, ...lines.map((line) => `  ${line}`), ...restart(plan)].join("\n"),
  );
  const end = nothing_to_do ? "nothing to do" : "apply makes it so";
  const ofShared = changed(shared).join("\n");
  const total = `${groups.length} groups, ${toChange.length} to change: ${end}`;
  return [...(ofShared === "" ? [] : [ofShared]), ...told, total].join("\n\n");
}

/** What an apply did to a group. */
export function applied({ stream, group, revision, changes, notes }: Applied): string {
  const rows = changes.map(({ what, change }) => [what, words(change)]);
  const end = `group ${group} of stream ${stream} is at revision ${revision}`;
  return [table(["what", "change"], rows), ...noted(notes), end].join("\n\n");
}

/** What is not as it was asked for yet. */
function noted(notes: readonly string[] = []): string[] {
  return notes.length === 0 ? [] : [notes.map((note) => `note: ${safe(note)}`).join("\n")];
}

/** What an apply did to a file of groups. */
export function appliedAll({ ok, shared, groups, notes }: AppliedAll): string {
  const ofShared = shared.filter(({ change }) => change !== "unchanged");
  const things = table(
    ["what", "change"],
    ofShared.map(({ what, change }) => [what, words(change)]),
  );
  const rows = groups.map((one) => [
    one.stream,
    one.group,
    words(one.outcome),
    one.outcome === "applied" ? one.revision : "",
    one.outcome === "applied" ? summary(one.changes) : "",
  ]);
  const why = groups.flatMap((one) =>
    one.outcome === "failed" ? [`${nameOf(one)} failed: ${safe(one.error)} [${safe(one.code)}]`] : [],
  );
  const end = ok
    ? `${groups.length} groups are as the file says`
    : "what is made stays; apply the file again to go on";
  return [
    ...(ofShared.length === 0 ? [] : [things]),
    table(["stream", "group", "outcome", "revision", "changes"], rows),
    ...why,
    ...noted(notes),
    end,
  ].join("\n\n");
}

function summary(changes: Applied["changes"]): string {
  const told = changes.filter(({ change }) => change !== "unchanged");
  return told.map(({ what, change }) => `${what.split(" ", 1)[0]} ${words(change)}`).join(", ") || "none";
}

function changed(changes: Changes): string[] {
  return changes
    .filter(({ change }) => change !== "unchanged")
    .flatMap(({ what, change, differences }) => [
      `${words(change)} ${safe(what)}${change === "take_over" ? ", which others made" : ""}`,
      ...differences.map((difference) => `  ${safe(inWords(difference))}`),
    ]);
}

function restart({ restart_needed }: Plan): string[] {
  return restart_needed.length === 0
    ? []
    : [`members that run go on as before until they are restarted: ${restart_needed.join(", ")}`];
}

function nameOf({ stream, group }: { stream: string; group: string }): string {
  return safe(`group ${group} of stream ${stream}`);
}

function now({ revision }: Plan): string {
  return revision === 0 ? "is new" : `is at revision ${revision}`;
}

function words(code: string): string {
  return code.replaceAll("_", " ");
}

function inWords({ field, is, wanted }: Changes[number]["differences"][number]): string {
  if (is === undefined && wanted === undefined) return `${field} differs`;
  if (is === undefined) return `${field}: ${shown(wanted)}`;
  return `${field}: ${shown(is)} → ${wanted === undefined ? "none" : shown(wanted)}`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(shown).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
