// The whole fleet in containers, as a user starts it: hardened, killed, scaled, stopped in mid-load; the account closes.
import { readFile } from "node:fs/promises";
import { waitFor } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Container, type Fleet, fleetOf, serviceOf } from "./compose.ts";
import { BAD_EVERY, closedAccount, publish, settled, verify } from "./orders.ts";
import { missing, PATIENCE_MS, type Ready, ready } from "./ready.ts";

const MINUTE = 60_000;
const ORDERS = 6000;

describe.skipIf(missing !== undefined)(missing ?? "the fleet in containers", () => {
  let engine: Ready;
  let fleet: Fleet;

  beforeAll(async () => {
    engine = await ready("full");
    fleet = await fleetOf("full", engine);
    await fleet.fleet(["build"]);
    engine.took("build");
    await fleet.fleet(["up", "--detach", "--wait"]);
    engine.took("up");
  }, PATIENCE_MS);

  afterAll(async () => {
    await fleet?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
  }, PATIENCE_MS);

  test("comes up healthy, two workers of each language", async () => {
    const containers = await fleet.containers();
    const states = containers.map(
      (one) => `${serviceOf(one)} ${one.State.Health?.Status ?? `ended with ${one.State.ExitCode}`}`,
    );
    expect(states.toSorted()).toEqual([
      "control-plane healthy",
      ...(engine.without.includes("grafana/grafana") ? [] : ["grafana healthy"]),
      "nats healthy",
      "postgres healthy",
      "prometheus healthy",
      "provision ended with 0",
      ...["go", "py", "ts"].flatMap((language) => [
        `worker-${language} healthy`,
        `worker-${language} healthy`,
      ]),
    ]);
  });

  test("nothing runs as root, has a capability, may gain one or may write its own files", async () => {
    const containers = await running(fleet);
    for (const one of containers) {
      const name = serviceOf(one);
      expect({ name, ...one.HostConfig }).toMatchObject({
        name,
        ReadonlyRootfs: true,
        Privileged: false,
        CapDrop: ["ALL"],
        CapAdd: null,
        SecurityOpt: ["no-new-privileges:true"],
      });
      // What the kernel says of the first process, whose children are no more than it is.
      const status = await readFile(`/proc/${one.State.Pid}/status`, "utf8");
      const told = (key: string): string[] =>
        new RegExp(`^${key}:\\s*(.*)$`, "m").exec(status)?.[1]?.split(/\s+/) ?? [];
      expect({ name, root: told("Uid").includes("0") }).toEqual({ name, root: false });
      expect({ name, caps: told("CapEff"), bound: told("CapBnd") }).toEqual({
        name,
        caps: ["0000000000000000"],
        bound: ["0000000000000000"],
      });
      expect({ name, no_new_privs: told("NoNewPrivs") }).toEqual({ name, no_new_privs: ["1"] });
      const mounts = (await readFile(`/proc/${one.State.Pid}/mountinfo`, "utf8")).split("\n");
      const ofRoot = mounts.find((line) => line.split(" ")[4] === "/")?.split(" ")[5];
      expect({ name, root: ofRoot?.split(",")[0] }).toEqual({ name, root: "ro" });
    }
  });

  test("is reached from this machine only, and no secret stands in an environment", async () => {
    const containers = await running(fleet);
    const hosts = containers.flatMap((one) => Object.values(one.HostConfig.PortBindings).flat());
    expect(new Set(hosts.map(({ HostIp }) => HostIp))).toEqual(new Set(["127.0.0.1"]));
    const password = /:([0-9a-f]{48})@/.exec(
      await readFile(new URL("../../compose/secrets/database_url", import.meta.url), "utf8"),
    )?.[1];
    expect(password).toBeDefined();
    for (const one of containers) {
      const environment = await readFile(`/proc/${one.State.Pid}/environ`, "utf8");
      expect({ name: serviceOf(one), shows: environment.includes(password ?? "") }).toEqual({
        name: serviceOf(one),
        shows: false,
      });
    }
    const stranger = await fetch(`http://127.0.0.1:${fleet.ports.controlPlane}/groups.list`);
    expect(stranger.status).toBe(401);
  });

  test("Prometheus scrapes each process and knows the alerts", async () => {
    const ask = async <T>(path: string): Promise<T> => {
      const answer = await fetch(`http://127.0.0.1:${fleet.ports.prometheus}/api/v1/${path}`);
      return ((await answer.json()) as { data: T }).data;
    };
    type Targets = { activeTargets: { health: string; labels: { job: string } }[] };
    await waitFor(
      "seven healthy targets",
      async () => {
        const { activeTargets } = await ask<Targets>("targets");
        return activeTargets.filter(({ health }) => health === "up").length === 7;
      },
      { timeoutMs: 2 * MINUTE, everyMs: 1000 },
    );
    type Rules = { groups: { rules: { type: string; name: string; health: string }[] }[] };
    const { groups } = await ask<Rules>("rules");
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.filter(({ type }) => type === "alerting").length).toBeGreaterThan(7);
    expect(rules.filter(({ health }) => health === "err")).toEqual([]);
  });

  test(
    "loses and repeats nothing through a kill, a scaling and a stop in mid-load",
    async () => {
      await publish(fleet, ORDERS);
      engine.took("publish");

      // A crash, as the kernel makes it: no signal that could be handled, and nobody told the engine.
      const [victim] = await fleet.containers("worker-go");
      if (victim === undefined) throw new Error("there is no worker-go");
      process.kill(victim.State.Pid, "SIGKILL");
      await waitFor(
        "the killed worker to come back by itself",
        async () => {
          const again = (await fleet.containers("worker-go")).find(({ Id }) => Id === victim.Id);
          return again?.RestartCount === 1 && again.State.Status === "running";
        },
        { timeoutMs: MINUTE, everyMs: 200 },
      );
      await fleet.fleet(["up", "--detach", "--no-recreate", "--scale", "worker-go=5"]);
      expect(await fleet.containers("worker-go")).toHaveLength(5);

      const before = await verify(fleet);
      expect(before.terms).toMatchObject({ accepted: ORDERS, lost: 0 });
      expect(before.terms.waiting).toBeGreaterThan(500);
      await fleet.fleet(["stop"]);
      engine.took("kill, scale and stop");
      // SIGTERM reached each of them, and each ended by itself.
      for (const one of await fleet.containers()) {
        const name = serviceOf(one);
        expect({ name, ...one.State }).toMatchObject({ name, Status: "exited", OOMKilled: false });
        expect({ name, code: one.State.ExitCode }).toEqual({ name, code: 0 });
      }

      await fleet.fleet(["start"]);
      engine.took("start");
      const account = await closedAccount(fleet);
      engine.took("work off");
      expect(account).toMatchObject({
        ok: true,
        terms: { accepted: ORDERS, dead: ORDERS / BAD_EVERY, lost: 0, repeats: 0, conflicts: 0 },
      });

      // What each member says it did, the killed one's last lines aside: nothing twice.
      const done = await settled(fleet);
      expect(done.filter((id, at) => done.indexOf(id) !== at)).toEqual([]);
      expect(done.length).toBeGreaterThan(ORDERS * 0.9);
    },
    10 * MINUTE,
  );

  test("all nine workers are in the group", async () => {
    await waitFor(
      "nine members",
      async () => {
        const { items } = await fleet.muster<{ items: { member: { language: string } }[] }>([
          "members",
          "list",
          "--group",
          "billing",
          "--stream",
          "ORDERS",
        ]);
        const ofGo = items.filter(({ member }) => member.language === "go").length;
        return items.length === 9 && ofGo === 5;
      },
      { timeoutMs: MINUTE, everyMs: 1000 },
    );
  });
});

async function running(fleet: Fleet): Promise<Container[]> {
  return (await fleet.containers()).filter(({ State }) => State.Status === "running");
}
