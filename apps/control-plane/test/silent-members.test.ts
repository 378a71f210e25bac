// A listener whose watch gives nothing any more, as an ordered consumer that stalls: paused at the server.
import { buckets } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { expect, test } from "vitest";
import { type MemberEvent, memberEvents } from "../src/groups/events.ts";
import { bucketStream, deleteEntry, getEntry } from "../src/nats/bucket.ts";
import { memberOf, specOf, startSystem } from "./system.ts";

const ttlMs = 3000;
const stream = bucketStream(buckets.members);
const keyOf = (id: string) => `ORDERS.billing.${id}`;

test("asks once for all who are silent, and tells of each end as it was", async () => {
  await using system = await startSystem();
  const { nats } = system;
  await system.client.groups.apply.mutate({ spec: specOf() });
  await nats.jsm.streams.update(stream, { max_age: ttlMs * 1e6, duplicate_window: ttlMs * 1e6 });
  const beating = new Set(["dies", "leaves", ...Array.from({ length: 100 }, (_, n) => `lives-${n}`)]);
  const all = beating.size;
  const beat = () => {
    for (const id of beating) {
      const record = JSON.stringify(memberOf({ id, instance: id }));
      nats.nc.publish(`$KV.${buckets.members}.${keyOf(id)}`, record);
    }
  };
  beat();
  const beats = setInterval(beat, ttlMs / 8);
  const stop = new AbortController();
  const events: MemberEvent[] = [];
  const watching = (async () => {
    // The list that is read again would see the ends, too.
    for await (const event of memberEvents(nats, {}, stop.signal, { ttlMs, lookMs: 60_000 }))
      if (event.event !== "here") events.push(event);
  })();
  const consumer = await waitFor("the watch to have come to its end", async () => {
    const [info] = await nats.jsm.consumers.list(stream).next();
    return info !== undefined && info.num_pending === 0 && info.delivered.stream_seq >= all
      ? info
      : undefined;
  });
  const asked = new Set<string>();
  const note = (subject: string) => void asked.add(subject.slice(subject.lastIndexOf(".") + 1));
  nats.nc.subscribe(`$JS.API.DIRECT.GET.${stream}.>`, { callback: (_, { subject }) => note(subject) });
  nats.nc.subscribe(`$JS.API.DIRECT.GET.${stream}`, {
    callback: (_, message) => message.json<{ multi_last?: string[] }>().multi_last?.forEach(note),
  });
  await nats.jsm.consumers.pause(stream, consumer.name, new Date(Date.now() + 60_000));
  beating.delete("dies");
  const told = (member: string) => events.find((one) => one.member === member)?.event;
  expect(await waitFor("the crash", () => told("dies"))).toBe("crashed");
  // By now all are silent for as long.
  beating.delete("leaves");
  const { revision = 0 } = (await getEntry(nats, buckets.members, keyOf("leaves"))) ?? {};
  expect(await deleteEntry(nats, buckets.members, keyOf("leaves"), revision)).toBe(true);
  expect(await waitFor("the farewell", () => told("leaves"))).toBe("left");
  expect(events.map(({ event, member }) => `${member} ${event}`)).toEqual(["dies crashed", "leaves left"]);
  expect([...asked].toSorted()).toEqual(["dies", "leaves"]);
  clearInterval(beats);
  stop.abort();
  await watching;
});
