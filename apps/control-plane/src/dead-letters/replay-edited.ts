// Replays one dead letter with an edit, which the audit keeps.
import { checkName, dlqStream } from "@muster/contracts";
import { writeAudit } from "../access/audit.ts";
import type { Actor } from "../access/roles.ts";
import { getStream } from "../groups/streams.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import type { ReplayOptions } from "./check.ts";
import { diffOf } from "./diff.ts";
import { type Edit, withEdit } from "./edit.ts";
import { getStoredDeadLetter } from "./find.ts";
import { type ReplayHooks, replayOne } from "./replay.ts";
import type { ReplayReport } from "./replay-many.ts";
import { createTargets } from "./target.ts";

/** Who edits, in which request. */
export type Editor = { actor: Actor; requestId: string };

/**
 * The edited letter passes the contract as it is now before anything is claimed, and its difference is in the audit
 * before it is sent. Throws `not_found`, `no_group`, `no_audit`.
 */
export async function replayEdited(
  nats: Nats,
  ledgers: Ledgers,
  { stream, id, edit, ...options }: ReplayOptions & { stream: string; id: string; edit: Edit },
  { actor, requestId }: Editor,
  { onStep = () => undefined, ...hooks }: ReplayHooks = {},
): Promise<ReplayReport> {
  checkName("stream", stream);
  await getStream(nats, dlqStream(stream));
  const letter = await getStoredDeadLetter(nats, stream, id);
  const target = await createTargets(nats, ledgers, stream)(letter.group);
  const after = { id, ...diffOf(letter, withEdit(letter, edit)) };
  const outcome = await replayOne(
    nats,
    letter,
    target,
    { ...options, edit },
    {
      ...hooks,
      onStep: async (step) => {
        if (step === "checked")
          await writeAudit(nats, {
            actor,
            action: "deadLetters.edit",
            request_id: requestId,
            outcome: "begun",
            after,
          });
        await onStep(step);
      },
    },
  );
  return { counts: { [outcome.outcome]: 1 }, more: 0, outcomes: [outcome] };
}
