import {
  type DeadLetterReason,
  dlqFilter,
  dlqStream,
  dlqSubject,
  ledgerKey,
  type LedgerRow,
} from "@muster/contracts";
import { startNats } from "@muster/testkit";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { expect, it } from "vitest";
import { readAccount } from "../src/demo/account.ts";

const names = { stream: "ORDERS", group: "demo" };

/** A server with an empty ledger and no dead letters, and what writes them. */
async function openBooks() {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await startNats());
  const nc = stack.adopt(await connect({ servers: server.url }), (connection) => connection.close());
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({
    name: "KV_MUSTER_LEDGER",
    subjects: ["$KV.MUSTER_LEDGER.>"],
    max_msgs_per_subject: 5,
  });
  await jsm.streams.add({ name: dlqStream(names.stream), subjects: [dlqFilter(names.stream)] });
  const js = jetstream(nc);
  return {
    js,
    async row(eventId: string, changes: Partial<LedgerRow> = {}, group = names.group): Promise<void> {
      const row: LedgerRow = {
        v: 1,
        status: "done",
        event_id: eventId,
        body_sha256: "a".repeat(64),
        sequence: 1,
        store_time: "1700000000000000001",
        sequences: [],
        more: 0,
        member: "demo-ts-1",
        language: "ts",
        at: "2026-01-01T00:00:00.000Z",
        ...changes,
      };
      await js.publish(`$KV.MUSTER_LEDGER.${ledgerKey(names.stream, group, eventId)}`, JSON.stringify(row));
    },
    async letter(eventId: string, reason: DeadLetterReason): Promise<void> {
      const h = headers();
      h.set("Muster-Dlq-Event-Id", eventId);
      h.set("Muster-Dlq-Id", `dl.demo.${eventId}.1`);
      h.set("Muster-Dlq-Reason", reason);
      await js.publish(dlqSubject(names.stream, names.group, reason), "{}", { headers: h });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

it("finds lost, repeated and invented events in what really lies in NATS", async () => {
  await using books = await openBooks();
  await books.row("good");
  await books.letter("dead", "invalid");
  await books.row("dead", { status: "dead", reason: "invalid" });
  await books.row("replayed", { status: "dead", reason: "exhausted" });
  await books.row("replayed", { sequence: 9, language: "go" });
  // Each of these is wrong; the first shows only in an older revision.
  await books.row("twice", { sequence: 3 });
  await books.row("twice", { sequence: 4 });
  await books.row("both");
  await books.letter("both", "permanent");
  await books.row("half dead", { status: "dead", reason: "invalid" });
  await books.row("made up");
  // Another group's row is none of ours.
  await books.row("elsewhere", {}, "other");
  const ids = ["good", "dead", "replayed", "twice", "both", "half dead", "vanished"];
  const published = new Map(ids.map((id) => [id, 1]));
  expect(await readAccount(books.js, names, published)).toEqual({
    published: 7,
    done: 4,
    dead: 2,
    dead_by_reason: { invalid: 1, permanent: 1 },
    done_by_language: { ts: 3, go: 1 },
    lost: ["half dead", "vanished"],
    repeated: ["twice", "both"],
    invented: ["made up"],
  });
});

it("finds everything lost where nothing was written", async () => {
  await using books = await openBooks();
  expect(await readAccount(books.js, names, new Map([["a", 1]]))).toMatchObject({
    lost: ["a"],
    done: 0,
    dead: 0,
  });
});
