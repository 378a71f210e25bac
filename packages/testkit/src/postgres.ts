import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "./port.ts";
import { makeData, owner, postgresUser, runAs } from "./postgres-data.ts";
import { findPostgres } from "./postgres-find.ts";
import { type Proc, startProcess } from "./process.ts";
import { alive, childrenOf } from "./process-table.ts";
import { waitFor } from "./wait.ts";

/** How to start a server. Default: a free port, settings that make tests quick. */
export type PostgresOptions = {
  port?: number;
  /**
   * Server settings, laid over `fsync=off`: a killed process loses nothing by it, only a machine without power does.
   * What is measured should run with `{ fsync: "on" }`.
   */
  settings?: Record<string, string>;
};

/** A running Postgres on loopback with one database, `muster`, whose owner needs no password. */
export type PostgresServer = {
  /** `postgres://muster@127.0.0.1:<port>/muster` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server that runs now ends, for whatever reason. */
  readonly exited: Promise<unknown>;
  /** Runs SQL as the owner and returns the rows as text, columns parted by `|`. In `database` where a URL is given. */
  psql(sql: string, database?: string): Promise<string>;
  /** Ends the server and all its sessions at once (SIGKILL unless told otherwise) and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Kills it if it runs, and starts it again on the same port and data. */
  restart(): Promise<void>;
  /** Ends it in an orderly way and removes its data. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const run = promisify(execFile);

/** Bytes of an answer: a ledger of some 100,000 rows. */
const maxAnswer = 64 << 20;

/** Starts a Postgres of its own in a temporary folder and returns when it takes connections. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const bin = findPostgres();
  if (bin === undefined) throw new Error("postgres not found: install PostgreSQL (.ci/postgres does it)");
  const port = options.port ?? (await freePort());
  const url = `postgres://${owner}@127.0.0.1:${port}/${owner}`;
  const scratch = await mkdtemp(join(tmpdir(), "muster-postgres-"));
  let proc: Proc | undefined;
  let argv: string[] = [];
  const start = async (): Promise<void> => {
    proc = startProcess(`postgres:${port}`, argv, { LC_ALL: "C" });
    const { lines } = proc;
    await proc
      .waitForLine(/database system is ready to accept connections/, 60_000)
      .catch((cause: unknown) => {
        const said = lines.find((line) => line.includes("FATAL")) ?? lines.at(-1) ?? "it said nothing";
        throw new Error(`postgres on port ${port} did not start: ${said}`, { cause });
      });
  };
  const kill = async (signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
    if (proc === undefined) return;
    // A session that is busy outlives a killed postmaster, and would go on writing.
    const sessions = signal === "SIGKILL" ? await childrenOf(proc.pid) : [];
    proc.kill(signal);
    for (const pid of sessions) killIfThere(pid);
    await proc.exited;
    await waitFor("postgres to leave its data", async () => (await alive(sessions)).length === 0);
  };
  const stop = async (): Promise<void> => {
    // Fast shutdown: SIGTERM would wait for the clients.
    await kill("SIGINT");
    await rm(scratch, { recursive: true, force: true });
  };
  const psql = async (sql: string, database = url): Promise<string> => {
    const args = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql];
    return (await run(join(bin, "psql"), args, { maxBuffer: maxAnswer })).stdout.trim();
  };
  try {
    const user = await postgresUser();
    const data = await makeData(bin, scratch, user);
    const program = [...runAs(user, true), join(bin, "postgres")];
    argv = [...program, "-D", data, "-p", String(port), ...settings(options)];
    await start();
  } catch (error) {
    await kill();
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
  return {
    url,
    port,
    get pid() {
      return proc?.pid ?? 0;
    },
    get exited() {
      return proc?.exited ?? Promise.resolve();
    },
    psql,
    kill,
    stop,
    async restart() {
      await kill();
      await start();
    },
    [Symbol.asyncDispose]: stop,
  };
}

function settings(options: PostgresOptions): string[] {
  const all = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    fsync: "off",
    shared_buffers: "32MB",
    ...options.settings,
  };
  return Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}
