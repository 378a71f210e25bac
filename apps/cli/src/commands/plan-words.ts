// A plan in words: what would be made or changed, field by field.
import type { Client } from "../client.ts";
import { safe } from "../text.ts";

type Plan = Awaited<ReturnType<Client["groups"]["plan"]["mutate"]>>;

/** The plan for people; what stays as it is, is left out. */
export function planned({ stream, group, revision, changes, restart_needed }: Plan): string {
  const all = changes
    .filter(({ change }) => change !== "unchanged")
    .flatMap(({ what, change, differences }) => [
      `${change} ${safe(what)}`,
      ...differences.map((difference) => `  ${safe(inWords(difference))}`),
    ]);
  const restart =
    restart_needed.length === 0
      ? []
      : [`members that run go on as before until they are restarted: ${restart_needed.join(", ")}`];
  const now = revision === 0 ? "is new" : `is at revision ${revision}`;
  const end = all.length === 0 ? "nothing to do" : "apply makes it so";
  return [...all, "", ...restart, `group ${group} of stream ${stream} ${now}: ${end}`].join("\n").trimStart();
}

function inWords({ field, is, wanted }: Plan["changes"][number]["differences"][number]): string {
  if (is === undefined && wanted === undefined) return `${field} differs`;
  if (is === undefined) return `${field}: ${shown(wanted)}`;
  return `${field}: ${shown(is)} → ${wanted === undefined ? "none" : shown(wanted)}`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map(shown).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
