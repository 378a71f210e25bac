import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startNats } from "@muster/testkit";
import { applyGroup } from "./control-plane.ts";
import { home, root, say } from "./setup/tools.ts";

// The `dev` task of the launcher: what the other packages' dev tasks stand on. Runs until SIGINT or SIGTERM.

const port = Number(process.env["MUSTER_DEV_PORT"] ?? 4222);
const plane = process.env["MUSTER_URL"] ?? `http://127.0.0.1:${process.env["MUSTER_PORT"] ?? 4600}`;
const storeDir = process.env["MUSTER_DEV_STORE"] ?? join(home, "data");

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());

const server = process.env["NATS_URL"] ? undefined : await startNats({ port, storeDir });
say(`NATS ${server?.url ?? process.env["NATS_URL"]}, control plane ${plane}`);
try {
  const file = process.env["MUSTER_DEV_GROUP"] ?? join(root, "infra/groups/orders.json");
  await applyWhenReady(JSON.parse(await readFile(file, "utf8")));
  await sleep(2 ** 31 - 1, undefined, { signal: stop.signal });
} catch (error) {
  if (!stop.signal.aborted) throw error;
} finally {
  await server?.stop();
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
