import { dlqStream } from "@muster/contracts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { deadLetterIndex } from "../src/dead-letters/index/registry.ts";
import { listDeadLetters } from "../src/dead-letters/list.ts";
import { Ledgers } from "../src/ledger/ledgers.ts";
import type { Nats } from "../src/nats/connection.ts";
import { makeDlq, storeLetter } from "./dead-letters.ts";
import { startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
let nats: Nats;
let asked = 0;
beforeAll(async () => {
  system = await startSystem();
  // Counts what is asked directly of dead-letter streams.
  const counted =
    <A extends [string, ...unknown[]], R>(call: (...args: A) => R) =>
    (...args: A): R => {
      if (/^[$]JS[.]API[.]DIRECT[.]GET[.]R\d+_DLQ/.test(args[0])) asked++;
      return call(...args);
    };
  const { nc } = system.nats;
  const [publish, request] = [counted(nc.publish.bind(nc)), counted(nc.request.bind(nc))];
  const of = { publish, request };
  nats = { ...system.nats, nc: new Proxy(nc, { get: (_, name) => Reflect.get(name in of ? of : nc, name) }) };
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

let streams = 0;
let stream = "";
let ids: string[] = [];
/** A stream with 96 letters; every second is of group `a`, every fourth by Go. */
beforeEach(async () => {
  stream = `R${++streams}`;
  await makeDlq(system.nats, stream);
  ids = [];
  for (let n = 0; n < 96; n++)
    ids.push(
      (
        await storeLetter(system.nats, {
          stream,
          group: n % 2 === 0 ? "a" : "b",
          language: n % 4 === 0 ? "go" : "ts",
        })
      ).id,
    );
  await deadLetterIndex(nats, stream).complete();
});

type Query = { group?: string; language?: string; order?: "oldest" | "newest" };

async function listed({ order = "oldest", ...filter }: Query = {}) {
  asked = 0;
  const query = { stream, order, limit: 100, ...filter };
  const { items } = await listDeadLetters(nats, new Ledgers(nats, undefined), query);
  return { ids: items.map(({ id }) => id), asked };
}
const every = (nth: number) => ids.filter((_, n) => n % nth === 0);

test("neighbours are read together, in either order", async () => {
  expect(await listed()).toEqual({ ids, asked: 3 });
  expect(await listed({ order: "newest" })).toEqual({ ids: ids.toReversed(), asked: 3 });
  expect(await listed({ group: "a" })).toEqual({ ids: every(2), asked: 2 });
});

test("those that lie far apart are read one by one: most of what came together would be for nothing", async () => {
  const { ids: found, asked: questions } = await listed({ language: "go" });
  expect(found).toEqual(every(4));
  expect(questions).toBe(24);
});

test("one that is gone unseen is left out, and its neighbours are not", async () => {
  // Behind the back of everybody: the feed of the index tells nothing of a deletion.
  for (const seq of [1, 20, 96]) await system.nats.jsm.streams.deleteMessage(dlqStream(stream), seq, false);
  const left = ids.filter((_, n) => ![0, 19, 95].includes(n));
  expect((await listed()).ids).toEqual(left);
  expect((await listed({ order: "newest" })).ids).toEqual(left.toReversed());
});

test("where the stream knows no direct access, they are read all the same", async () => {
  const { config } = await system.nats.jsm.streams.info(dlqStream(stream));
  await system.nats.jsm.streams.update(config.name, { ...config, allow_direct: false });
  expect((await listed()).ids).toEqual(ids);
});

test("large ones do not come in one answer, and all come", async () => {
  stream = `R${++streams}`;
  await makeDlq(system.nats, stream);
  const body = "x".repeat(300_000);
  ids = [];
  for (let n = 0; n < 24; n++) ids.push((await storeLetter(system.nats, { stream, body })).id);
  await deadLetterIndex(nats, stream).complete();
  const exported: string[] = [];
  let cursor: string | undefined;
  do {
    const answer = await system.client.deadLetters.export.query({
      stream,
      ...(cursor === undefined ? {} : { cursor }),
    });
    exported.push(...answer.items.map(({ id }) => id));
    cursor = answer.next_cursor;
  } while (cursor !== undefined);
  expect(exported).toEqual(ids);
});
