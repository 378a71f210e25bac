// What the command that closes a group's account has beyond its procedure.
import type { Answer } from "../procedures.ts";
import type { Refinements } from "../refinement.ts";
import { list } from "../table.ts";
import { safe } from "../text.ts";

/** `muster verify`. */
export const verify: Refinements = {
  verify: {
    note: "Reads all that the group ever settled: minutes for millions. Exit code 1 unless all are found",
    // It reads all of a group; again and again would be for nothing.
    isWatched: false,
    told: verified,
    isFailure: ({ ok }) => !ok,
  },
};

function verified({ terms, lost, no_account, cannot_see }: Answer<"verify">): string {
  const account = list([
    ["accepted", terms.accepted],
    ["= done", terms.done],
    ["+ dead", terms.dead],
    ["+ archived", terms.archived],
    ["+ waiting", terms.waiting],
    ["+ lost", terms.lost],
    ...(no_account === undefined ? [] : [["+ done or lost", terms.untraced] as const]),
    ["", ""],
    ["ready", terms.ready],
    ["in flight", terms.in_flight],
    ["backing off", terms.backing_off],
    ["repeats", terms.repeats],
    ["conflicts", terms.conflicts],
  ]);
  const missing = lost.map((one) =>
    "event_id" in one ? `  event ${safe(one.event_id)}` : `  message ${one.sequence}`,
  );
  const result = [
    ...(no_account === undefined ? [] : [`no account of this group can be closed: ${safe(no_account)}`]),
    ...(terms.lost > 0 ? [`LOST: ${terms.lost}`, ...missing] : []),
  ];
  if (result.length === 0) result.push("the account closes: nothing is lost");
  return `${account}\n\n${result.join("\n")}\n\nnot seen by this account:\n${cannot_see.map((line) => `  ${safe(line)}`).join("\n")}`;
}
