import { execFile } from "node:child_process";
import { accessSync, constants, readdirSync, realpathSync } from "node:fs";
import { chown, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "./port.ts";
import { type Proc, startProcess } from "./process.ts";
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
const owner = "muster";

/** Starts a Postgres of its own in a temporary folder and returns when it takes connections. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const bin = findPostgres();
  if (bin === undefined) throw new Error("postgres not found: install PostgreSQL (.ci/postgres does it)");
  const port = options.port ?? (await freePort());
  const url = `postgres://${owner}@127.0.0.1:${port}/${owner}`;
  const scratch = await mkdtemp(join(tmpdir(), "muster-postgres-"));
  const data = join(scratch, "data");
  const asUser = await unprivileged(scratch);
  const argv = [...asUser, join(bin, "postgres"), "-D", data, "-p", String(port), ...settings(options)];
  let proc: Proc | undefined;
  const start = async (): Promise<void> => {
    proc = startProcess(`postgres:${port}`, argv, { LC_ALL: "C" });
    const { lines } = proc;
    await proc
      .waitForLine(/database system is ready to accept connections/, 20_000)
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
    await waitFor("postgres to leave its data", async () => (await alive(sessions)) === 0);
  };
  const stop = async (): Promise<void> => {
    // Fast shutdown: SIGTERM would wait for the clients.
    await kill("SIGINT");
    await rm(scratch, { recursive: true, force: true });
  };
  const psql = async (sql: string, database = url): Promise<string> => {
    const args = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql];
    return (await run(join(bin, "psql"), args)).stdout.trim();
  };
  try {
    const initdb = [...asUser, join(bin, "initdb"), "-D", data, "-U", owner, "-A", "trust"];
    await run("env", ["LC_ALL=C", ...initdb, "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]);
    await start();
    await run(join(bin, "createdb"), ["-h", "127.0.0.1", "-p", String(port), "-U", owner, owner]);
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

/** The folder with PostgreSQL's programs: `MUSTER_POSTGRES_BIN`, the PATH, or Debian's; undefined if there is none. */
export function findPostgres(): string | undefined {
  const chosen = process.env["MUSTER_POSTGRES_BIN"];
  const onPath = (process.env["PATH"] ?? "").split(delimiter);
  return [...(chosen ? [chosen] : []), ...onPath, ...debianFolders()].map(withAllPrograms).find(Boolean);
}

/**
 * Why tests with Postgres cannot run here, for `describe.skipIf`; undefined where they can.
 * In CI they always run, so that a missing server fails.
 */
export function postgresMissing(): string | undefined {
  if (findPostgres() !== undefined || process.env["CI"]) return undefined;
  return "skipped: no PostgreSQL on this machine";
}

function debianFolders(): string[] {
  const root = "/usr/lib/postgresql";
  try {
    const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(root, version, "bin"));
  } catch {
    return [];
  }
}

/** The folder that all programs are in, if they are; distributions link only some of them into the PATH. */
function withAllPrograms(folder: string): string | undefined {
  try {
    const real = dirname(realpathSync(join(folder, "postgres")));
    for (const program of ["initdb", "postgres", "createdb", "psql"]) {
      accessSync(join(real, program), constants.X_OK);
    }
    return real;
  } catch {
    return undefined;
  }
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

/** Postgres refuses to run as root: then the command to run it as somebody else, who gets the folder. */
async function unprivileged(folder: string): Promise<string[]> {
  if (userInfo().uid !== 0) return [];
  const passwd = await readFile("/etc/passwd", "utf8");
  const users = passwd.split("\n").map((line) => line.split(":"));
  const user = ["postgres", "nobody"].flatMap((name) => users.find((one) => one[0] === name) ?? []);
  const [, , uid = "65534", gid = "65534"] = user;
  await chown(folder, Number(uid), Number(gid));
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
}

/** Pids of the sessions and helpers of a server, where the system tells them. */
async function childrenOf(pid: number): Promise<number[]> {
  const children: number[] = [];
  for (const entry of await readdir("/proc").catch(() => [])) {
    if (/^[0-9]+$/.test(entry) && (await stat(entry))?.parent === pid) children.push(Number(entry));
  }
  return children;
}

async function alive(pids: readonly number[]): Promise<number> {
  const stats = await Promise.all(pids.map((pid) => stat(String(pid))));
  // A zombie holds nothing any more; who reaps it is not our matter.
  return stats.filter((one) => one !== undefined && one.state !== "Z").length;
}

async function stat(pid: string): Promise<{ state: string; parent: number } | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, "utf8");
    // The second field, the name, may hold anything, also a parenthesis.
    const [state = "", parent] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}
