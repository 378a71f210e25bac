import { buckets, MemberRecord } from "@muster/contracts";
import { startNats, waitFor } from "@muster/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type MemberEvent, memberEvents, newsOnly } from "../src/groups/events.ts";
import { bucketStream, deleteEntry, getEntry, putEntry } from "../src/nats/bucket.ts";
import { listen as listenTo } from "./listen.ts";
import { memberOf, specOf, startPlane, startSystem, startWorker } from "./system.ts";

const ttlMs = 2000;
let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
  await system.client.groups.apply.mutate({ spec: specOf() });
  // Shorter than a user's, so that a crash is seen within the test.
  await system.nats.jsm.streams.update(bucketStream(buckets.members), {
    max_age: ttlMs * 1e6,
    duplicate_window: ttlMs * 1e6,
  });
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

/** Listens over tRPC. */
function listen(url: string, input: object = {}) {
  return listenTo(`${url}/groups.events?input=${encodeURIComponent(JSON.stringify(input))}`);
}

const put = async (key: string, record: object | "") => {
  const before = await getEntry(system.nats, buckets.members, key);
  const revision = before?.revision ?? 0;
  if (record === "") await deleteEntry(system.nats, buckets.members, key, revision);
  else await putEntry(system.nats, buckets.members, key, JSON.stringify(record), revision);
};

test("tells of a worker that joins, leaves and crashes, to whom asked for its group", async () => {
  const { server, controlPlane } = system;
  using all = listen(controlPlane.url);
  using others = listen(controlPlane.url, { stream: "OTHER" });
  await using worker = await startWorker(server.url, specOf());
  const joined = await all.seen("joined", "w1");
  expect(joined).toMatchObject({ stream: "ORDERS", group: "billing", language: "ts", state: "running" });
  using late = listen(controlPlane.url, { stream: "ORDERS", group: "billing" });
  await late.seen("here", "w1");
  worker.kill("SIGTERM");
  await all.seen("left", "w1");
  await worker.exited;
  await using again = await startWorker(server.url, specOf(), { WORKER_ID: "w2" });
  await all.seen("joined", "w2");
  again.kill("SIGKILL");
  await all.seen("crashed", "w2");
  // The record that was deleted has gone by now, marker and all, and that was no crash.
  expect(
    all.events
      .filter(({ member }) => member === "w1")
      .map(({ event }) => event)
      .filter((event) => event !== "changed"),
  ).toEqual(["joined", "left"]);
  await late.seen("crashed", "w2");
  expect(others.events).toEqual([]);
});

test("tells each change of state once, and a process that took an id over", async () => {
  const key = "ORDERS.billing.m1";
  await put(key, memberOf({ instance: "a", state: "starting" }));
  using all = listen(system.controlPlane.url);
  await all.seen("here", "m1");
  // The bucket keeps the last record alone: what is overwritten before it was seen is not told.
  for (const state of ["running", "running", "draining"]) {
    await put(key, memberOf({ instance: "a", state }));
    await waitFor(state, () => all.events.at(-1)?.state === state);
  }
  await put(key, memberOf({ instance: "b" }));
  await all.seen("joined", "m1");
  await put(key, "{" as unknown as object);
  await put(key, "");
  await all.seen("left", "m1");
  expect(all.events.map(({ event, state }) => `${event} ${state}`)).toEqual([
    "here starting",
    "changed running",
    "changed draining",
    "joined running",
    "left running",
  ]);
});

test("announces no crash of members that were only cut off with it", async () => {
  const stop = new AbortController();
  const events: MemberEvent[] = [];
  await put("ORDERS.billing.kept", memberOf({ id: "kept", instance: "k" }));
  await put("ORDERS.billing.dies", memberOf({ id: "dies", instance: "d" }));
  const watching = (async () => {
    for await (const event of memberEvents(system.nats, {}, stop.signal, { ttlMs, lookMs: 1000 }))
      events.push(event);
  })();
  await waitFor("both to be there", () => events.filter(({ event }) => event === "here").length === 2);
  await system.server.kill();
  // Time itself is what this is about: no sign tells that a record would have expired by now.
  await new Promise((resolve) => setTimeout(resolve, ttlMs + 500));
  await system.server.restart();
  await waitFor("it to be connected", () =>
    system.nats.nc.flush().then(
      () => true,
      () => false,
    ),
  );
  await waitFor(
    "the records to have expired",
    async () => (await getEntry(system.nats, buckets.members, "ORDERS.billing.kept"))?.value === undefined,
  );
  await put("ORDERS.billing.kept", memberOf({ id: "kept", instance: "k" }));
  const beat = setInterval(
    () => void put("ORDERS.billing.kept", memberOf({ id: "kept", instance: "k" })),
    300,
  );
  await waitFor("the other's crash", () =>
    events.some(({ event, member }) => member === "dies" && (event === "crashed" || event === "gone")),
  );
  clearInterval(beat);
  expect(events.filter(({ member, event }) => member === "kept" && event !== "here")).toEqual([]);
  stop.abort();
  await watching;
});

test("a crash is one, whoever sees first that the record has expired: the sweep, or the list that is read again", async () => {
  const stop = new AbortController();
  const ends: string[] = [];
  const ids = Array.from({ length: 20 }, (_, n) => `ends-${n}`);
  const watching = (async () => {
    // The list is read at every look.
    for await (const { event, member } of memberEvents(system.nats, {}, stop.signal, { ttlMs, lookMs: 50 }))
      if (ids.includes(member) && event !== "here" && event !== "joined") ends.push(event);
  })();
  for (const id of ids) {
    await put(`ORDERS.billing.${id}`, memberOf({ id, instance: id }));
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await waitFor("their ends", () => ends.length === ids.length);
  expect(new Set(ends)).toEqual(new Set(["crashed"]));
  stop.abort();
  await watching;
});

test("a member that was told as crashed and wakes as it was has joined again", async () => {
  const key = "ORDERS.billing.frozen";
  const record = memberOf({ id: "frozen", instance: "f" });
  await put(key, record);
  const stop = new AbortController();
  const events: string[] = [];
  const watching = (async () => {
    // The list that is read again would see it in the end, too.
    for await (const { member, event } of memberEvents(system.nats, {}, stop.signal, {
      ttlMs,
      lookMs: 60_000,
    }))
      if (member === "frozen") events.push(event);
  })();
  await waitFor("the crash", () => events.includes("crashed"));
  await put(key, record);
  await waitFor("it to be back", () => events.includes("joined"));
  expect(events).toEqual(["here", "crashed", "joined"]);
  stop.abort();
  await watching;
});

test("ends when the control plane stops, which waits for nobody", async () => {
  const plane = await startPlane(system.server.url);
  using all = listen(plane.url);
  await waitFor("the stream to be open", () => all.isOpen());
  await plane.close();
  await all.ended.catch(() => undefined);
});

test("leaves nothing on the connection of those that have stopped listening", async () => {
  const listeners = () =>
    (system.nats.nc as unknown as { protocol: { listeners: unknown[] } }).protocol.listeners.length;
  const before = listeners();
  for (let n = 0; n < 5; n++) {
    const stop = new AbortController();
    const events = memberEvents(system.nats, {}, stop.signal);
    const first = events.next();
    await put("ORDERS.billing.seen", memberOf({ id: "seen", instance: String(n) }));
    await first;
    expect(listeners()).toBeGreaterThan(before);
    stop.abort();
    await events.return(undefined);
  }
  await waitFor("the consumers' own listeners to be gone", () => listeners() === before);
});

test("of a thousand heartbeats passes on what is news only, and each end", () => {
  const passed: string[] = [];
  const { tell: see } = newsOnly((news) => passed.push("end" in news ? news.end : news.record.state));
  const record = (over: object) => MemberRecord.parse(memberOf({ instance: "a", ...over }));
  for (let n = 0; n < 1000; n++) see({ key: "k", record: record({ in_flight: n }) });
  see({ key: "other", record: record({}) });
  see({ key: "k", record: record({ state: "draining" }) });
  see({ key: "k", end: "left" });
  see({ key: "k", record: record({ state: "draining" }) });
  expect(passed).toEqual(["running", "running", "draining", "left", "draining"]);
});

test("says how to begin where no group was ever applied", async () => {
  await using server = await startNats();
  await using plane = await startPlane(server.url);
  const response = await fetch(`${plane.url}/groups.events`, { headers: { accept: "text/event-stream" } });
  expect(await response.text()).toContain("no_bucket");
});

test("refuses subjects for names", async () => {
  const response = await fetch(
    `${system.controlPlane.url}/groups.events?input=${encodeURIComponent('{"stream":"*.>"}')}`,
    {
      headers: { accept: "text/event-stream" },
    },
  );
  const text = await response.text();
  expect(text).toContain("bad_name");
});
