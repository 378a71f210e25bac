import { type Language, type Proc, startProcess, workerCommand } from "@muster/testkit";

/** A line of a worker's log. */
export type LogLine = Record<string, unknown> & { level?: string; msg?: string };

/** A conformance worker that runs as a process of its own. */
export interface Member {
  readonly id: string;
  readonly proc: Proc;
  readonly exited: Proc["exited"];
  /** The log so far; what is no JSON object (a stack trace, say) is left out. */
  log(): LogLine[];
  /** Waits for the constant message of a life, past or future: the `n`th of it. */
  said(msg: string, options?: { n?: number; timeoutMs?: number }): Promise<LogLine>;
  kill(signal?: NodeJS.Signals): void;
}

/** Where a member works. `null` leaves a variable empty, which is the same as absent. */
export type MemberEnv = Record<string, string | number | null>;

/** Starts a conformance worker with a short heartbeat. */
export function startMember(language: Language, id: string, env: MemberEnv): Member {
  const command = workerCommand(language, { conformance: true });
  const given = Object.entries({ WORKER_ID: id, MUSTER_HEARTBEAT_MS: 500, LOG_LEVEL: "debug", ...env });
  const proc = startProcess(`${language} ${id}`, command.argv, {
    ...command.env,
    MUSTER_CONFORMANCE_KILL_AT: "",
    ...Object.fromEntries(given.map(([name, value]) => [name, value === null ? "" : String(value)])),
  });
  return {
    id,
    proc,
    exited: proc.exited,
    log: () => proc.lines.map(readLine).filter((line) => line !== undefined),
    async said(msg, { n = 1, timeoutMs } = {}) {
      const isNth = counter((line) => readLine(line)?.msg === msg, n);
      const line = await proc.waitForLine(() => isNth(proc.lines), timeoutMs);
      void line;
      return proc.lines.map(readLine).filter((each) => each?.msg === msg)[n - 1] ?? {};
    },
    kill: (signal = "SIGKILL") => proc.kill(signal),
  };
}

/** A supervisor that starts a member anew, under another id, whenever it was killed. */
export interface Supervisor extends AsyncDisposable {
  /** The members so far, the living one last. */
  readonly members: readonly Member[];
}

export function supervise(start: (n: number) => Member): Supervisor {
  const members: Member[] = [];
  let isOver = false;
  const run = (async () => {
    while (!isOver) {
      const member = start(members.length + 1);
      members.push(member);
      await member.exited;
    }
  })();
  return {
    members,
    async [Symbol.asyncDispose]() {
      isOver = true;
      members.at(-1)?.kill();
      await run;
    },
  };
}

function counter(hit: (line: string) => boolean, n: number): (lines: readonly string[]) => boolean {
  return (lines) => lines.filter(hit).length >= n;
}

function readLine(line: string): LogLine | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined;
  }
}
