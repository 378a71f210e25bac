import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { dlqFilter, dlqStream } from "@muster/contracts";
import { checkoutRoot, postgresMissing, startNats, startPostgres } from "@muster/testkit";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, it } from "vitest";
import { audit } from "../src/fleet/audit.ts";
import { balancesTable, readBooks } from "../src/fleet/books.ts";
import type { FleetOrder } from "../src/fleet/orders.ts";

const names = { stream: "ORDERS", group: "fleet" };
const orders: FleetOrder[] = ["a", "b", "c"].map((eventId) => ({
  eventId,
  kind: "good",
  customer: "ada",
  cents: 1001,
}));

it.skipIf(postgresMissing())("books in Postgres that are wrong are found wrong", async () => {
  await using server = await startNats();
  await using database = await startPostgres();
  const nc = await connect({ servers: server.url });
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: dlqStream(names.stream), subjects: [dlqFilter(names.stream)] });
  const migration = join(checkoutRoot, "packages/contracts/migrations/0001_ledger.sql");
  await database.psql(await readFile(migration, "utf8"));
  await database.psql(balancesTable);
  const row = (eventId: string, group = names.group): Promise<string> =>
    database.psql(
      `insert into muster_ledger (stream, grp, event_hash, status, event_id, body_sha256, sequence, store_time, member, language, at)
       values ('ORDERS', '${group}', 'hash of ${eventId}', 'done', '${eventId}', 'x', 7, '17', 'go-1', 'go', now())`,
    );
  const look = async () => audit(orders, await readBooks(jetstream(nc), names, database));
  for (const eventId of ["a", "b", "c"]) await row(eventId);
  await row("other", "another-group");
  await database.psql("insert into muster_conformance_balances values ('ada', 30.03)");
  const nothing = { lost: [], repeated: [], invented: [], astray: [], wrongBalances: [] };
  expect(await look()).toMatchObject({ ...nothing, account: { done: 3, done_by_language: { go: 3 } } });

  await database.psql("update muster_conformance_balances set amount = amount + 10.01");
  expect(await look()).toMatchObject({ ...nothing, wrongBalances: ["ada has 4004 cents, must have 3003"] });
  await database.psql("delete from muster_ledger where event_id = 'b'");
  await row("x");
  expect(await look()).toMatchObject({
    lost: ["b"],
    invented: ["x"],
    wrongBalances: ["ada has 4004 cents, must have 2002"],
  });
  await nc.close();
});
