// A Docker engine with compose: the one that runs here, else one of our own, in a scratch folder.
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot, startProcess, waitFor } from "@muster/testkit";
import { unpackNewer } from "./apt.ts";
import { attempt, run, which } from "./run.ts";

/** What stays between runs: layers of images, and the compose plugin. */
export const home: string = join(checkoutRoot, ".muster/compose");

/** An engine, until it is disposed of. */
export type Engine = AsyncDisposable & {
  /** For `docker` and whatever calls it. */
  readonly env: Record<string, string>;
  /** Whether we started it: then there is no registry behind it. */
  readonly isOurs: boolean;
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

/** The engine that runs, else a new one. */
export async function startEngine(): Promise<Engine> {
  const env = { DOCKER_CONFIG: await bringCompose() };
  if (await isThere(env)) return { env, isOurs: false, [Symbol.asyncDispose]: async () => undefined };
  // Short: the path of a socket has its limit at 108 characters.
  const scratch = await mkdtemp(join(tmpdir(), "muster-engine-"));
  const host = `unix://${scratch}/docker.sock`;
  const engine = startProcess("dockerd", [
    "dockerd",
    "--storage-driver=overlay2",
    `--data-root=${join(home, "engine")}`,
    `--exec-root=${scratch}/exec`,
    `--pidfile=${scratch}/pid`,
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
  return { env: ours, isOurs: true, [Symbol.asyncDispose]: stop };
}

async function isThere(env: Record<string, string>): Promise<boolean> {
  return (await attempt(["docker", "info"], { env })).code === 0;
}

/** Removes what a run that was cut short has left: an engine that starts again would start it too. Layers stay. */
async function clear(env: Record<string, string>): Promise<void> {
  const remove = async (list: readonly string[], by: readonly string[]): Promise<void> => {
    const left = (await run(["docker", ...list, "--quiet"], { env })).split("\n").filter((id) => id !== "");
    if (left.length > 0) await run(["docker", ...by, ...left], { env });
  };
  await remove(["ps", "--all"], ["rm", "--force", "--volumes"]);
  await remove(["volume", "ls"], ["volume", "rm"]);
  await remove(["network", "ls", "--filter", "type=custom"], ["network", "rm"]);
}

/** The folder of Docker's configuration, with the compose plugin in it where the machine has none. */
async function bringCompose(): Promise<string> {
  const config = join(home, "docker");
  const plugin = join(config, "cli-plugins/docker-compose");
  if (existsSync(plugin)) return config;
  if ((await attempt(["docker", "compose", "version"])).code === 0)
    return process.env["DOCKER_CONFIG"] ?? join(process.env["HOME"] ?? "/root", ".docker");
  const scratch = await mkdtemp(join(tmpdir(), "muster-plugin-"));
  try {
    const unpacked = await unpackNewer(["docker-compose"], scratch);
    await mkdir(join(config, "cli-plugins"), { recursive: true });
    await copyFile(join(unpacked, "usr/libexec/docker/cli-plugins/docker-compose"), plugin);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return config;
}
