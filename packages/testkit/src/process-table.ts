// What the system says of processes, where it has a /proc; elsewhere there are none.
import { readdir, readFile } from "node:fs/promises";

/** One process, or one thread. */
export type ProcessStat = { name: string; state: string; parent: number; group: number };

/** A process by its pid; undefined for one that is gone. */
export async function statOf(pid: number, thread?: number): Promise<ProcessStat | undefined> {
  const of = thread === undefined ? `${pid}` : `${pid}/task/${thread}`;
  const text = await readFile(`/proc/${of}/stat`, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  // The second field, the name, may hold anything, also a parenthesis: the last one ends it.
  const end = text.lastIndexOf(")");
  const [state = "", parent, group] = text.slice(end + 2).split(" ");
  const name = text.slice(text.indexOf("(") + 1, end);
  return { name, state, parent: Number(parent), group: Number(group) };
}

/** Pids of those that `check` takes. */
export async function findProcesses(check: (stat: ProcessStat) => boolean): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  const found: number[] = [];
  for (const pid of names.filter((name) => /^\d+$/.test(name)).map(Number)) {
    const stat = await statOf(pid);
    if (stat !== undefined && check(stat)) found.push(pid);
  }
  return found;
}

/** Pids of those that a process has started and that still run. */
export function childrenOf(pid: number): Promise<number[]> {
  return findProcesses(({ parent }) => parent === pid);
}

/** Those of the processes that still run. A zombie holds nothing any more; who reaps it is not our matter. */
export async function alive(pids: readonly number[]): Promise<number[]> {
  const found = await Promise.all(pids.map(async (pid) => ({ pid, stat: await statOf(pid) })));
  return found.flatMap(({ pid, stat }) => (stat === undefined || stat.state === "Z" ? [] : [pid]));
}
