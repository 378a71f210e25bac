import { sha256Hex } from "@muster/contracts";
import type { Database } from "./database.ts";
import type { Group } from "./group.ts";
import { waitFor } from "./wait.ts";

/** Makes the done row of an event in a transaction that stays open until it is told to end. */
export async function holdRow(database: Database, group: Group, eventId: string) {
  const session = await database.session();
  await session.query("begin");
  await session.query(insertRow, [group.stream, group.group, sha256Hex(eventId), eventId]);
  const end = async (how: "commit" | "rollback"): Promise<void> => {
    await session.query(how);
    await session.end();
  };
  return { commit: () => end("commit"), rollback: () => end("rollback") };
}

const insertRow = `
  insert into muster_ledger
    (stream, grp, event_hash, status, event_id, body_sha256, sequence, store_time, member, language, at)
  values ($1, $2, $3, 'done', $4, repeat('0', 64), 1, '1', 'somebody', 'ts', now())`;

/** Waits until a statement of the member waits for somebody's lock. */
export async function waitsForLock(database: Database, member: string): Promise<void> {
  const sql = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name like $1";
  await waitFor(
    `${member} to wait for a lock`,
    async () => (await database.query(sql, [`muster %${member}`])).length > 0,
    { everyMs: 10 },
  );
}
