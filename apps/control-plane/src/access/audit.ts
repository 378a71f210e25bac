// Who did what: a row before a change and one after it, so that a crash in between leaves a trace.
import { z } from "zod";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { publish } from "../nats/publish.ts";
import { scanStream } from "../nats/scan.ts";
import { findStream } from "../groups/streams.ts";
import type { Actor } from "./roles.ts";
import { AUDIT, AUDIT_ROOT, provisionAudit } from "./store.ts";

const AuditRow = z.object({
  v: z.literal(1),
  /** The same in the row before and the row after. */
  request_id: z.string(),
  at: z.string(),
  actor: z.object({ id: z.string(), name: z.string() }),
  action: z.string(),
  /** `refused`: not allowed, or not possible as things are; `failed`: it broke, and may be done or not. */
  outcome: z.enum(["begun", "done", "refused", "failed"]),
  /** What was asked, as JSON, cut. */
  input: z.string().optional(),
  code: z.string().optional(),
  error: z.string().optional(),
  /** What it was about, as it was and as it is then. */
  before: z.unknown().optional(),
  after: z.unknown().optional(),
});
export type AuditRow = z.infer<typeof AuditRow>;

const MOST_INPUT = 4000;

/** Writes a row. Throws `no_audit` where it is not stored: then nothing may be changed. */
export async function writeAudit(
  nats: Nats,
  row: Omit<AuditRow, "v" | "at" | "actor" | "input"> & { actor: Actor; asked?: unknown },
): Promise<void> {
  const { actor, asked, ...rest } = row;
  const text = JSON.stringify({
    v: 1,
    at: new Date().toISOString(),
    ...rest,
    actor: { id: actor.id, name: actor.name },
    ...(asked === undefined ? {} : { input: JSON.stringify(asked).slice(0, MOST_INPUT) }),
  });
  const subject = `${AUDIT_ROOT}.${row.action}`;
  let stored = await publish(nats, subject, text, {});
  if (stored.type === "no_stream") {
    await provisionAudit(nats);
    stored = await publish(nats, subject, text, {});
  }
  if (stored.type !== "stored")
    throw fail(
      "no_audit",
      `nothing is changed without an audit row, and stream ${AUDIT} does not take one${stored.type === "refused" ? `: ${stored.error}` : ""}`,
    );
}

/** A page of rows, the newest first; `next` leads to older ones. */
export const AuditPage = z
  .strictObject({
    rows: z.array(z.strictObject({ sequence: z.int(), ...AuditRow.shape })),
    next: z.int().optional().describe("The cursor of the next page; absent on the last"),
  })
  .meta({ id: "AuditPage" });
export type AuditPage = z.infer<typeof AuditPage>;

const WINDOW = 500;

/** Rows of all actions or of one, of everybody or of one token. */
export async function listAudit(
  nats: Nats,
  {
    limit,
    cursor,
    action,
    actor,
  }: { limit: number; cursor?: number | undefined; action?: string | undefined; actor?: string | undefined },
): Promise<AuditPage> {
  const stream = await findStream(nats, AUDIT);
  if (stream === undefined) return { rows: [] };
  const rows: AuditPage["rows"] = [];
  const first = Math.max(1, stream.state.first_seq);
  let upTo = Math.min(cursor === undefined ? stream.state.last_seq : cursor - 1, stream.state.last_seq);
  while (upTo >= first) {
    const from = Math.max(first, upTo - WINDOW + 1);
    const found: AuditPage["rows"] = [];
    for await (const { seq, data } of scanStream(nats, AUDIT, { from, upTo })) {
      const row = parse(data);
      const isWanted = (action ?? row?.action) === row?.action && (actor ?? row?.actor.id) === row?.actor.id;
      if (row !== undefined && isWanted) found.push({ sequence: seq, ...row });
    }
    for (const row of found.toReversed()) {
      if (rows.length === limit) return { rows, next: rows.at(-1)?.sequence ?? 1 };
      rows.push(row);
    }
    upTo = from - 1;
  }
  return { rows };
}

function parse(data: Uint8Array): AuditRow | undefined {
  try {
    return AuditRow.safeParse(JSON.parse(new TextDecoder().decode(data))).data;
  } catch {
    return undefined;
  }
}
