// Rows in the bucket that a member cannot read, or that a newer one has written.
import { bucketOf } from "../lab/bucket.ts";
import { attemptsKey, buckets, ledgerKey } from "@muster/contracts";
import { waitFor } from "../lab/wait.ts";
import { has, same } from "../expect.ts";
import { handOut } from "../lab/hand-out.ts";
import type { Group } from "../lab/group.ts";
import { type Scenario, scenario } from "../scenario.ts";

export const ledgerKv: Scenario[] = [
  ...(
    [
      ["unreadable", "LOOK-11", "not a document"],
      ["newer", "LOOK-11 VERSION-5", JSON.stringify({ v: 2, status: "done" })],
    ] as const
  ).map(([name, requirements, written]) =>
    scenario(
      `kv-row-${name}`,
      requirements,
      `a row that is ${name} is neither believed nor overwritten`,
      async (lab) => {
        const group = await lab.group();
        const tap = await lab.tap(group);
        const ledger = await bucketOf(lab.nc, buckets.ledger);
        const key = ledgerKey(group.stream, group.group, "r.1");
        await ledger.put(key, written);
        lab.join(group);
        const { seq } = await group.send({ eventId: "r.1" });
        await waitFor("the nak", () => tap.story(seq).startsWith("nak 1"));
        same("the row", (await ledger.get(key))?.string(), written);
        await ledger.delete(key);
        has("the row at the end", await group.settled("r.1", "done"), { sequence: seq });
      },
    ),
  ),

  scenario(
    "kv-row-kept",
    "VERSION-2",
    "what a newer member wrote into a row stays when another joins it",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({ eventId: "r.1" });
      const row = await group.settled("r.1", "done");
      const ledger = await bucketOf(lab.nc, buckets.ledger);
      await ledger.put(
        ledgerKey(group.stream, group.group, "r.1"),
        JSON.stringify({ ...row, later: { field: 1 } }),
      );
      const { seq } = await group.send({ eventId: "r.1" });
      await group.quiet();
      same("the row", await group.row("r.1"), { ...row, later: { field: 1 }, sequences: [seq] });
    },
  ),

  ...(
    [
      ["unreadable", "ADMIT-1", "not a document"],
      ["newer", "ADMIT-1 VERSION-5", JSON.stringify({ v: 2, attempts: 1000, open: false })],
    ] as const
  ).map(([name, requirements, written]) =>
    scenario(
      `admit-record-${name}`,
      requirements,
      `an attempts record that is ${name} counts as none`,
      async (lab) => {
        const group = await lab.group({ retry: { backoff_ms: [60_000] } });
        const tap = await lab.tap(group);
        const { seq } = await group.send({ eventId: "a.1", directive: "retryable" });
        await writeRecord(group, seq, written);
        await handOut(lab.nc, group, { times: 1 });
        lab.join(group);
        await tap.tells(seq, "nak 1, nak 2");
        has("the record", await group.attempts(seq), { attempts: 1, delivery: 2, open: false });
      },
    ),
  ),

  scenario(
    "kv-row-foreign",
    "VERSION-8 VERSION-7",
    "a row of another language's member counts as any other",
    async (lab) => {
      const group = await lab.group();
      const tap = await lab.tap(group);
      lab.join(group);
      await group.send({ eventId: "r.1" });
      const row = await group.settled("r.1", "done");
      const ledger = await bucketOf(lab.nc, buckets.ledger);
      const foreign = { ...row, language: "rust", member: "somebody" };
      await ledger.put(ledgerKey(group.stream, group.group, "r.1"), JSON.stringify(foreign));
      const { seq } = await group.send({ eventId: "r.1", directive: "permanent" });
      await tap.tells(seq, "ack 1");
      const joined = (await ledger.get(ledgerKey(group.stream, group.group, "r.1")))?.json();
      has("the row", joined, { language: "rust", member: "somebody", sequences: [seq] });
    },
  ),
];

async function writeRecord(group: Group, seq: number, written: string): Promise<void> {
  const attempts = await bucketOf(group.nc, buckets.attempts);
  await attempts.put(attemptsKey(group.stream, group.group, seq), written);
}
