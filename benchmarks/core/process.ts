// What a process costs: its memory after the work, and the time from its start to its first ack.
import { join } from "node:path";
import { startProcess } from "@muster/testkit";
import type { Loaded } from "./lab.ts";

/** Milliseconds from the start to the first ack, and resident bytes after the last message. */
export type Cost = { firstAckMs: number; rss: number };

export async function runChild(kind: "raw" | "ours", loaded: Loaded): Promise<Cost> {
  const argv = [process.execPath, join(import.meta.dirname, "child.ts"), kind, String(loaded.messages)];
  const env = {
    NATS_URL: loaded.url,
    MUSTER_STREAM: loaded.stream,
    MUSTER_GROUP: loaded.group,
    LOG_LEVEL: "error",
  };
  const startedAt = performance.now();
  await using child = startProcess(kind, argv, env);
  await child.waitForLine(/^first ack$/, 60_000);
  const firstAckMs = performance.now() - startedAt;
  const line = await child.waitForLine(/^rss /, 120_000);
  return { firstAckMs, rss: Number(line.slice(4)) };
}
