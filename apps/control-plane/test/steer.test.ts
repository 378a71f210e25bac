import { buckets, groupKey } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deleteEntry, getEntry, putEntry } from "../src/nats/bucket.ts";
import { memberOf, order, refusalOf, settleDone, specOf, startSystem, startWorker, take } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

/** A group on a stream of its own, with so many orders waiting. */
async function group(
  stream: string,
  orders: number,
  retention: "workqueue" | "limits" | "interest" = "workqueue",
) {
  const spec = specOf({ stream, subjects: [`${stream}.*`] });
  await system.client.groups.apply.mutate({ spec, stream: { retention } });
  await publish(stream, orders);
  return { spec, at: { stream, group: "billing" } };
}

async function publish(stream: string, orders: number): Promise<void> {
  for (let n = 0; n < orders; n++)
    await system.nats.js.publish(`${stream}.created`, JSON.stringify(order(`o${n}`)));
}

const isPaused = async (stream: string) =>
  (await system.nats.jsm.consumers.info(stream, "billing")).paused ?? false;

describe("pause and resume", () => {
  test("stops a running group at its members and at the server, and lets it go on", async () => {
    const { client, server } = system;
    const { spec, at } = await group("PAUSE", 0);
    await using _worker = await startWorker(server.url, spec);
    const paused = await client.groups.pause.mutate(at);
    expect(paused).toMatchObject({
      paused: true,
      change: "updated",
      held: 0,
      note: expect.stringContaining("retries"),
    });
    expect(await isPaused("PAUSE")).toBe(true);
    await waitFor(
      "the member to be paused",
      async () => (await client.groups.get.query(at)).members[0]?.state === "paused",
    );
    await publish("PAUSE", 3);
    expect(await client.groups.get.query(at)).toMatchObject({ ready: 3, ack_pending: 0 });

    expect(await client.groups.pause.mutate(at)).toMatchObject({
      change: "unchanged",
      revision: paused.revision,
    });
    expect(await client.groups.resume.mutate(at)).toMatchObject({ paused: false, change: "updated" });
    await waitFor("all to be done", async () => {
      const { ready, ack_pending } = await client.groups.get.query(at);
      return ready + ack_pending === 0;
    });
  });

  test("by an apply too, and an apply that resumes leaves no pause behind", async () => {
    const { client } = system;
    const { spec } = await group("PAUSED", 0);
    const plan = await client.groups.plan.mutate({ spec: { ...spec, paused: true } });
    expect(plan.changes.find(({ what }) => what === "consumer billing")?.differences).toEqual([
      { field: "paused", is: false, wanted: true },
    ]);
    await client.groups.apply.mutate({ spec: { ...spec, paused: true } });
    expect(await isPaused("PAUSED")).toBe(true);
    await client.groups.apply.mutate({ spec });
    expect(await isPaused("PAUSED")).toBe(false);
  });

  test("pauses and resumes at once end with the consumer as the spec says", async () => {
    const { client } = system;
    const { at } = await group("BOTH", 0);
    await Promise.all([...Array(6).keys()].map((n) => client.groups[n % 2 ? "pause" : "resume"].mutate(at)));
    expect(await isPaused("BOTH")).toBe((await client.groups.get.query(at)).spec.paused);
  });

  test("makes no consumer that is missing, and leaves one that others made as it is", async () => {
    const { client, nats } = system;
    const { at } = await group("NEED", 0);
    await nats.jsm.consumers.delete("NEED", "billing");
    expect(await client.groups.pause.mutate(at)).toMatchObject({ paused: true, change: "updated" });
    expect((await nats.jsm.streams.info("NEED")).state.consumer_count).toBe(0);
    await nats.jsm.consumers.add("NEED", { durable_name: "billing", ack_policy: "explicit", max_deliver: 5 });
    expect((await client.groups.pause.mutate(at)).note).toContain("was not made by Muster");
    expect(await isPaused("NEED")).toBe(false);
    await nats.jsm.streams.delete("NEED");
    expect(await client.groups.resume.mutate(at)).toMatchObject({ paused: false, change: "updated" });
  });

  test("names a group that is not there", async () => {
    expect(await refusalOf(system.client.groups.pause.mutate({ stream: "NONE", group: "g" }))).toMatchObject({
      code: "no_group",
    });
  });
});

describe("reset", () => {
  test("says what would come again, asks for a pause, and goes back", async () => {
    const { client, nats } = system;
    const { at } = await group("BACK", 6, "limits");
    for (let n = 0; n < 4; n++) await settleDone(nats, await take(nats, "BACK"));
    const to = { sequence: 2 };
    const dry = await client.groups.reset.mutate({ ...at, to, dry_run: true });
    expect(dry).toMatchObject({ sequence: 2, messages: 5, again: 3, skipped: 0, dry_run: true });
    expect(dry.note).toContain("ledger (kv)");
    expect(await refusalOf(client.groups.reset.mutate({ ...at, to }))).toMatchObject({ code: "not_paused" });
    await client.groups.pause.mutate(at);
    expect(await client.groups.reset.mutate({ ...at, to })).toMatchObject({ again: 3, dry_run: false });
    await client.groups.resume.mutate(at);
    expect((await take(nats, "BACK")).seq).toBe(2);
  });

  test("goes ahead to a time, and says what the group never gets", async () => {
    const { client, nats } = system;
    const { at } = await group("AHEAD", 5, "limits");
    const { timestamp: time = "" } = (await nats.jsm.streams.getMessage("AHEAD", { seq: 4 })) ?? {};
    expect(await client.groups.reset.mutate({ ...at, to: { time }, dry_run: true })).toMatchObject({
      sequence: 4,
      messages: 2,
      again: 0,
      skipped: 3,
    });
    const future = new Date(Date.now() + 60_000).toISOString();
    expect(await client.groups.reset.mutate({ ...at, to: { time: future }, dry_run: true })).toMatchObject({
      messages: 0,
      skipped: 5,
    });
  });

  test("passes over nothing that waits for a retry, and waits for members", async () => {
    const { client, nats } = system;
    const { at } = await group("RETRY", 4, "limits");
    (await take(nats, "RETRY")).nak(3_600_000);
    await settleDone(nats, await take(nats, "RETRY"));
    await nats.nc.flush();
    await client.groups.pause.mutate(at);
    const ahead = { ...at, to: { sequence: 3 } };
    expect(await client.groups.reset.mutate({ ...ahead, dry_run: true })).toMatchObject({
      unsettled: 1,
      skipped: 0,
    });
    expect(await refusalOf(client.groups.reset.mutate(ahead))).toMatchObject({
      code: "not_settled",
      message: expect.stringContaining("go to 1 at most"),
    });
    const back = { ...at, to: { sequence: 1 } };
    const key = "RETRY.billing.m1";
    for (const [state, held] of [
      ["running", 0],
      ["paused", 1],
    ] as const) {
      const { revision = 0 } = (await getEntry(nats, buckets.members, key)) ?? {};
      await putEntry(
        nats,
        buckets.members,
        key,
        JSON.stringify(memberOf({ id: "m1", state, held })),
        revision,
      );
      expect(await refusalOf(client.groups.reset.mutate(back))).toMatchObject({
        code: "not_paused",
        message: expect.stringContaining(`m1 (${state}, ${held} in hand)`),
      });
    }
    const { revision = 0 } = (await getEntry(nats, buckets.members, key)) ?? {};
    await deleteEntry(nats, buckets.members, key, revision);
    await client.groups.reset.mutate(back);
    await client.groups.resume.mutate(at);
    const again = [await take(nats, "RETRY"), await take(nats, "RETRY")];
    expect(again.map(({ seq }) => seq)).toEqual([1, 2]);
  });

  test("leaves nothing behind in the stream, and refuses where nothing is kept", async () => {
    const { client, nats } = system;
    expect((await nats.jsm.streams.info("AHEAD")).state.consumer_count).toBe(1);
    const { at } = await group("WORK", 1);
    expect(await refusalOf(client.groups.reset.mutate({ ...at, to: { sequence: 1 } }))).toMatchObject({
      code: "not_on_work_queue",
      message: expect.stringContaining("replay dead letters"),
    });
    for (const to of [{ sequence: 0 }, { time: "yesterday" }])
      expect(await refusalOf(client.groups.reset.mutate({ ...at, to }))).toMatchObject({
        code: "bad_request",
      });
  });
});

describe("delete", () => {
  test("asks for the name, says what stays, and takes spec and consumer away", async () => {
    const { client, nats } = system;
    const { at } = await group("GONE", 2);
    const dry = await client.groups.delete.mutate({ ...at, dry_run: true });
    expect(dry).toMatchObject({
      removes: ["spec GONE.billing", "consumer billing"],
      loses: [],
      dry_run: true,
    });
    expect(dry.keeps[0]).toContain("2 messages in stream GONE");
    expect(await refusalOf(client.groups.delete.mutate({ ...at, confirm: "Billing" }))).toMatchObject({
      code: "not_confirmed",
    });
    await client.groups.delete.mutate({ ...at, confirm: "billing" });
    expect(await refusalOf(client.groups.get.query(at))).toMatchObject({ code: "no_group" });
    const { state } = await nats.jsm.streams.info("GONE");
    expect(state).toMatchObject({ consumer_count: 0, messages: 2 });
    expect(await refusalOf(client.groups.delete.mutate({ ...at, confirm: "billing" }))).toMatchObject({
      code: "no_group",
    });
  });

  test("ends what one that was killed after its first step began", async () => {
    const { client, nats } = system;
    const { at } = await group("HALF", 1, "interest");
    const key = groupKey("HALF", "billing");
    const { revision = 0 } = (await getEntry(nats, buckets.groups, key)) ?? {};
    await deleteEntry(nats, buckets.groups, key, revision);
    const removal = await client.groups.delete.mutate({ ...at, confirm: "billing" });
    expect(removal).toMatchObject({ removes: ["consumer billing"] });
    expect(removal.loses[0]).toContain("1 messages of stream HALF");
    expect((await nats.jsm.streams.info("HALF")).state.consumer_count).toBe(0);
  });

  test("leaves alone what others made, and what members still work for", async () => {
    const { client, nats } = system;
    const { at } = await group("LIVE", 0);
    await putEntry(nats, buckets.members, "LIVE.billing.m1", JSON.stringify(memberOf({ id: "m1" })), 0);
    expect(await refusalOf(client.groups.delete.mutate({ ...at, confirm: "billing" }))).toMatchObject({
      code: "has_members",
      message: expect.stringContaining("m1"),
    });
    await nats.jsm.consumers.delete("LIVE", "billing");
    await nats.jsm.consumers.add("LIVE", {
      durable_name: "billing",
      ack_policy: "explicit",
      max_deliver: -1,
    });
    const removal = await client.groups.delete.mutate({ ...at, confirm: "billing", force: true });
    expect(removal.removes).toEqual(["spec LIVE.billing"]);
    expect(removal.keeps[0]).toContain("which Muster did not make");
    expect((await nats.jsm.consumers.info("LIVE", "billing")).name).toBe("billing");
  });
});

describe("drain of a member", () => {
  test("drains one, which leaves with exit code 0", async () => {
    const { client, server } = system;
    const { spec, at } = await group("DRAIN", 0);
    const worker = await startWorker(server.url, spec);
    expect(await client.groups.drainMember.mutate({ ...at, member: "w1" })).toMatchObject({
      member: "w1",
      held: 0,
    });
    expect(await worker.exited).toMatchObject({ code: 0 });
    expect(await refusalOf(client.groups.drainMember.mutate({ ...at, member: "w1" }))).toMatchObject({
      code: "no_member",
    });
  });

  test("names those that are there, and takes no subject for a name", async () => {
    const { client, nats } = system;
    const { at } = await group("OTHERS", 0);
    await putEntry(nats, buckets.members, "OTHERS.billing.m2", JSON.stringify(memberOf({ id: "m2" })), 0);
    expect(await refusalOf(client.groups.drainMember.mutate({ ...at, member: "m1" }))).toMatchObject({
      code: "no_member",
      message: expect.stringContaining("it has m2"),
    });
    for (const member of ["*", ">", "a.b", ""])
      expect((await refusalOf(client.groups.drainMember.mutate({ ...at, member }))).code).toBe("bad_name");
  });
});
