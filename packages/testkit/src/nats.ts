import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsServer } from "./find.ts";
import { freePort } from "./port.ts";
import { type Proc, startProcess } from "./process.ts";

/** How to start a server. Default: a free port, a temporary store that is removed at the end. */
export type NatsOptions = {
  port?: number;
  storeDir?: string;
  /** Lines for the server's configuration file. */
  config?: string;
  /** A configuration file instead, with what it includes beside it; listen and JetStream come from here. */
  configFile?: string;
  /** Laid over the environment: variables that the configuration names. */
  env?: Record<string, string>;
  /** Out of the terminal's process group, see `ProcOptions`. */
  detached?: boolean;
};

/** A running nats-server with JetStream on loopback. */
export type NatsServer = {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly storeDir: string;
  /** Resolves when the server that runs now ends, for whatever reason. */
  readonly exited: Promise<unknown>;
  /** Ends the process at once (SIGKILL unless told otherwise) and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Kills it if it runs, and starts it again on the same port and store. */
  restart(): Promise<void>;
  /** Ends it in an orderly way and removes a temporary store. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts a nats-server and returns when it takes connections. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const scratch = await mkdtemp(join(tmpdir(), "muster-nats-"));
  const storeDir = options.storeDir ?? join(scratch, "store");
  const port = options.port ?? (await freePort());
  const file = options.configFile ?? join(scratch, "server.conf");
  if (options.configFile === undefined) await writeFile(file, `${options.config ?? ""}\n`);
  const argv = [findNatsServer(), "-c", file, "-a", "127.0.0.1", "-p", String(port), "-js", "-sd", storeDir];
  let proc: Proc;
  const start = async (): Promise<void> => {
    proc = startProcess(`nats-server:${port}`, argv, options.env ?? {}, {
      detached: options.detached === true,
    });
    // Its own words, not an answer on the port: another server may be the one that answers there.
    await proc.waitForLine(/Server is ready/, 20_000).catch(async (error: unknown) => {
      await proc[Symbol.asyncDispose]();
      const said =
        proc.lines.find((line) => line.includes("[FTL]")) ?? proc.lines.findLast((line) => line !== "");
      throw new Error(`nats-server on port ${port} did not start: ${said ?? "it said nothing"}`, {
        cause: error,
      });
    });
  };
  const kill = async (signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
    proc.kill(signal);
    await proc.exited;
  };
  const stop = async (): Promise<void> => {
    await kill("SIGTERM");
    await rm(scratch, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    storeDir,
    get pid() {
      return proc.pid;
    },
    get exited() {
      return proc.exited;
    },
    kill,
    stop,
    async restart() {
      await kill();
      await start();
    },
    [Symbol.asyncDispose]: stop,
  };
}
