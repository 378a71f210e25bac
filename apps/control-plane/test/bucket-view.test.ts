import { buckets, memberKey } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { deleteEntry, getEntry, putEntry } from "../src/nats/bucket.ts";
import { BucketView } from "../src/nats/bucket-view.ts";
import { lag } from "./lagging-replica.ts";
import { memberOf, specOf, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
const bucket = buckets.groups;
const textOf = (value: Uint8Array) => new TextDecoder().decode(value);
let view: BucketView<string>;

beforeAll(async () => {
  system = await startSystem();
  await system.client.groups.apply.mutate({ spec: specOf() });
});
beforeEach(() => {
  view = new BucketView(system.nats, bucket, (value) => {
    const text = textOf(value);
    return text.startsWith("bad") ? undefined : text;
  });
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

async function put(key: string, value: string): Promise<void> {
  const entry = await getEntry(system.nats, bucket, key);
  expect(await putEntry(system.nats, bucket, key, value, entry?.revision ?? 0)).not.toBe("conflict");
}
const keys = async () => [...(await view.read()).keys()].filter((key) => key.startsWith("T.")).sort();

test("has what was written before it is asked, each time, and only that", async () => {
  await put("T.a", "1");
  expect(await keys()).toEqual(["T.a"]);
  await put("T.a", "2");
  await put("T.b", "3");
  const now = await view.read();
  expect([now.get("T.a")?.value, now.get("T.b")?.value]).toEqual(["2", "3"]);
  const { revision = 0 } = now.get("T.a") ?? {};
  expect(await deleteEntry(system.nats, bucket, "T.a", revision)).toBe(true);
  expect(await keys()).toEqual(["T.b"]);
  // What is no value any more is not there as it was before.
  await put("T.b", "bad");
  expect(await keys()).toEqual([]);
  await put("T.b", "4");
  expect(await keys()).toEqual(["T.b"]);
});

test("gives those who come while it reads what was written before they came", async () => {
  await view.read();
  for (let n = 0; n < 20; n++) {
    const before = view.read();
    await put("T.c", String(n));
    const [, after] = await Promise.all([before, view.read()]);
    expect(after.get("T.c")?.value).toBe(String(n));
  }
});

test("sees a bucket that was made again, and one that is gone", async () => {
  const { nats } = system;
  await put("T.d", "old");
  expect(await keys()).toContain("T.d");
  const { config } = await nats.jsm.streams.info(`KV_${bucket}`);
  await nats.jsm.streams.delete(`KV_${bucket}`);
  expect([...(await view.read())]).toEqual([]);
  const make = async () => {
    // A file stream that was deleted a moment ago may come back with its messages (seen on 2.15.2).
    while ((await nats.jsm.streams.add(config)).state.last_seq > 0)
      await nats.jsm.streams.delete(`KV_${bucket}`);
  };
  await make();
  await put("T.e", "new");
  expect(await keys()).toEqual(["T.e"]);
  // With as many revisions as before: the number alone does not tell.
  await nats.jsm.streams.delete(`KV_${bucket}`);
  await make();
  await put("T.f", "newer");
  expect(await keys()).toEqual(["T.f"]);
});

test("reads all anew where a key went without a word", async () => {
  const { nats } = system;
  await put("T.g", "1");
  expect(await keys()).toContain("T.g");
  await nats.jsm.streams.purge(`KV_${bucket}`, { filter: `$KV.${bucket}.T.g` });
  await put("T.h", "2");
  expect(await keys()).toContain("T.g");
  const now = performance.now.bind(performance);
  using _ = vi.spyOn(performance, "now").mockImplementation(() => now() + 6000);
  expect(await keys()).not.toContain("T.g");
});

test("sees a bucket that was emptied", async () => {
  await put("T.j", "1");
  expect(await keys()).toContain("T.j");
  await system.nats.jsm.streams.purge(`KV_${bucket}`);
  expect([...(await view.read())]).toEqual([]);
  await put("T.k", "2");
  expect(await keys()).toEqual(["T.k"]);
});

test("lets go of what has grown too old, though the server says nothing of it", async () => {
  const { nats } = system;
  await nats.jsm.streams.add({
    name: "KV_OLD",
    subjects: ["$KV.OLD.>"],
    max_msgs_per_subject: 1,
    max_age: 1e9,
    duplicate_window: 1e9,
    allow_direct: true,
  });
  const old = new BucketView(nats, "OLD", textOf);
  const seen = async () => [...(await old.read()).keys()];
  await putEntry(nats, "OLD", "a", "1", 0);
  expect(await seen()).toEqual(["a"]);
  await waitFor("it to be gone", async () => (await getEntry(nats, "OLD", "a")) === undefined);
  // One has gone, one has come: the number of keys does not tell.
  await putEntry(nats, "OLD", "b", "1", 0);
  expect(await seen()).toEqual(["b"]);
});

test("goes on after the server was killed and started again", async () => {
  await put("T.i", "1");
  expect(await keys()).toContain("T.i");
  await system.server.restart();
  await waitFor("the connection", () =>
    put("T.i", "2").then(
      () => true,
      () => undefined,
    ),
  );
  expect((await view.read()).get("T.i")?.value).toBe("2");
});

test("members are listed by pages, filtered, in order", async () => {
  const { client, nats } = system;
  await client.groups.apply.mutate({ spec: specOf() });
  for (let n = 0; n < 25; n++) {
    const id = `m${String(n).padStart(2, "0")}`;
    const group = n % 2 === 0 ? "billing" : "mail";
    const record = memberOf({ id, language: n % 5 === 0 ? "go" : "ts", degraded: n === 4 });
    const key = memberKey("ORDERS", group, id);
    await putEntry(nats, buckets.members, key, JSON.stringify(record), 0);
  }
  const first = await client.groups.members.query({ limit: 10 });
  expect([first.total, first.items.length, first.items[0]?.member.id]).toEqual([25, 10, "m00"]);
  const seen = [...first.items];
  for (let page = first; page.next_cursor !== undefined; ) {
    page = await client.groups.members.query({ limit: 10, cursor: page.next_cursor });
    seen.push(...page.items);
  }
  const names = seen.map(({ group, member }) => `${group} ${member.id}`);
  expect([names.length, names]).toEqual([25, [...names].sort()]);
  const some = async (filter: Parameters<typeof client.groups.members.query>[0]) =>
    (await client.groups.members.query(filter)).items.map(({ member }) => member.id);
  expect(await some({ language: "go" })).toEqual(["m00", "m10", "m20", "m05", "m15"]);
  expect(await some({ stream: "ORDERS", group: "mail", language: "go" })).toEqual(["m05", "m15"]);
  expect(await some({ degraded: true })).toEqual(["m04"]);
  expect(await some({ stream: "OTHER" })).toEqual([]);
  expect(await some({ state: "draining" })).toEqual([]);
});

describe("while others write", () => {
  const name = "B";
  const small = async (onGet?: () => void | Promise<void>) => {
    const { nats } = system;
    await nats.jsm.streams.delete(`KV_${name}`).catch(() => undefined);
    await nats.jsm.streams.add({
      name: `KV_${name}`,
      subjects: [`$KV.${name}.>`],
      max_msgs_per_subject: 1,
      allow_direct: true,
    });
    view = new BucketView(nats, name, textOf);
    return onGet === undefined ? undefined : await lag(nats, `KV_${name}`, onGet);
  };
  const write = async (key: string, value: string) =>
    (await system.nats.js.publish(`$KV.${name}.${key}`, value)).seq;
  const read = async () =>
    Object.fromEntries([...(await view.read())].map(([key, { value }]) => [key, value]));

  test("has a key that is written again while it reads", async () => {
    let again: (() => Promise<void>) | undefined;
    using replica = await small(async () => {
      const now = again;
      again = undefined;
      await now?.();
    });
    if (replica !== undefined) replica.upTo = Number.POSITIVE_INFINITY;
    await write("a", "1");
    await write("b", "1");
    again = async () => void (await write("a", "2"));
    expect(await read()).toEqual({ a: "2", b: "1" });
    await write("c", "1");
    await write("a", "3");
    again = async () => void (await write("a", "4"));
    expect(await read()).toEqual({ a: "4", b: "1", c: "1" });
  });

  test("has what was written before it was asked, and ends, under steady writes", async () => {
    await small();
    const latest = new Map<string, number>();
    const over = new AbortController();
    let next = 0;
    const writeOn = async (writer: number) => {
      while (!over.signal.aborted) {
        const [key, value] = [`k${writer}.${next % 40}`, ++next];
        await write(key, String(value));
        latest.set(key, value);
      }
    };
    const writers = Array.from({ length: 8 }, async (_, writer) => await writeOn(writer));
    const wrong: string[] = [];
    for (let looks = 0; looks < 300; looks++) {
      const wanted = new Map(latest);
      const now = await view.read();
      for (const [key, value] of wanted) if (!(Number(now.get(key)?.value) >= value)) wrong.push(key);
    }
    over.abort();
    await Promise.all(writers);
    expect(wrong).toEqual([]);
  });

  test("asks the leader for what a replica does not have yet, and keeps it", async () => {
    using replica = await small(() => undefined);
    await write("a", "1");
    await write("b", "1");
    expect(await read()).toEqual({ a: "1", b: "1" });
    if (replica !== undefined) replica.upTo = 3;
    await write("a", "2");
    await write("c", "1");
    await write("d", "1");
    expect(await read()).toEqual({ a: "2", b: "1", c: "1", d: "1" });
  });

  test("what was last and is gone is not waited for", async () => {
    await small();
    await write("a", "1");
    await system.nats.jsm.streams.deleteMessage(`KV_${name}`, await write("b", "1"));
    expect(await read()).toEqual({ a: "1" });
    await write("c", "1");
    expect(await read()).toEqual({ a: "1", c: "1" });
  });
});
