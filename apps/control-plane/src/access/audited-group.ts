// The audit rows of each group in a file: as if it had been applied alone.
import type { Around, GroupApplied } from "../groups/apply-groups.ts";
import type { Nats } from "../nats/connection.ts";
import { type Action, audited } from "./audited.ts";

type Noted = { done: GroupApplied } & (
  | { ok: true }
  | { ok: false; error: { code: string; message: string } }
);

/** Notes the work on a group before and after, with its spec as it was and as it is then. */
export function auditedGroup(nats: Nats, about: Omit<Action, "action">): Around {
  return async (entry, run) => {
    const { done } = await audited(nats, { ...about, action: "groups.apply", input: entry }, async () =>
      noted(await run()),
    );
    return done;
  };
}

function noted(done: GroupApplied): Noted {
  if (done.outcome !== "failed") return { done, ok: true };
  return { done, ok: false, error: { code: done.code, message: done.error } };
}
