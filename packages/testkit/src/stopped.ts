import { readdir, readFile } from "node:fs/promises";
import { waitFor } from "./wait.ts";

/** Stops a process (SIGSTOP), and returns when it has really stopped. */
export async function stopProcess(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await untilStopped([pid]);
}

/**
 * Waits until every thread of the processes has stopped. A SIGSTOP is taken by one thread, which the others
 * do not wait for: on a busy machine they go on for a while, and may settle a message in it. Returns at once
 * on a system without /proc.
 */
export async function untilStopped(pids: readonly number[]): Promise<void> {
  await waitFor(`the processes ${pids.join(", ")} to stop`, async () => {
    const states = await Promise.all(pids.map(statesOf));
    return states.flat().every((state) => state === "T" || state === "Z");
  });
}

/** The process ids of a group; none on a system without /proc. */
export async function pidsOfGroup(leader: number): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  const pids: number[] = [];
  for (const name of names.filter((one) => /^\d+$/.test(one)))
    if ((await statOf(`/proc/${name}/stat`))?.group === leader) pids.push(Number(name));
  return pids;
}

async function statesOf(pid: number): Promise<string[]> {
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
