import { cp, rm } from "node:fs/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { startNats, waitFor } from "@muster/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { countDeadLetters } from "../src/dead-letters/count.ts";
import { findDeadLetter } from "../src/dead-letters/find.ts";
import { Feed } from "../src/dead-letters/index/feed.ts";
import { DeadLetterIndex } from "../src/dead-letters/index/index.ts";
import { Letters } from "../src/dead-letters/index/letters.ts";
import { countIndexes, deadLetterIndex } from "../src/dead-letters/index/registry.ts";
import { listDeadLetters, ListQuery } from "../src/dead-letters/list.ts";
import { selectDeadLetters } from "../src/dead-letters/select.ts";
import { Ledgers } from "../src/ledger/ledgers.ts";
import type { Nats } from "../src/nats/connection.ts";
import { makeDlq, storeLetter } from "./dead-letters.ts";
import { lag } from "./lagging-replica.ts";
import { copyDeadLetter } from "./system.ts";

let server: Awaited<ReturnType<typeof startNats>>;
beforeAll(async () => {
  server = await startNats();
});
afterAll(async () => {
  await server.stop();
});

let streams = 0;
/** A dead-letter stream with letters, and two control planes' views of it: ours, and somebody else's. */
async function setUp(letters: number, { url = server.url, over = {} }: { url?: string; over?: object } = {}) {
  const stream = `S${++streams}`;
  const [ours, other] = [await open(url), await open(url)];
  await makeDlq(other, stream, over);
  const ids: string[] = [];
  for (let i = 0; i < letters; i++) ids.push((await storeLetter(other, { stream })).id);
  const list = async (nats: Nats = ours) => {
    const { items, index } = await listDeadLetters(
      nats,
      new Ledgers(nats, undefined),
      ListQuery.parse({ stream, limit: 500 }),
    );
    expect(index.state).toBe("ready");
    return items.map(({ id }) => id);
  };
  const count = async (nats: Nats = ours) => {
    const answer = await countDeadLetters(nats, { stream });
    expect(answer.index.state).toBe("ready");
    return answer.count;
  };
  return {
    stream,
    dlq: `${stream}_DLQ`,
    ours,
    other,
    ids,
    list,
    count,
    async [Symbol.asyncDispose]() {
      await ours.nc.close();
      await other.nc.close();
    },
  };
}

async function open(url: string): Promise<Nats> {
  const nc = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  return { nc, js: jetstream(nc), jsm: await jetstreamManager(nc, { checkAPI: false }) };
}

async function isConnected({ ours, other }: { ours: Nats; other: Nats }): Promise<void> {
  await waitFor("both to be connected again", async () => {
    await Promise.all([ours, other].map(({ nc }) => nc.request("$JS.API.INFO", "", { timeout: 300 })));
    return true;
  });
}

test("a letter that somebody else deleted is on no page and in no count", async () => {
  await using it = await setUp(6);
  expect([await it.count(), await it.list()]).toEqual([6, it.ids]);
  await it.other.jsm.streams.deleteMessage(it.dlq, 3);
  expect(await it.count()).toBe(5);
  await it.other.jsm.streams.deleteMessage(it.dlq, 4);
  expect(await it.list()).toEqual([0, 1, 4, 5].map((i) => it.ids[i]));
  await it.other.jsm.streams.deleteMessage(it.dlq, 6);
  expect([await it.count(), await it.list()]).toEqual([3, [0, 1, 4].map((i) => it.ids[i])]);
});

test("as many come as go, and the count is right all the same", async () => {
  await using it = await setUp(4);
  expect(await it.count()).toBe(4);
  await it.other.jsm.streams.deleteMessage(it.dlq, 2);
  const { id } = await storeLetter(it.other, { stream: it.stream });
  expect([await it.count(), await it.list()]).toEqual([4, [it.ids[0], it.ids[2], it.ids[3], id]]);
});

test("the last one may have been deleted before it was read", async () => {
  await using it = await setUp(2);
  expect(await it.count()).toBe(2);
  for (let i = 0; i < 5; i++) {
    const { seq } = await storeLetter(it.other, { stream: it.stream });
    await it.other.jsm.streams.deleteMessage(it.dlq, seq);
    expect(await it.count()).toBe(2);
  }
});

test("what expires, and what is purged, is gone", async () => {
  await using it = await setUp(5);
  expect(await it.count()).toBe(5);
  await it.other.jsm.streams.purge(it.dlq, { keep: 2 });
  expect([await it.count(), await it.list()]).toEqual([2, it.ids.slice(3)]);
  await it.other.jsm.streams.update(it.dlq, { max_age: 200_000_000, duplicate_window: 200_000_000 });
  await waitFor(
    "the letters to expire",
    async () => (await it.other.jsm.streams.info(it.dlq)).state.messages === 0,
  );
  expect([await it.count(), await it.list()]).toEqual([0, []]);
  expect(await findDeadLetter(it.ours, it.stream, it.ids[4] ?? "")).toBeUndefined();
});

test("a stream that was made again has its own letters, with the same sequences", async () => {
  await using it = await setUp(3);
  expect(await it.count()).toBe(3);
  await it.other.jsm.streams.delete(it.dlq);
  await expect(it.count()).rejects.toMatchObject({ code: "no_stream" });
  expect(await findDeadLetter(it.ours, it.stream, it.ids[0] ?? "")).toBeUndefined();
  await makeDlq(it.other, it.stream);
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push((await storeLetter(it.other, { stream: it.stream })).id);
  expect([await it.count(), await it.list()]).toEqual([3, ids]);
});

test("a stream that was made again while nobody looked is read anew", async () => {
  await using it = await setUp(3);
  expect([await it.count(), await it.list()]).toEqual([3, it.ids]);
  await it.other.jsm.streams.delete(it.dlq);
  await makeDlq(it.other, it.stream);
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push((await storeLetter(it.other, { stream: it.stream })).id);
  expect([await it.count(), await it.list()]).toEqual([3, ids]);
  expect(await findDeadLetter(it.ours, it.stream, it.ids[0] ?? "")).toBeUndefined();
});

test("messages that are no dead letters disturb no count", async () => {
  await using own = await startNats();
  await using it = await setUp(2, { over: { subjects: ["muster.dlq.*.>", "other.>"] }, url: own.url });
  await it.other.js.publish("other.thing", "x");
  await it.other.js.publish("muster.dlq.ELSEWHERE.billing.permanent", "x");
  expect([await it.count(), await it.list()]).toEqual([2, it.ids]);
  await it.other.jsm.streams.deleteMessage(it.dlq, 3);
  expect(await it.count()).toBe(2);
});

test("copies are one letter, found with all of them, and one takes the place of a first that is gone", async () => {
  await using it = await setUp(3);
  await copyDeadLetter(it.other, 1, it.stream);
  await copyDeadLetter(it.other, 1, it.stream);
  expect([await it.count(), await it.list()]).toEqual([3, it.ids]);
  const id = it.ids[0] ?? "";
  expect((await findDeadLetter(it.ours, it.stream, id))?.sequences).toEqual([1, 4, 5]);
  await it.other.jsm.streams.deleteMessage(it.dlq, 1);
  expect([await it.list(), await it.count()]).toEqual([[it.ids[1], it.ids[2], id], 3]);
  expect((await findDeadLetter(it.ours, it.stream, id))?.sequences).toEqual([4, 5]);
  await it.other.jsm.streams.deleteMessage(it.dlq, 5);
  expect((await findDeadLetter(it.ours, it.stream, id))?.sequences).toEqual([4]);
  await it.other.jsm.streams.deleteMessage(it.dlq, 4);
  expect([await findDeadLetter(it.ours, it.stream, id), await it.count()]).toEqual([undefined, 2]);
});

test("a first that goes between the choice and the reading is not missed, nor shown twice", async () => {
  for (const order of ["oldest", "newest"] as const) {
    await using it = await setUp(3);
    await copyDeadLetter(it.other, 2, it.stream);
    await it.list();
    // Nothing has told the index of it: pages only read what they show.
    await it.other.jsm.streams.deleteMessage(it.dlq, 2);
    const query = ListQuery.parse({ stream: it.stream, order });
    const { items } = await listDeadLetters(it.ours, new Ledgers(it.ours, undefined), query);
    expect(items.map(({ id }) => id).toSorted()).toEqual(it.ids.toSorted());
  }
});

test("goes on when its consumer is deleted under it, and when the server is killed", async () => {
  await using own = await startNats();
  await using it = await setUp(3, { url: own.url });
  expect(await it.count()).toBe(3);
  for await (const { name } of it.other.jsm.consumers.list(it.dlq))
    await it.other.jsm.consumers.delete(it.dlq, name);
  const { id } = await storeLetter(it.other, { stream: it.stream });
  expect(await it.list()).toEqual([...it.ids, id]);
  await own.restart();
  await isConnected(it);
  await it.other.jsm.streams.deleteMessage(it.dlq, 1);
  const { id: last } = await storeLetter(it.other, { stream: it.stream });
  expect([await it.list(), await it.count()]).toEqual([[it.ids[1], it.ids[2], id, last], 4]);
}, 30_000);

test("notices that a server lost its last messages and gave their sequences to others", async () => {
  await using own = await startNats();
  await using it = await setUp(3, { url: own.url });
  await own.kill();
  const saved = `${own.storeDir}-saved`;
  await cp(own.storeDir, saved, { recursive: true });
  await own.restart();
  await isConnected(it);
  const lost = await storeLetter(it.other, { stream: it.stream });
  expect(await it.list()).toEqual([...it.ids, lost.id]);
  await own.kill();
  await rm(own.storeDir, { recursive: true });
  await cp(saved, own.storeDir, { recursive: true });
  await rm(saved, { recursive: true });
  await own.restart();
  await isConnected(it);
  const { id, seq } = await storeLetter(it.other, { stream: it.stream });
  expect(seq).toBe(lost.seq);
  expect([await it.list(), await it.count()]).toEqual([[...it.ids, id], 4]);
  expect(await findDeadLetter(it.ours, it.stream, lost.id)).toBeUndefined();
}, 30_000);

test("keeps nothing of a stream that is not there", async () => {
  await using it = await setUp(1);
  expect(await it.count()).toBe(1);
  for (const stream of ["NONE1", "NONE2"]) {
    await expect(countDeadLetters(it.ours, { stream })).rejects.toMatchObject({ code: "no_stream" });
    expect(await findDeadLetter(it.ours, stream, "x")).toBeUndefined();
  }
  expect(countIndexes(it.ours)).toBe(1);
});

test("does with a stream that others made without direct access", async () => {
  await using it = await setUp(3, { over: { allow_direct: false } });
  expect([await it.count(), await it.list()]).toEqual([3, it.ids]);
  await it.other.jsm.streams.deleteMessage(it.dlq, 3);
  expect([await it.list(), await it.count()]).toEqual([it.ids.slice(0, 2), 2]);
});

test("reads the stream anew when most of its rows are gone, and answers meanwhile", async () => {
  await using it = await setUp(30);
  const index = new DeadLetterIndex(it.ours, it.stream, { manyGone: 10 });
  expect((await index.complete()).letters.size).toBe(30);
  for (let seq = 1; seq <= 20; seq++) await it.other.jsm.streams.deleteMessage(it.dlq, seq);
  const { letters } = await waitFor("the rows to be fewer", async () => {
    const view = await index.view("exact");
    expect([view.status.state, view.letters.live]).toEqual(["ready", 10]);
    return view.letters.size === 10 ? view : undefined;
  });
  expect(letters.candidates(it.ids[29] ?? "")).toEqual([9]);
});

test("says while it is being built how far it is, and is whole after", async () => {
  await using it = await setUp(300);
  const building = await deadLetterIndex(it.ours, it.stream).view("whole", 0);
  expect(building.status).toMatchObject({ state: "building", of: 300 });
  const { status, letters } = await deadLetterIndex(it.ours, it.stream).complete();
  expect([status.state, letters.live]).toEqual(["ready", 300]);
});

test("selects in stream order, goes on behind a sequence, and sees what comes meanwhile", async () => {
  await using it = await setUp(70);
  const selected: string[] = [];
  let last = 0;
  for await (const { id, sequences } of selectDeadLetters(it.ours, it.stream, { group: "billing" })) {
    if (selected.push(id) === 40) {
      last = sequences[0] ?? 0;
      break;
    }
  }
  await it.other.jsm.streams.deleteMessage(it.dlq, 50);
  let added: string | undefined;
  for await (const { id } of selectDeadLetters(
    it.ours,
    it.stream,
    { group: "billing" },
    { afterSeq: last },
  )) {
    selected.push(id);
    added ??= (await storeLetter(it.other, { stream: it.stream })).id;
  }
  expect(selected).toEqual([...it.ids.filter((_, i) => i !== 49), added]);
});

test("two control planes that delete and look at once see the same in the end", async () => {
  await using it = await setUp(60);
  const look = async (nats: Nats) => {
    for (let i = 0; i < 10; i++) await countDeadLetters(nats, { stream: it.stream });
  };
  const remove = async () => {
    for (let seq = 1; seq <= 30; seq++) await it.other.jsm.streams.deleteMessage(it.dlq, seq * 2);
  };
  await Promise.all([look(it.ours), look(it.other), remove()]);
  expect([await it.count(it.ours), await it.count(it.other)]).toEqual([30, 30]);
  expect(await it.list(it.ours)).toEqual(it.ids.filter((_, i) => i % 2 === 0));
});

test("a replica that does not have a letter yet does not make it missing", async () => {
  await using it = await setUp(1);
  using replica = await lag(it.other, it.dlq);
  const letters = new Letters();
  const feed = new Feed(it.ours, it.stream, letters);
  // The consumer has brought nothing yet, and the replica knows of nothing.
  expect(await feed.reach(1, AbortSignal.timeout(200))).toBe(false);
  await feed.start();
  expect(await feed.reach(1, AbortSignal.timeout(10_000))).toBe(true);
  expect([letters.size, feed.seen]).toEqual([1, 1]);
  await it.other.jsm.streams.deleteMessage(it.dlq, (await storeLetter(it.other, { stream: it.stream })).seq);
  expect([await feed.reach(2, AbortSignal.timeout(10_000)), feed.seen]).toEqual([true, 2]);
  await feed.close();
  // Nor does it take it off a page.
  expect([await it.list(), await it.count(), replica.gets > 0]).toEqual([it.ids, 1, true]);
});

test("letters that come while it looks are no reason to read the stream anew", async () => {
  await using it = await setUp(3);
  const before = await deadLetterIndex(it.ours, it.stream).view("exact");
  const info = it.ours.jsm.streams.info.bind(it.ours.jsm.streams);
  let isLate = false;
  using _ = vi.spyOn(it.ours.jsm.streams, "info").mockImplementation(async (...asked) => {
    const answer = await info(...asked);
    // The answer is on its way, and another letter is quicker.
    if (isLate) {
      isLate = false;
      const { seq } = await storeLetter(it.other, { stream: it.stream });
      await waitFor("the letter", async () => before.letters.lastSeq >= seq || undefined);
    }
    return answer;
  });
  for (const need of ["whole", "exact"] as const) {
    isLate = true;
    const after = await deadLetterIndex(it.ours, it.stream).view(need);
    expect([after.letters === before.letters, after.status.state, isLate]).toEqual([true, "ready", false]);
  }
});

test("says that it is behind while letters go faster than it looks", async () => {
  await using it = await setUp(8);
  expect(await it.count()).toBe(8);
  const info = it.ours.jsm.streams.info.bind(it.ours.jsm.streams);
  // The first one is told by where the stream begins.
  let seq = 1;
  {
    using _ = vi.spyOn(it.ours.jsm.streams, "info").mockImplementation(async (...asked) => {
      // Only the looks; not what is asked of them that are gone.
      if (asked[1] === undefined) await it.other.jsm.streams.deleteMessage(it.dlq, ++seq);
      return await info(...asked);
    });
    const { index, count } = await countDeadLetters(it.ours, { stream: it.stream });
    expect([index.state, count, seq]).toEqual(["behind", 5, 4]);
  }
  expect(await it.count()).toBe(5);
});
