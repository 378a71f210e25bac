import type { Account } from "@muster/contracts";
import type { ControlPlane } from "./control-plane.ts";
import type { DemoGroup } from "./group.ts";

/** What `verify` answers. */
export type Verified = Awaited<ReturnType<ControlPlane["api"]["verify"]["query"]>>;

/**
 * Asks the control plane to close the same account. It knows nothing of what was published and reads
 * other things, sequences among them: two ways that must come to the same figures.
 */
export async function crossCheck(
  plane: ControlPlane,
  { stream, group }: DemoGroup,
  account: Account,
): Promise<{ verified: Verified; problems: string[] }> {
  const verified = await plane.api.verify.query({ stream, group });
  return { verified, problems: differences(verified, account) };
}

/** Where `verify` and the demo's own account differ, a line each. */
export function differences({ terms, lost }: Verified, account: Account): string[] {
  const conflicts = account.dead_by_reason.conflict ?? 0;
  const figures = [
    ["accepted", terms.accepted, account.published],
    ["done", terms.done, account.done],
    ["dead", terms.dead, account.dead],
    ["archived", terms.archived, 0],
    ["waiting", terms.waiting, 0],
    ["lost", terms.lost, account.lost.length],
    ["conflicts", terms.conflicts, conflicts],
  ] as const;
  const named = lost
    .slice(0, 10)
    .map((one) => ("event_id" in one ? one.event_id : `message ${one.sequence}`));
  return figures
    .filter(([, theirs, ours]) => theirs !== ours)
    .map(([term, theirs, ours]) => {
      const which = term === "lost" && named.length > 0 ? ` (${named.join(", ")})` : "";
      return `verify disagrees: ${term} ${theirs}${which}, the demo found ${ours}`;
    });
}

/** The figures of `verify` in a line. */
export function verifiedText({ terms }: Verified): string {
  const { accepted, done, dead, archived, waiting, lost } = terms;
  return `verify: accepted ${accepted} = done ${done} + dead ${dead} + archived ${archived} + waiting ${waiting} + lost ${lost}`;
}
