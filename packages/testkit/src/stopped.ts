import { readdir } from "node:fs/promises";
import { findProcesses, statOf } from "./process-table.ts";
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
export function pidsOfGroup(leader: number): Promise<number[]> {
  return findProcesses(({ group }) => group === leader);
}

async function statesOf(pid: number): Promise<string[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const stats = await Promise.all(threads.map((thread) => statOf(pid, Number(thread))));
  return stats.flatMap((stat) => (stat === undefined ? [] : [stat.state]));
}
