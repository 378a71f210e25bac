import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsServer } from "./find.ts";
import { freePort } from "./port.ts";
import { type Proc, startProcess } from "./process.ts";
import { waitFor } from "./wait.ts";

/** How to start a server. Default: a free port, a temporary store that is removed at the end. */
export type NatsOptions = { port?: number; storeDir?: string; config?: string };

/** A running nats-server with JetStream on loopback. */
export type NatsServer = {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly storeDir: string;
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
  const file = join(scratch, "server.conf");
  await writeFile(file, `${options.config ?? ""}\n`);
  const argv = [findNatsServer(), "-c", file, "-a", "127.0.0.1", "-p", String(port), "-js", "-sd", storeDir];
  let proc: Proc;
  const start = async (): Promise<void> => {
    proc = startProcess(`nats-server:${port}`, argv);
    let ended = false;
    void proc.exited.then(() => (ended = true));
    await waitFor(`nats-server on port ${port}`, async () => ended || (await answers(port)), {
      timeoutMs: 20_000,
      everyMs: 20,
    });
    if (ended) throw new Error(`nats-server on port ${port} ended:\n${proc.lines.slice(-5).join("\n")}`);
  };
  const kill = async (signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
    proc.kill(signal);
    await proc.exited;
  };
  const stop = async (): Promise<void> => {
    await kill("SIGTERM");
    await rm(scratch, { recursive: true, force: true });
  };
  await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    storeDir,
    get pid() {
      return proc.pid;
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

/** True when the server greets: the port alone opens before JetStream is ready. */
function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1");
    const end = (yes: boolean): void => {
      socket.destroy();
      done(yes);
    };
    socket.once("data", (chunk) => end(chunk.toString().startsWith("INFO")));
    socket.once("error", () => end(false));
    socket.setTimeout(1000, () => end(false));
  });
}
