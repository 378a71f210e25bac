// A Docker engine with compose: the one that runs here, else one of our own, in a scratch folder.
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Hex } from "@muster/contracts";
import { alive, checkoutRoot, startProcess, statOf, waitFor } from "@muster/testkit";
import { unpackNewer } from "./apt.ts";
import { attempt, which } from "./run.ts";
import { clear, prune } from "./tidy.ts";

/** What stays between runs: layers of images, and the compose plugin. */
export const home: string = join(checkoutRoot, ".muster/compose");
/** Holds the pid of the engine that has the layers. */
const pidFile = join(home, "engine.pid");
/** Where it runs. Short: the path of a socket has its limit at 108 characters. */
const scratch = join(tmpdir(), `muster-engine-${sha256Hex(checkoutRoot).slice(0, 12)}`);

/** An engine, until it is disposed of. */
export type Engine = AsyncDisposable & {
  /** For `docker` and whatever calls it. */
  readonly env: Record<string, string>;
  /** Whether we started it: then there is no registry behind it. */
  readonly isOurs: boolean;
  /** Of dockerd, where it is ours. */
  readonly pid?: number;
};

/** Why no engine can be had here; nothing where one can. */
export async function engineMissing(): Promise<string | undefined> {
  if (await isThere({})) return undefined;
  if (process.getuid?.() !== 0) return "no Docker engine runs here, and only root can start one";
  const missing = ["docker", "dockerd", "debootstrap", "apt-get"].filter((name) => which(name) === undefined);
  return missing.length === 0
    ? undefined
    : `no Docker engine runs here, and there is no ${missing.join(", no ")} to start one: .ci/compose brings them`;
}

/** The engine that runs, else a new one, which ends when this process does, however that ends. */
export async function startEngine(): Promise<Engine> {
  const env = { DOCKER_CONFIG: await bringCompose() };
  if (await isThere(env)) return { env, isOurs: false, [Symbol.asyncDispose]: async () => undefined };
  await untilAlone();
  // What a run that was killed has left there.
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { mode: 0o700 });
  const host = `unix://${scratch}/docker.sock`;
  // A process that is killed cannot stop its engine: the kernel asks it to, and it stops containers and containerd.
  const engine = startProcess("dockerd", [
    "setpriv",
    "--pdeathsig=TERM",
    "dockerd",
    "--storage-driver=overlay2",
    `--data-root=${join(home, "engine")}`,
    `--exec-root=${scratch}/exec`,
    `--pidfile=${pidFile}`,
    `--host=${host}`,
  ]);
  const ours = { ...env, DOCKER_HOST: host };
  const stop = async (): Promise<void> => {
    engine.kill("SIGTERM");
    await engine.exited;
    await rm(scratch, { recursive: true, force: true });
  };
  try {
    await Promise.race([
      waitFor("the Docker engine", () => isThere(ours), { timeoutMs: 60_000, everyMs: 200 }),
      engine.exited.then(({ code }) => Promise.reject(new Error(`dockerd ended with ${code}`))),
    ]);
  } catch (cause) {
    await stop();
    throw new Error(`the Docker engine does not start:\n${engine.lines.slice(-20).join("\n")}`, { cause });
  }
  await clear(ours);
  const dispose = async (): Promise<void> => {
    try {
      await prune(ours);
    } finally {
      await stop();
    }
  };
  return { env: ours, isOurs: true, pid: engine.pid, [Symbol.asyncDispose]: dispose };
}

/** Waits until the engine of a run that was killed has ended: two with the same layers would spoil them. */
async function untilAlone(): Promise<void> {
  const pid = Number(existsSync(pidFile) ? await readFile(pidFile, "utf8") : "0");
  // A number that another program has by now is none of an engine.
  const runs = async () => (await alive([pid])).length > 0 && (await statOf(pid))?.name === "dockerd";
  await waitFor(`dockerd of an earlier run, pid ${pid}, to end`, async () => !(await runs()), {
    timeoutMs: 60_000,
  });
  await rm(pidFile, { force: true });
}

async function isThere(env: Record<string, string>): Promise<boolean> {
  return (await attempt(["docker", "info"], { env })).code === 0;
}

/** The folder of Docker's configuration, with the compose plugin in it where the machine has none. */
async function bringCompose(): Promise<string> {
  const config = join(home, "docker");
  const plugin = join(config, "cli-plugins/docker-compose");
  if (existsSync(plugin)) return config;
  if ((await attempt(["docker", "compose", "version"])).code === 0)
    return process.env["DOCKER_CONFIG"] ?? join(process.env["HOME"] ?? "/root", ".docker");
  const folder = await mkdtemp(join(tmpdir(), "muster-plugin-"));
  try {
    const unpacked = await unpackNewer(["docker-compose"], folder);
    await mkdir(join(config, "cli-plugins"), { recursive: true });
    await copyFile(join(unpacked, "usr/libexec/docker/cli-plugins/docker-compose"), plugin);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return config;
}
