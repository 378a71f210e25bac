// Carries out a change between its two audit rows.
import { buckets, groupKey, isName, MusterError, sha256Hex } from "@muster/contracts";
import type { Log } from "../log.ts";
import { getText } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { writeAudit } from "./audit.ts";
import type { Actor } from "./roles.ts";

/** What came of a procedure; `code` is tRPC's. */
export type Ended = { ok: true } | { ok: false; error: { code: string; message: string; cause?: unknown } };

/** Who does what. `input` is left out where it is other people's data. */
export type Action = { actor: Actor; action: string; requestId: string; log: Log };

/** Runs a change. What it was about is kept as it was and as it is then, where that is a group. */
export async function audited<T extends Ended>(
  nats: Nats,
  about: Action & { input?: unknown },
  run: () => Promise<T>,
): Promise<T> {
  const { actor, action, requestId: request_id, input } = about;
  const before = await specOf(nats, input);
  await writeAudit(nats, { actor, action, request_id, outcome: "begun", asked: withoutEdit(input), before });
  const result = await run();
  const after = await specOf(nats, input).catch(() => undefined);
  await afterwards(about, writeAudit(nats, { actor, action, request_id, after, ...outcomeOf(result) }));
  return result;
}

/** Notes who was not let through, and why. */
export async function auditRefusal(nats: Nats, about: Action & { error: MusterError }): Promise<void> {
  const { actor, action, requestId: request_id, error } = about;
  const refused = { outcome: "refused", code: error.code, error: error.message } as const;
  await afterwards(about, writeAudit(nats, { actor, action, request_id, ...refused }));
}

/** What has happened has happened: the caller hears of that, and the log of a row that is missing. */
async function afterwards({ log, action, requestId, actor }: Action, written: Promise<void>): Promise<void> {
  try {
    await written;
  } catch (error) {
    log.error({ action, request_id: requestId, actor: actor.id, error: String(error) }, "audit row missing");
  }
}

function outcomeOf(result: Ended) {
  if (result.ok) return { outcome: "done" as const };
  const { cause, message, code: trpcCode } = result.error;
  const code = cause instanceof MusterError ? cause.code : trpcCode.toLowerCase();
  return {
    // Our own codes are refusals; when something was away in the middle nobody knows.
    outcome: broken.has(code) ? ("failed" as const) : ("refused" as const),
    code,
    error: message.slice(0, MOST_ERROR),
  };
}

const MOST_ERROR = 500;
const broken = new Set([
  "internal_server_error",
  "nats_down",
  "nats_error",
  "database_down",
  "database_refused",
  "no_answer",
]);

async function specOf(nats: Nats, input: unknown): Promise<unknown> {
  const { spec, stream, group } = (input ?? {}) as { spec?: unknown; stream?: unknown; group?: unknown };
  const named = (typeof spec === "object" && spec !== null ? spec : { stream, group }) as {
    stream?: unknown;
    group?: unknown;
  };
  if (typeof named.stream !== "string" || typeof named.group !== "string") return undefined;
  if (!isName(named.stream) || !isName(named.group)) return undefined;
  const text = await getText(nats, buckets.groups, groupKey(named.stream, named.group));
  return text === undefined ? undefined : jsonOr(text);
}

/** An edited payload is other people's data; what it changed has a row of its own, which is bounded. */
function withoutEdit(input: unknown): unknown {
  if (typeof input !== "object" || input === null || !("edit" in input)) return input;
  return { ...input, edit: { sha256: sha256Hex(JSON.stringify(input.edit)) } };
}

/** A record that cannot be read must not keep anybody from mending it. */
function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
