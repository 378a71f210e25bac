import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { moveDeadLetter, type MoveHooks, type MoveStep } from "../src/dead-letters/move.ts";
import { replayOne } from "../src/dead-letters/replay.ts";
import { createTargets } from "../src/dead-letters/target.ts";
import { findDeadLetter } from "../src/dead-letters/find.ts";
import { Ledgers } from "../src/ledger/ledgers.ts";
import { order, refusalOf, settleDead, settleDone, specOf, startSystem, take } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
const stream = "ORDERS";
beforeAll(async () => {
  system = await startSystem();
  await system.client.groups.apply.mutate({ spec: specOf() });
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

let count = 0;
async function deadOrder(): Promise<string> {
  const { client, nats } = system;
  await client.orders.publish.mutate({ orders: [{ event: "created", order: order(`a${++count}`) }] });
  return settleDead(nats, await take(nats), "permanent");
}

const list = async (archived = false) =>
  (await system.client.deadLetters.list.query({ stream, archived })).items.map(({ id }) => id);
const terms = async () => (await system.client.verify.query({ stream, group: "billing" })).terms;
const moveLetter = (id: string, to: "archive" | "dead", hooks: MoveHooks = {}) =>
  moveDeadLetter(system.nats, { stream, id, to, by: "ada" }, hooks);
const killedAt = (step: MoveStep): MoveHooks => ({
  onStep: (at) => {
    if (at === step) throw new Error(`killed at ${step}`);
  },
});

/** By a clock that is past the lease of what was begun before. */
const later = { now: () => Date.now() + 60_000 };

test("a discarded dead letter counts as archived, with its bytes and by whom, and comes back whole", async () => {
  const { client } = system;
  const id = await deadOrder();
  const before = await client.deadLetters.get.query({ stream, id });
  expect(await client.deadLetters.discard.mutate({ stream, id })).toMatchObject({
    is: "discarded",
    group: "billing",
  });
  expect([await list(), await list(true)]).toEqual([[], [id]]);
  expect(await terms()).toMatchObject({ dead: 0, archived: 1, lost: 0 });
  const archived = await findDeadLetter(system.nats, stream, id, "archive");
  expect(archived?.headers).toMatchObject({
    "Muster-Archived-By": "no%20login",
    "Muster-Dlq-Reason": "permanent",
  });
  expect(await client.deadLetters.restore.mutate({ stream, id })).toMatchObject({ is: "restored" });
  expect([await list(), await list(true)]).toEqual([[id], []]);
  const after = await client.deadLetters.get.query({ stream, id });
  expect([after.payload_base64, after.reason, after.event_id]).toEqual([
    before.payload_base64,
    before.reason,
    before.event_id,
  ]);
  expect(Object.keys(after.headers).filter((name) => /^(nats-|muster-archived)/i.test(name))).toEqual([]);
  // And again, within the dedupe window.
  await client.deadLetters.discard.mutate({ stream, id });
  expect([await list(), await list(true)]).toEqual([[], [id]]);
  await client.deadLetters.restore.mutate({ stream, id });
  expect((await client.deadLetters.replay.mutate({ stream, id })).outcomes).toMatchObject([
    { outcome: "replayed" },
  ]);
  await settleDone(system.nats, await take(system.nats));
  expect(await terms()).toMatchObject({ dead: 0, archived: 0, lost: 0, done: 1 });
});

describe.each(["archive", "dead"] as const)("a move to %s that is killed", (to) => {
  test.each(["claimed", "published", "deleted"] as const)(
    "behind %s loses nothing and can be repeated",
    async (step) => {
      const id = await deadOrder();
      if (to === "dead") await moveLetter(id, "archive");
      const { dead, archived } = await terms();
      await expect(moveLetter(id, to, killedAt(step))).rejects.toThrow("killed");
      const now = await terms();
      expect(now.lost).toBe(0);
      expect(now.dead + now.archived).toBe(dead + archived);
      await expect(moveLetter(id, to)).rejects.toMatchObject({
        code: step === "deleted" ? "not_found" : "held",
      });
      const again = moveLetter(id, to, later);
      if (step === "deleted") await expect(again).rejects.toMatchObject({ code: "not_found" });
      else await again;
      expect((await list(to === "archive")).filter((one) => one === id)).toEqual([id]);
      expect((await list(to !== "archive")).filter((one) => one === id)).toEqual([]);
    },
  );
});

test("of moves and replays at once one gets it", async () => {
  const { client } = system;
  const id = await deadOrder();
  const results = await Promise.allSettled([
    client.deadLetters.discard.mutate({ stream, id }),
    client.deadLetters.discard.mutate({ stream, id }),
    client.deadLetters.replay.mutate({ stream, id }).then(({ outcomes }) => {
      if (outcomes[0]?.outcome !== "replayed") throw new Error("not replayed");
    }),
  ]);
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect((await terms()).lost).toBe(0);
});

test("what a replay may have sent is not discarded before that is known", async () => {
  const { nats } = system;
  const id = await deadOrder();
  const letter = await findDeadLetter(nats, stream, id);
  if (letter === undefined) throw new Error("it is not there");
  const target = await createTargets(nats, new Ledgers(nats, undefined), stream)("billing");
  const crash = (step: string) => {
    if (step === "published") throw new Error("killed");
  };
  await expect(replayOne(nats, letter, target, {}, { onStep: crash })).rejects.toThrow("killed");
  await expect(moveLetter(id, "archive", later)).rejects.toMatchObject({ code: "begun_replay" });
});

test("a move that stalls beyond its lease leaves the letter to others", async () => {
  const id = await deadOrder();
  let ahead = 0;
  const stalls: MoveHooks = {
    now: () => Date.now() + ahead,
    onStep: (step) => (ahead = step === "claimed" ? 60_000 : ahead),
  };
  await expect(moveLetter(id, "archive", stalls)).rejects.toMatchObject({ code: "held" });
  expect([(await list()).includes(id), (await list(true)).includes(id)]).toEqual([true, false]);
});

test("a discard that was killed is not taken for a replay that may have been sent", async () => {
  const { nats } = system;
  const id = await deadOrder();
  await expect(moveLetter(id, "archive", killedAt("claimed"))).rejects.toThrow("killed");
  const letter = await findDeadLetter(nats, stream, id);
  const target = await createTargets(nats, new Ledgers(nats, undefined), stream)("billing");
  if (letter === undefined) throw new Error("it is not there");
  expect(
    await replayOne(nats, letter, target, { as_event_id: `${id}.new`, dry_run: true }, later),
  ).toMatchObject({
    outcome: "would_replay",
  });
});

test("what is not there is named", async () => {
  const { client } = system;
  for (const procedure of [client.deadLetters.discard, client.deadLetters.restore])
    expect(await refusalOf(procedure.mutate({ stream, id: "nope" }))).toMatchObject({ code: "not_found" });
});
