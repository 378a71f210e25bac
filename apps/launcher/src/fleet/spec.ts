import type { GroupSpecInput } from "@muster/contracts";
import type { DemoGroup } from "../demo/group.ts";
import { MAX_ATTEMPTS, TIMEOUT_MS } from "./kinds.ts";

/** How long a message is a member's own after its last extension, in ms; a stopped member is stopped for longer. */
export const ACK_WAIT_MS = 2000;

/** The spec of a fleet: quick to notice a member that is gone, quick to try again. */
export function fleetSpec(
  { stream, group, subjectRoot }: DemoGroup,
  ledger: "kv" | "postgres",
  members: number,
): GroupSpecInput & { v: 1 } {
  return {
    v: 1,
    stream,
    group,
    contracts: ["order.v1"],
    subjects: [`${subjectRoot}.>`],
    delivery: { mode: "pull" },
    ledger,
    ack_wait_ms: ACK_WAIT_MS,
    concurrency: 10,
    timeout_ms: TIMEOUT_MS,
    retry: { max_attempts: MAX_ATTEMPTS, backoff_ms: [100, 200, 400], jitter: 0.2 },
    min_members: members,
  };
}
