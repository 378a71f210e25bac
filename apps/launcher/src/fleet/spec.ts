import type { GroupSpecInput } from "@muster/contracts";
import { type DemoGroup, demoSpec } from "../demo/group.ts";
import { MAX_ATTEMPTS, TIMEOUT_MS } from "./kinds.ts";

/** How long a message is a member's own after its last extension, in ms; a stopped member is stopped for longer. */
export const ACK_WAIT_MS = 2000;

/** The spec of a fleet: the demo's, with the ledger asked for, and times that let a member be stopped for longer. */
export function fleetSpec(
  names: DemoGroup,
  ledger: "kv" | "postgres",
  members: number,
): GroupSpecInput & { v: 1 } {
  return {
    ...demoSpec(names, members),
    ledger,
    ack_wait_ms: ACK_WAIT_MS,
    timeout_ms: TIMEOUT_MS,
    retry: { max_attempts: MAX_ATTEMPTS, backoff_ms: [100, 200, 400], jitter: 0.2 },
  };
}
