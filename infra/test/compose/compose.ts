// The fleet as its users start it, in a project of its own: `infra/compose/fleet` and what Docker tells.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "@muster/testkit";
import { composeFolder } from "./bases.ts";
import type { Ready } from "./ready.ts";
import { attempt, run } from "./run.ts";

/** The fleet of a profile. Disposing of it removes its containers and volumes. */
export type Fleet = AsyncDisposable & {
  /** Ports on loopback. */
  readonly ports: { controlPlane: number; nats: number; prometheus: number };
  /** `infra/compose/fleet <profile> …`; gives the standard output. */
  fleet(args: readonly string[], input?: string): Promise<string>;
  /** The CLI inside, as `fleet muster … -o json`. */
  muster<T>(args: readonly string[], input?: string): Promise<T>;
  /** Containers of a service, or of all, those that ended too. */
  containers(service?: string): Promise<Container[]>;
};

/** A container as `docker inspect` tells it: what we look at. */
export type Container = {
  Id: string;
  Name: string;
  RestartCount: number;
  State: { Status: string; Pid: number; ExitCode: number; OOMKilled: boolean; Health?: { Status: string } };
  Config: { User: string; Labels: Record<string, string> };
  HostConfig: {
    ReadonlyRootfs: boolean;
    Privileged: boolean;
    CapDrop: string[] | null;
    CapAdd: string[] | null;
    SecurityOpt: string[] | null;
    PortBindings: Record<string, { HostIp: string }[]>;
  };
};

/** A fleet that is not up yet; services whose base image there is none of are left out. */
export async function fleetOf(
  profile: "small" | "full" | "cluster",
  { env: engine, without }: Pick<Ready, "env" | "without">,
): Promise<Fleet> {
  const ports = { controlPlane: await freePort(), nats: await freePort(), prometheus: await freePort() };
  const profiles = /^COMPOSE_PROFILES=(.*)$/m.exec(
    await readFile(join(composeFolder, `${profile}.env`), "utf8"),
  )?.[1];
  const env = {
    ...engine,
    COMPOSE_PROJECT_NAME: `muster-test-${profile}-${process.pid}`,
    COMPOSE_PROFILES: (profiles ?? "")
      .split(",")
      .filter((name) => !without.some((image) => image.startsWith(`${name}/`)))
      .join(),
    FLEET_PORT: String(ports.controlPlane),
    FLEET_NATS_PORT: String(ports.nats),
    FLEET_PROMETHEUS_PORT: String(ports.prometheus),
    FLEET_WORK_MS: "500",
    // One line for each message that is settled.
    FLEET_LOG_LEVEL: "debug",
  };
  const script = join(composeFolder, "fleet");
  const fleet = (args: readonly string[], input?: string): Promise<string> =>
    run([script, profile, ...args], { env, ...(input === undefined ? {} : { input }) });
  return {
    ports,
    fleet,
    async muster<T>(args: readonly string[], input?: string): Promise<T> {
      // Some commands end with 1 and tell in their answer why.
      const { out, all } = await attempt([script, profile, "muster", ...args, "-o", "json"], {
        env,
        ...(input === undefined ? {} : { input }),
      });
      try {
        return JSON.parse(out) as T;
      } catch {
        throw new Error(`muster ${args.join(" ")} said:\n${all.slice(-4000)}`);
      }
    },
    async containers(service) {
      const ids = await fleet(["ps", "--all", "--quiet", ...(service === undefined ? [] : [service])]);
      const found = ids.split("\n").filter((id) => id !== "");
      return JSON.parse(await run(["docker", "inspect", ...found], { env })) as Container[];
    },
    async [Symbol.asyncDispose]() {
      await run([script, profile, "down", "--volumes", "--timeout", "5"], { env });
    },
  };
}

/** The service that a container belongs to. */
export function serviceOf({ Config }: Container): string {
  return Config.Labels["com.docker.compose.service"] ?? "";
}
