// When a process has really stopped.
import { readdir, readFile } from "node:fs/promises";
import { waitFor } from "./wait.ts";

/**
 * Waits until every thread of the group has stopped. A SIGSTOP is taken by one thread, which the others
 * do not wait for: on a busy machine they go on for a while, and may settle a message in it. Returns at once
 * on a system without /proc.
 */
export async function untilStopped(leader: number): Promise<void> {
  const pids = await readdir("/proc").catch(() => []);
  const members: string[] = [];
  for (const pid of pids.filter((name) => /^\d+$/.test(name)))
    if ((await statOf(`/proc/${pid}/stat`))?.group === leader) members.push(pid);
  await waitFor(`the processes of ${leader} to stop`, async () => {
    const states = await Promise.all(members.map(statesOf));
    return states.flat().every((state) => state === "T" || state === "Z");
  });
}

async function statesOf(pid: string): Promise<string[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const stats = await Promise.all(threads.map((thread) => statOf(`/proc/${pid}/task/${thread}/stat`)));
  return stats.flatMap((stat) => (stat === undefined ? [] : [stat.state]));
}

/** Undefined for one that is gone. The command's name may hold spaces and parentheses, so the last one ends it. */
async function statOf(path: string): Promise<{ state: string; group: number } | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const [state = "", , group] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state, group: Number(group) };
}
