import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buckets } from "@muster/contracts";
import { startNats, waitFor } from "@muster/testkit";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { applyGroup } from "./control-plane.ts";
import { home, root, say } from "./setup/tools.ts";

// The `dev` task of the launcher: what the other packages' dev tasks stand on. Runs until SIGINT or SIGTERM.

const port = Number(process.env["MUSTER_DEV_PORT"] ?? 4222);
const plane = process.env["MUSTER_URL"] ?? `http://127.0.0.1:${process.env["MUSTER_PORT"] ?? 4600}`;
const storeDir = process.env["MUSTER_DEV_STORE"] ?? join(home, "data");

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);

const server = process.env["NATS_URL"] ? undefined : await startNats({ port, storeDir, detached: true });
say(`NATS ${server?.url ?? process.env["NATS_URL"]}, control plane ${plane}`);
try {
  const file = process.env["MUSTER_DEV_GROUP"] ?? join(root, "infra/groups/orders.json");
  await applyWhenReady(JSON.parse(await readFile(file, "utf8")));
  await sleep(2 ** 31 - 1, undefined, { signal: stop.signal });
} catch (error) {
  if (!stop.signal.aborted) throw error;
} finally {
  if (server !== undefined) {
    await membersGone(server.url).catch(() => undefined);
    await server.stop();
  }
}

/** The first signal ends in order, the second at once. */
function end(): void {
  if (!stop.signal.aborted) return stop.abort();
  void server?.kill();
  process.exit(1);
}

/** The workers get the same Ctrl-C as we do: NATS stays until they have drained, or their grace is over. */
async function membersGone(url: string): Promise<void> {
  const nc = await connect({ servers: url, maxReconnectAttempts: 0 });
  try {
    const { streams } = await jetstreamManager(nc);
    const bucket = `KV_${buckets.members}`;
    // A deleted key is listed as long as its marker lives, but only a record has a body.
    const isEmpty = async (): Promise<boolean> => {
      const { state } = await streams.info(bucket, { subjects_filter: ">" });
      const last = (subject: string) => streams.getMessage(bucket, { last_by_subj: subject });
      const records = await Promise.all(Object.keys(state.subjects ?? {}).map(last));
      return records.every((record) => !record?.data.length);
    };
    await waitFor("the members to leave", isEmpty, { timeoutMs: 25_000, everyMs: 100 });
  } finally {
    await nc.close();
  }
}

/** The control plane is another task and may be slower: asks again until it takes the group. */
async function applyWhenReady(group: Parameters<typeof applyGroup>[1]): Promise<void> {
  for (let told = false; ; ) {
    try {
      const { stream, group: name } = await applyGroup(plane, group);
      say(`group ${stream} ${name} is applied`);
      return;
    } catch (error) {
      if (!told && error instanceof Error && error.message.startsWith("groups.apply")) say(error.message);
      told ||= error instanceof Error && error.message.startsWith("groups.apply");
      await sleep(300, undefined, { signal: stop.signal });
    }
  }
}
