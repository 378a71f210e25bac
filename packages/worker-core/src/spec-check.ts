import type { GroupSpec } from "@muster/contracts";
import type { WorkerConfig } from "./config.ts";

/** Why this member cannot work by the spec, with what to do; undefined when it can. */
export function whyUnsupported(spec: GroupSpec, config: WorkerConfig): string | undefined {
  const { mode } = spec.delivery;
  const isCore = config.stream === "core";
  if (isCore !== (mode === "queue")) {
    return isCore
      ? `MUSTER_STREAM core is for delivery mode queue, the spec says ${mode}`
      : "delivery mode queue needs MUSTER_STREAM core: a core queue group has no stream";
  }
  if (mode === "queue" && spec.ledger !== "none") {
    return `a core queue group has no ledger, the spec says ${spec.ledger}; set it to none`;
  }
  if (mode === "push" && config.apiPrefix !== "$JS.API") {
    return "a push group receives nothing across accounts (MUSTER_API_PREFIX is set); use pull or batch";
  }
  if (spec.ledger === "postgres" && config.databaseUrl === undefined) {
    return "ledger postgres needs DATABASE_URL";
  }
  return undefined;
}

/** What the delivery mode or the ledger cannot promise; said once at start. */
export function whatIsNotPromised(spec: GroupSpec): readonly string[] {
  const limits: string[] = [];
  switch (spec.delivery.mode) {
    case "pull":
    case "batch":
      break;
    case "push":
      limits.push(
        "push: the server pushes without asking, only max_ack_pending bounds what a member holds; one stuck member can hold it all",
      );
      break;
    case "queue":
      limits.push(
        "queue: at most once; what a killed process has in hand is lost, there are no retries, and while paused messages pass unseen",
      );
      break;
  }
  if (spec.ledger === "none" && spec.delivery.mode !== "queue") {
    limits.push("ledger none: at least once; the handler has to be idempotent by the event id");
  }
  if (spec.ledger === "kv") {
    limits.push(
      "ledger kv: the effect that happens once is the handler's result; make outside effects idempotent by the event id",
    );
  }
  return limits;
}
