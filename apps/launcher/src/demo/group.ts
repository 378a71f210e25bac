import type { GroupSpecInput } from "@muster/contracts";

/** The names of a demo's group. */
export type DemoGroup = {
  stream: string;
  group: string /** Orders go to `<subjectRoot>.<event>`. */;
  subjectRoot: string;
};

/** On a server of its own the demo uses the plain names; on a shared one, names that no other run has. */
export function namesOf(isShared: boolean, runId: string): DemoGroup {
  if (!isShared) return { stream: "ORDERS", group: "demo", subjectRoot: "orders" };
  return { stream: `DEMO_${runId}`, group: "demo", subjectRoot: `demo-${runId}` };
}

/** The spec of the demo: quick to notice a killed worker, quick to give up on a missing fraud check. */
export function demoSpec(
  { stream, group, subjectRoot }: DemoGroup,
  minMembers: number,
): GroupSpecInput & { v: 1 } {
  return {
    v: 1,
    stream,
    group,
    contracts: ["order.v1"],
    subjects: [`${subjectRoot}.>`],
    delivery: { mode: "pull" },
    ledger: "kv",
    ack_wait_ms: 2000,
    concurrency: 10,
    timeout_ms: 10_000,
    retry: { max_attempts: 4, backoff_ms: [200, 400, 800], jitter: 0.2 },
    min_members: minMembers,
  };
}

/** How long a worker takes for an order: short in a large demo, but never so short that one worker drains it alone. */
export function workMsFor(orders: number): number {
  return Math.min(100, Math.max(30, Math.round(100_000 / orders)));
}
