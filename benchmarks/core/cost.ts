// What a message costs in processor time: it tells where the time goes, and hardly moves with the machine's load.
import { readFileSync } from "node:fs";

/** Microseconds of processor time for a message, of this process and of the nats-server. */
export type Cost = { readonly processUs: number; readonly serverUs: number };

/** Costs by what was run, one for each round. */
export class Costs {
  readonly #serverPid: () => number;
  readonly #found = new Map<string, Cost[]>();

  constructor(serverPid: () => number) {
    this.#serverPid = serverPid;
  }

  /** Runs something that handles so many messages, and notes what each has cost. */
  async of<T>(name: string, messages: number, run: () => Promise<T>): Promise<T> {
    const own = process.cpuUsage();
    const server = processorUs(this.#serverPid());
    const result = await run();
    const { user, system } = process.cpuUsage(own);
    const cost = {
      processUs: (user + system) / messages,
      serverUs: (processorUs(this.#serverPid()) - server) / messages,
    };
    this.#found.set(name, [...(this.#found.get(name) ?? []), cost]);
    return result;
  }

  /** Medians, without the first round, which warms up. */
  medians(): ({ readonly name: string } & Cost)[] {
    return [...this.#found].map(([name, costs]) => {
      const rounds = costs.length > 1 ? costs.slice(1) : costs;
      return {
        name,
        processUs: median(rounds.map((cost) => cost.processUs)),
        serverUs: median(rounds.map((cost) => cost.serverUs)),
      };
    });
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(10 * (sorted[sorted.length >> 1] ?? Number.NaN)) / 10;
}

const tickUs = 10_000;

/** Processor time of a process so far; NaN where the system does not say. */
function processorUs(pid: number): number {
  try {
    // After the name, which is in brackets and may hold spaces: the 12th and 13th field, in clock ticks.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * tickUs;
  } catch {
    return Number.NaN;
  }
}
