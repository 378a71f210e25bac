// Carries out a change between its two audit rows.
import { buckets, groupKey, isName, MusterError } from "@muster/contracts";
import { getText } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { writeAudit } from "./audit.ts";
import type { Actor } from "./roles.ts";

/** What came of a procedure. */
export type Ended = { ok: true } | { ok: false; error: { message: string; cause?: unknown } };

/** Runs a change. What it was about is kept as it was and as it is then, where that is a group. */
export async function audited<T extends Ended>(
  nats: Nats,
  about: { actor: Actor; action: string; requestId: string; input: unknown },
  run: () => Promise<T>,
): Promise<T> {
  const { actor, action, requestId: request_id, input } = about;
  const before = await specOf(nats, input);
  await writeAudit(nats, { actor, action, request_id, outcome: "begun", asked: input, before });
  const result = await run();
  const end = { actor, action, request_id, after: await specOf(nats, input).catch(() => undefined) };
  await writeAudit(nats, { ...end, ...outcomeOf(result) });
  return result;
}

/** Notes who was not let through, and why. */
export async function auditRefusal(
  nats: Nats,
  about: { actor: Actor; action: string; requestId: string; error: MusterError },
): Promise<void> {
  const { actor, action, requestId: request_id, error } = about;
  await writeAudit(nats, {
    actor,
    action,
    request_id,
    outcome: "refused",
    code: error.code,
    error: error.message,
  });
}

function outcomeOf(result: Ended) {
  if (result.ok) return { outcome: "done" as const };
  const { cause, message } = result.error;
  const code = cause instanceof MusterError ? cause.code : "internal";
  // Our own codes are refusals; when NATS was away in the middle nobody knows.
  const isFailure =
    code === "internal" || code === "nats_down" || code === "nats_error" || code === "database_down";
  return {
    outcome: isFailure ? ("failed" as const) : ("refused" as const),
    code,
    error: message.slice(0, 500),
  };
}

async function specOf(nats: Nats, input: unknown): Promise<unknown> {
  const { spec, stream, group } = (input ?? {}) as { spec?: unknown; stream?: unknown; group?: unknown };
  const named = (typeof spec === "object" && spec !== null ? spec : { stream, group }) as {
    stream?: unknown;
    group?: unknown;
  };
  if (typeof named.stream !== "string" || typeof named.group !== "string") return undefined;
  if (!isName(named.stream) || !isName(named.group)) return undefined;
  const text = await getText(nats, buckets.groups, groupKey(named.stream, named.group));
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}
