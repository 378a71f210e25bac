// What the commands for who may do what, and who did what, have beyond their procedures.
import { askToGoOn } from "../ask.ts";
import type { Answer } from "../procedures.ts";
import type { Refinements } from "../refinement.ts";
import { list, table } from "../table.ts";

/** `muster tokens …`, `muster audit`. */
export const access: Refinements = {
  "tokens.create": { told: made },
  "tokens.list": { told: tokenTable },
  "tokens.revoke": {
    extend: (command) => command.option("--yes", "without asking"),
    prepare: async ({ input, options }) => {
      await askToGoOn(`token ${input.id} will let nobody in any more, for good`, options["yes"] === true);
      return input;
    },
    told: ({ id, revoked_at }) => `token ${id} is revoked since ${revoked_at}`,
  },
  "audit.list": {
    words: "audit",
    told: {
      people: page,
      items: ({ rows }) => rows,
      more: ({ next }) => (next === undefined ? undefined : `--cursor ${next}`),
    },
  },
};

function made({ token, id, name, role, expires_at }: Answer<"tokens.create">): string {
  return `${list([
    ["token", token],
    ["id", id],
    ["name", name],
    ["role", role],
    ["expires", expires_at ?? "never"],
  ])}\n\nIt is shown this once: keep it, and set MUSTER_TOKEN.`;
}

function tokenTable(tokens: Answer<"tokens.list">): string {
  return table(
    ["id", "name", "role", "created", "last used", "ends"],
    tokens.map(({ id, name, role, created_at, last_used_at, expires_at, revoked_at }) => [
      id,
      name,
      role,
      created_at,
      last_used_at ?? "never",
      revoked_at === undefined ? (expires_at ?? "never") : `revoked ${revoked_at}`,
    ]),
  );
}

function page({ rows, next }: Answer<"audit.list">): string {
  if (rows.length === 0) return "no rows";
  const lines = table(
    ["row", "at", "who", "action", "outcome", "code", "input"],
    rows.map(({ sequence, at, actor, action, outcome, code, input }) => [
      sequence,
      at,
      `${actor.name} (${actor.id})`,
      action,
      outcome,
      code,
      input,
    ]),
  );
  return next === undefined ? lines : `${lines}\n\nolder rows: --cursor ${next}`;
}
