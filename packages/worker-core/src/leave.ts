import type { PermissionViolationError } from "@nats-io/transport-node";
import { closeBase } from "./base.ts";
import { delay } from "./clock.ts";
import type { Life } from "./life.ts";
import { isNeeded } from "./needs.ts";
import type { WorkerEnd } from "./worker-options.ts";

// How a member leaves: why it does so by itself, what it still brings to an end, and what it closes.

/** Another process has our id. */
export function taken(life: Life): void {
  life.log.error(
    { code: "id_taken", error: "another process runs under this id; set WORKER_ID" },
    "id taken",
  );
  life.isTaken = true;
  void drain(life);
}

/** The server refused a publish or a subscription. */
export function forbidden(life: Life, error: PermissionViolationError): void {
  if (isNeeded(error, life.config)) {
    refused(life, "not permitted", "not_permitted", error.message);
  } else {
    life.log.error({ code: "nats_error", error: error.message }, "server error");
  }
}

/** Without what the server refuses there is no work: a process that ends says so more clearly than one that waits. */
export function refused(life: Life, message: string, code: string, error: string): void {
  if (!life.isRefused) {
    life.log.error({ code, error }, message);
  }
  life.isRefused = true;
  void drain(life);
}

/** Stops taking messages, lets handlers finish within the grace, leaves. Idempotent. */
export function drain(life: Life): Promise<void> {
  life.draining ??= finishAndLeave(life);
  return life.draining;
}

async function finishAndLeave(life: Life): Promise<void> {
  life.log.info({ state: "draining" }, "draining");
  life.stopStart.abort();
  // A claim on its way would otherwise be made after the record was deleted.
  await life.starting?.catch(() => undefined);
  const { work } = life;
  let reason: WorkerEnd["reason"] = "drained";
  if (work !== undefined) {
    // Handlers may still need the connection: returning what was not started comes before its end.
    const graceOver = new AbortController();
    const grace = delay(life.config.graceMs, graceOver.signal).then(() => "grace" as const);
    reason = await Promise.race([grace, work.drain().then(() => "drained" as const)]);
    graceOver.abort();
    if (reason === "grace") {
      work.abort("the grace of the drain is over");
    }
  }
  await close(life);
  life.end.resolve({ reason: life.isTaken ? "taken" : life.isRefused ? "refused" : reason });
}

/** Leaves the group and ends the connection. Idempotent. */
export async function close(life: Life): Promise<void> {
  const { base } = life;
  const wasStopped = life.stop.signal.aborted;
  life.stop.abort();
  life.stopStart.abort();
  if (wasStopped) {
    return;
  }
  if (base !== undefined) {
    if (!life.isTaken) {
      await base.membership.leave();
    }
    await life.work?.close();
    await closeBase(base);
    life.log.info("left");
  }
  await life.http?.close();
  life.events.emit("left");
}
