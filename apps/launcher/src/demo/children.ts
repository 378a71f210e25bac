import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { type NatsServer, type Proc, startProcess } from "@muster/testkit";

/** A process of the demo; what it prints is in its log file. */
export type Child = {
  readonly name: string;
  readonly logFile: string;
  readonly proc: Proc;
  /** Ends it and waits until it is gone; from now on its end is no failure. */
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
};

const TAIL_LINES = 15;

/** The processes of the demo. One that ends by itself fails the demo; disposing ends them all. */
export class Children {
  readonly #dir: string;
  readonly #fail: (error: Error) => void;
  readonly #all: Child[] = [];
  #server: NatsServer | undefined;

  /** Logs go to `dir`; `fail` hears of a process that ended unasked. */
  constructor(dir: string, fail: (error: Error) => void) {
    this.#dir = dir;
    this.#fail = fail;
  }

  start(name: string, argv: readonly string[], env: Record<string, string>): Child {
    const logFile = join(this.#dir, `${name}.log`);
    appendFileSync(logFile, "");
    const onLine = (line: string): void => appendFileSync(logFile, `${line}\n`);
    // Detached: a Ctrl-C reaches the demo alone, which ends its children in order.
    const proc = startProcess(name, argv, env, { onLine, detached: true });
    let isAsked = false;
    void proc.exited.then((exit) => {
      if (isAsked) return;
      const tail = proc.lines
        .slice(-TAIL_LINES)
        .map((line) => `\n  ${line}`)
        .join("");
      this.#fail(
        new Error(
          `${name} ended by itself (${exit.signal ?? `exit code ${exit.code}`}); its log is ${logFile}${tail}`,
        ),
      );
    });
    const child: Child = {
      name,
      logFile,
      proc,
      end: (signal) => {
        isAsked = true;
        proc.kill(signal);
        return proc.exited;
      },
    };
    this.#all.push(child);
    return child;
  }

  /** Remembers the server for {@link killAll}; whoever started it ends it otherwise. */
  remember(server: NatsServer): NatsServer {
    this.#server = server;
    return server;
  }

  /** Kills what still runs, without waiting; for a second Ctrl-C. */
  killAll(): void {
    void this.#server?.kill("SIGKILL");
    for (const child of this.#all) void child.end("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((child) => child.end("SIGKILL")));
  }
}
