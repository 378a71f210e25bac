import type { MemberRecord } from "@muster/contracts";

/** Whether the process should be kept: not when every slot is held by a handler past its deadline. */
export function isLive(
  { concurrency }: { concurrency: number },
  lateHandlers: number,
): { ok: boolean; why?: string } {
  return concurrency > 0 && lateHandlers >= concurrency
    ? { ok: false, why: `all ${concurrency} slots are past their deadline` }
    : { ok: true };
}

/** Whether the member takes messages, with every reason why not. */
export function whyNotReady(facts: {
  hasJoined: boolean;
  isConnected: boolean;
  state: MemberRecord["state"];
  isDegraded: boolean;
}): { ok: boolean; why: string[] } {
  const why: string[] = [];
  if (!facts.isConnected) {
    why.push("not connected to NATS");
  }
  if (!facts.hasJoined) {
    why.push("not joined yet");
  }
  if (facts.state === "starting") {
    why.push("the group has no spec that can be used");
  }
  if (facts.state === "draining") {
    why.push("draining");
  }
  if (facts.isDegraded) {
    why.push("degraded: a dependency does not answer, or too many attempts fail");
  }
  return { ok: why.length === 0, why };
}
