// Where tokens and the audit lie.
import { bucketStream } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { mark } from "../groups/change.ts";
import { createStream, findStream } from "../groups/streams.ts";

export const TOKENS = "MUSTER_TOKENS";
export const AUDIT = "MUSTER_AUDIT";
/** The first word of audit subjects; the action follows. */
export const AUDIT_ROOT = "muster.audit";

const common = {
  storage: "file",
  retention: "limits",
  discard: "new",
  deny_delete: true,
  allow_direct: true,
} as const;

/** Makes the bucket of tokens where it is missing. */
export async function provisionTokens(nats: Nats): Promise<void> {
  const name = bucketStream(TOKENS);
  if ((await findStream(nats, name)) !== undefined) return;
  await createStream(nats, {
    ...common,
    name,
    subjects: [`$KV.${TOKENS}.>`],
    max_msgs_per_subject: 1,
    metadata: mark("bucket"),
  });
}

/** Makes the audit stream where it is missing: nobody deletes from it, nor empties it. */
export async function provisionAudit(nats: Nats): Promise<void> {
  if ((await findStream(nats, AUDIT)) !== undefined) return;
  await createStream(nats, {
    ...common,
    name: AUDIT,
    subjects: [`${AUDIT_ROOT}.>`],
    deny_purge: true,
    metadata: mark("audit"),
  });
}
