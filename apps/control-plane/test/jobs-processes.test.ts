import { join } from "node:path";
import { startProcess, waitFor } from "@muster/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deadCount, eventsIn, putManyDead, startBare, waitForJob } from "./jobs-system.ts";
import { clientOf, settleDone, take } from "./system.ts";

const argv = [process.execPath, join(import.meta.dirname, "../src/main.ts")];
let bare: Awaited<ReturnType<typeof startBare>>;
beforeAll(async () => {
  bare = await startBare();
});
afterAll(async () => {
  await bare[Symbol.asyncDispose]();
});

/** A control plane as a process. */
async function startPlane(name: string) {
  const plane = startProcess(name, argv, {
    NATS_URL: bare.server.url,
    MUSTER_PORT: "0",
    MUSTER_HOST: "",
    MUSTER_AUTH: "",
    DATABASE_URL: "",
    LOG_LEVEL: "info",
  });
  const { url } = JSON.parse(await plane.waitForLine(/"listening"/)) as { url: string };
  await plane.waitForLine(/"connected"/);
  return { ...plane, url, client: clientOf(url) };
}

test("of two control planes one is killed in mid-job; the other ends it, and every order is done once", {
  timeout: 180_000,
}, async () => {
  const { nats } = bare;
  await using one = await startPlane("one");
  await using two = await startPlane("two");
  await putManyDead(nats, 3000, "p");
  const { id } = await one.client.jobs.create.mutate({ stream: "ORDERS", rate_per_second: 600 });
  const taken = /"job taken"/;
  const holder = await Promise.race([one, two].map(async (plane) => (await plane.waitForLine(taken), plane)));
  const other = holder === one ? two : one;
  await waitForJob(other.client, id, ({ counts }) => counts.replayed > 500);
  holder.kill("SIGKILL");
  await holder.exited;
  // The lease of the job lasts 10 s, and the claims that the killed one held 30 s.
  const done = await waitForJob(other.client, id, undefined, 120_000);
  expect(done).toMatchObject({
    state: "done",
    counts: { selected: 3000, skipped: {}, failed: {}, parked: 0 },
  });
  expect(done.counts.replayed + done.counts.gone).toBe(3000);
  expect(await deadCount(nats)).toBe(0);
  const events = await eventsIn(nats);
  expect(new Set(events).size).toBe(3000);
  expect(events.length).toBe(3000);
  for (let i = 0; i < 20; i++) await settleDone(nats, await take(nats));
  expect(await other.client.verify.query({ stream: "ORDERS", group: "billing" })).toMatchObject({ ok: true });
  await nats.jsm.streams.purge("ORDERS");
});

test("a control plane that leaves in mid-job lets another go on at once", { timeout: 90_000 }, async () => {
  const { nats } = bare;
  await using one = await startPlane("one");
  await putManyDead(nats, 300, "q");
  const { id } = await one.client.jobs.create.mutate({ stream: "ORDERS", rate_per_second: 50 });
  await waitForJob(one.client, id, ({ counts }) => counts.replayed > 0);
  one.kill("SIGTERM");
  expect(await one.exited).toMatchObject({ code: 0 });
  await using two = await startPlane("two");
  expect(await two.client.jobs.get.query({ id })).toMatchObject({ state: "running", noted: 0 });
  const done = await waitForJob(two.client, id, undefined, 60_000);
  expect(done).toMatchObject({ state: "done", counts: { selected: 300, replayed: 300, gone: 0 } });
  expect((await eventsIn(nats)).length).toBe(300);
  await nats.jsm.streams.purge("ORDERS");
});

test("a server that is killed and comes back in mid-job loses no letter", { timeout: 120_000 }, async () => {
  const { nats, server } = bare;
  await using one = await startPlane("one");
  await putManyDead(nats, 400, "r");
  const { id } = await one.client.jobs.create.mutate({ stream: "ORDERS", rate_per_second: 100 });
  await waitForJob(one.client, id, ({ counts }) => counts.replayed > 0);
  await server.restart();
  await waitFor("the server", async () => (await nats.jsm.getAccountInfo()).streams > 0);
  const done = await waitForJob(one.client, id, undefined, 90_000);
  expect(done).toMatchObject({ state: "done", counts: { selected: 400, failed: {}, skipped: {} } });
  expect(await deadCount(nats)).toBe(0);
  expect(new Set(await eventsIn(nats)).size).toBe(400);
});
