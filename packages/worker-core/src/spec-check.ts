import type { GroupSpec } from "@muster/contracts";
import type { WorkerConfig } from "./config.ts";

/** Why this process cannot work by the spec, with what to do; undefined when it can. */
export function whyUnsupported(spec: GroupSpec, config: WorkerConfig): string | undefined {
  if (spec.delivery.mode === "push" && config.apiPrefix !== "$JS.API") {
    return "a push group receives nothing across accounts (MUSTER_API_PREFIX is set); use mode pull or batch";
  }
  if (spec.ledger === "postgres" && config.databaseUrl === undefined) {
    return "ledger postgres needs DATABASE_URL";
  }
  return undefined;
}

/** What the group promises less than `pull` with a ledger does; said once at start. */
export function whatIsNotPromised(spec: GroupSpec): readonly { code: string; limit: string }[] {
  const limits: { code: string; limit: string }[] = [];
  const { mode } = spec.delivery;
  if (mode === "queue") {
    limits.push({
      code: "at_most_once",
      limit:
        "what a killed process has in hand is lost, nothing is retried, a pause lets messages pass unseen",
    });
  }
  if (mode === "push") {
    limits.push({
      code: "unbounded_hold",
      limit:
        "only max_ack_pending bounds what the server pushes to a member; one that is stuck can hold it all",
    });
  }
  if (spec.ledger === "none" && mode !== "queue") {
    limits.push({
      code: "no_ledger",
      limit: "at least once: the handler has to be idempotent by the event id",
    });
  }
  return limits;
}
