import type { Base } from "./base.ts";
import { delay } from "./clock.ts";
import { taken } from "./leave.ts";
import type { Life } from "./life.ts";
import type { Work } from "./work.ts";

// What a member does again and again while it is in its group: it beats, and it follows the spec.

/** Heartbeats until the worker leaves; while draining too: a record that expires looks like a crash. */
export async function beat(life: Life, base: Base): Promise<void> {
  const { signal } = life.stop;
  for (;;) {
    await delay(life.config.heartbeatMs, signal);
    if (signal.aborted) {
      return;
    }
    const claim = await base.membership.beat(() => life.record(), signal);
    if (claim === "unreachable") {
      life.metrics.heartbeatFailed();
    }
    if (!signal.aborted && claim === "taken") {
      taken(life);
      return;
    }
  }
}

/** Follows the spec until the worker leaves: beside the heartbeat, which must not expire for a ledger that is slow to open. */
export async function follow(life: Life, base: Base, work: Work): Promise<void> {
  const { signal } = life.stop;
  for (;;) {
    await delay(life.config.heartbeatMs, signal);
    if (signal.aborted) {
      return;
    }
    await poll(life, base, work);
  }
}

/** Brings the member up to date with its spec and contracts. */
export async function poll(life: Life, base: Base, work: Work): Promise<void> {
  const { spec, contracts, hold } = base;
  const before = spec.revision;
  await spec.poll();
  hold.adjust();
  if (spec.last === undefined) {
    return;
  }
  await contracts.refresh(spec.last.contracts);
  if (work.mode === undefined) {
    await work.open(spec.last);
  }
  if (spec.revision !== before) {
    life.events.emit("spec", spec.last);
    tellPause(life, spec.last.paused);
  }
  // Concurrency or pause may have changed.
  work.wake();
}

function tellPause(life: Life, isPaused: boolean): void {
  if (isPaused !== life.wasPaused) {
    life.wasPaused = isPaused;
    life.log.info(isPaused ? "paused" : "resumed");
    life.events.emit(isPaused ? "paused" : "resumed");
  }
}
