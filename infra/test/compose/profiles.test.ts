// The other profiles: the small one, and the cluster, one of whose servers is killed under load.
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { waitFor } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Fleet, fleetOf, serviceOf } from "./compose.ts";
import { BAD_EVERY, closedAccount, publish, verify } from "./orders.ts";
import { missing, PATIENCE_MS, type Ready, ready } from "./ready.ts";

const ORDERS = 1000;

describe.skipIf(missing !== undefined)(missing ?? "the other profiles", () => {
  let engine: Ready;

  beforeAll(async () => {
    engine = await ready("small and cluster");
  }, PATIENCE_MS);

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
  }, PATIENCE_MS);

  test(
    "small: NATS, the control plane and one worker of each language, without a database",
    async () => {
      await using fleet = await fleetOf("small", engine);
      await fleet.fleet(["up", "--build", "--detach", "--wait"]);
      const services = (await fleet.containers()).map(serviceOf);
      expect(services.toSorted()).toEqual([
        "control-plane",
        "nats",
        "provision",
        "worker-go",
        "worker-py",
        "worker-ts",
      ]);
      await publish(fleet, 200);
      expect(await closedAccount(fleet)).toMatchObject({
        ok: true,
        terms: { accepted: 200, dead: 2, lost: 0 },
      });
      engine.took("small");
    },
    PATIENCE_MS,
  );

  test(
    "cluster: three copies of what is the group's, and none lost with a server",
    async () => {
      await using fleet = await fleetOf("cluster", engine);
      await fleet.fleet(["up", "--build", "--detach", "--wait"]);
      engine.took("cluster up");
      const { leader, copies } = await placed(fleet);
      expect(copies).toMatchObject({ ORDERS: 3, ORDERS_DLQ: 3, KV_MUSTER_GROUPS: 3, KV_MUSTER_ATTEMPTS: 3 });
      // They were made with one before the group was applied.
      expect(copies).toMatchObject({ KV_MUSTER_TOKENS: 3, MUSTER_AUDIT: 3 });

      const [server] = await fleet.containers(leader);
      if (server === undefined) throw new Error(`there is no ${leader}`);
      const kill = async (): Promise<void> => {
        await waitFor("some orders to be there", async () => (await verify(fleet)).terms.accepted > 0);
        process.kill(server.State.Pid, "SIGKILL");
      };
      await Promise.all([publish(fleet, ORDERS), kill()]);
      expect(await closedAccount(fleet)).toMatchObject({
        ok: true,
        terms: { accepted: ORDERS, dead: ORDERS / BAD_EVERY, lost: 0 },
      });
      engine.took("cluster");
    },
    PATIENCE_MS,
  );
});

/** How many copies each stream has, and the service that leads the orders. */
async function placed({ ports }: Fleet): Promise<{ leader: string; copies: Record<string, number> }> {
  await using nats = await connect({ servers: `127.0.0.1:${ports.nats}`, ignoreClusterUpdates: true });
  const streams = (await jetstreamManager(nats)).streams;
  const copies: Record<string, number> = {};
  for await (const { config } of streams.list()) copies[config.name] = config.num_replicas;
  const leader = (await streams.info("ORDERS")).cluster?.leader ?? "";
  return { leader: leader === "nats-1" ? "nats" : leader, copies };
}
