import { buckets } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { metricsText } from "../src/metrics/metrics.ts";
import { putEntry } from "../src/nats/bucket.ts";
import { lag } from "./lagging-replica.ts";
import { memberOf, noCounts, order, settleDead, specOf, startSystem, take } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

/** The metrics by name and labels, labels in alphabetical order. */
async function scrape(): Promise<Map<string, number>> {
  const response = await fetch(`${system.controlPlane.url}/metrics`);
  expect([response.status, response.headers.get("content-type")]).toEqual([
    200,
    expect.stringContaining("text/plain"),
  ]);
  const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const [, name = "", labels = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      return [`${name}{${labels.split(",").sort().join(",")}}`, Number(value)];
    }),
  );
}

async function group(stream: string, orders: number): Promise<void> {
  const spec = specOf({ stream, subjects: [`${stream}.*`], min_members: 2 });
  await system.client.groups.apply.mutate({ spec });
  for (let n = 0; n < orders; n++)
    await system.nats.js.publish(`${stream}.created`, JSON.stringify(order(`o${n}`)));
}

test("tells of each group under the names that rules and autoscalers know", async () => {
  const { nats } = system;
  await group("M", 5);
  await settleDead(nats, await take(nats, "M"));
  await take(nats, "M");
  const member = {
    id: "m1",
    language: "go",
    in_flight: 1,
    held: 1,
    degraded: true,
    counts: { ...noCounts, done: 7 },
  };
  await putEntry(nats, buckets.members, "M.billing.m1", JSON.stringify(memberOf(member)), 0);
  const metrics = await scrape();
  const of = (name: string, more = "") => metrics.get(`${name}{${more}}`);
  const consumer = 'consumer="billing",stream="M"';
  expect(of("nats_consumer_pending_messages", consumer)).toBe(3);
  expect(of("nats_consumer_ack_pending", consumer)).toBe(1);
  expect(of("nats_consumer_redelivered_total", consumer)).toBe(0);
  expect(of("nats_consumer_delivered_total", consumer)).toBe(2);
  const ours = 'group="billing"';
  expect(of("muster_group_members", `${ours},language="go",stream="M"`)).toBe(1);
  expect(of("muster_group_min_members", `${ours},stream="M"`)).toBe(2);
  expect(of("muster_group_in_flight", `${ours},stream="M"`)).toBe(1);
  expect(of("muster_group_backing_off", `${ours},stream="M"`)).toBe(0);
  expect(of("muster_group_degraded", `${ours},stream="M"`)).toBe(1);
  expect(of("muster_group_dead_letters", `${ours},reason="exhausted",stream="M"`)).toBe(1);
  expect(of("muster_group_dead_letters", `${ours},reason="invalid",stream="M"`)).toBe(0);
  expect(of("muster_group_deliveries", `${ours},outcome="done",stream="M"`)).toBe(7);
  expect(of("muster_group_paused", `${ours},stream="M"`)).toBe(0);
  expect(of("muster_dead_letter_stream_bytes", 'stream="M"')).toBeGreaterThan(100);
  expect(of("muster_control_plane_nats_up")).toBe(1);
});

test("tells how long the oldest has waited, of the group's own messages", async () => {
  const { client, nats } = system;
  const labels = '{group="billing",stream="OLD"}';
  const spec = specOf({ stream: "OLD", subjects: ["OLD.mine"] });
  await client.groups.apply.mutate({ spec, stream: { retention: "limits" } });
  await client.groups.apply.mutate({ spec: { ...spec, group: "others", subjects: ["OLD.theirs"] } });
  await nats.js.publish("OLD.theirs", JSON.stringify(order("a")));
  expect((await scrape()).get(`muster_group_oldest_waiting_seconds${labels}`)).toBe(0);
  await nats.js.publish("OLD.mine", JSON.stringify(order("b")));
  const before = Date.now();
  await nats.js.publish("OLD.mine", JSON.stringify(order("c")));
  const seconds = (await scrape()).get(`muster_group_oldest_waiting_seconds${labels}`) ?? Number.NaN;
  expect(seconds).toBeGreaterThanOrEqual(0);
  expect(seconds * 1000).toBeLessThan(Date.now() - before + 1000);
});

test("asks for the oldest of 32 groups at once, however many there are", async () => {
  const { client, nats } = system;
  const groups = Array.from({ length: 40 }, (_, n) => ({
    spec: specOf({ stream: "MANY", group: `g${n}`, subjects: ["MANY.*"] }),
    ...(n === 0 ? { stream: { retention: "limits" as const } } : {}),
  }));
  expect((await client.groups.applyAll.mutate({ groups })).ok).toBe(true);
  await nats.js.publish("MANY.created", JSON.stringify(order("a")));
  const held = Promise.withResolvers<void>();
  let [out, most] = [0, 0];
  using replica = await lag(nats, "MANY", async () => {
    most = Math.max(most, ++out);
    await held.promise;
    out--;
  });
  replica.upTo = 1;
  const scraped = metricsText(nats);
  await waitFor("as many questions as there may be", () => out >= 32);
  // What was asked with them would be here by now.
  await nats.nc.flush();
  held.resolve();
  const lines = (await scraped).split("\n").filter((line) => /oldest_waiting_seconds.*"MANY"/.test(line));
  expect([most, lines.length]).toEqual([32, 40]);
  // A message of the group's own subject, and one of its replay's: both were asked for.
  expect(replica.gets).toBeGreaterThanOrEqual(80);
});

test("has a line for a group without members, without consumer, and without stream", async () => {
  const { nats } = system;
  await group("EMPTY", 0);
  await nats.jsm.consumers.delete("EMPTY", "billing");
  await group("NONE", 0);
  await nats.jsm.streams.delete("NONE");
  const metrics = await scrape();
  for (const stream of ["EMPTY", "NONE"]) {
    expect(metrics.get(`muster_group_members{group="billing",language="none",stream="${stream}"}`)).toBe(0);
    expect(metrics.get(`muster_group_consumer_missing{group="billing",stream="${stream}"}`)).toBe(1);
    expect(metrics.has(`nats_consumer_ack_pending{consumer="billing",stream="${stream}"}`)).toBe(false);
  }
});

test("says that NATS is away, and is refused to other origins and methods", async () => {
  const { url } = system.controlPlane;
  expect((await fetch(`${url}/metrics`, { headers: { origin: "http://evil.example" } })).status).toBe(403);
  expect((await fetch(`${url}/metrics`, { method: "POST" })).status).toBe(415);
  await system.server.kill();
  await expect.poll(async () => (await fetch(`${url}/readyz`)).status, { timeout: 20_000 }).toBe(503);
  expect([...(await scrape()).entries()]).toEqual([["muster_control_plane_nats_up{}", 0]]);
  await system.server.restart();
});
