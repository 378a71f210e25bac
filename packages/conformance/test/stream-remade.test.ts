import { jetstreamManager } from "@nats-io/jetstream";
import { sha256Hex } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { describe, expect, test } from "vitest";
import { type Group, joinWorker, openGroup, order, publish, testLanguages } from "../src/index.ts";
import { provisionGroup } from "../src/provision.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();

describe.each(testLanguages)("%s", (language) => {
  test("a stream made again: an old attempts record is not the new message's", async () => {
    const group = await openGroup(server.nc, server.url, {
      stream: `again-${language}`,
      retry: { max_attempts: 2, backoff_ms: [100], jitter: 0 },
    });
    await using _worker = joinWorker(language, group);
    const send = (eventId: string, directive: string) =>
      publish(server.nc, { subject: group.subject(), eventId, directive });
    const old = await send("old", "retryable;delay_ms=600000");
    const record = await waitFor("its attempts record", () => group.attempts(old.seq));
    expect(record.attempts).toBe(1);
    await remake(group);

    // One attempt is left by the old record: were it this message's, its first failure would be its last.
    const young = await send("young", "retryable;times=1");
    expect(young.seq).toBe(old.seq);
    expect((await group.settled("young", "done")).sequence).toBe(young.seq);
    await group.quiet();
    expect(await group.deadLetters()).toEqual([]);
  });

  test("a stream made again: rows of the old one tell a repeat from a conflict, and dead ones run anew", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `rows-${language}` });
    await using _worker = joinWorker(language, group);
    const send = (eventId: string, body: string, directive = "return") =>
      publish(server.nc, { subject: group.subject(), eventId, body, directive });
    const body = (amount: number) =>
      `{"id":"o","customer":"c","amount":${amount},"status":"pending","created_at":"2026-01-01T00:00:00Z"}`;
    await send("done", body(1));
    await send("dead", body(1), "permanent");
    await group.settled("done", "done");
    const died = await group.settled("dead", "dead");
    await group.quiet();
    await remake(group);

    // The same sequences for other messages: only the store time tells them apart.
    expect((await send("other", body(1))).seq).toBe(1);
    expect((await send("dead", body(1))).seq).toBe(died.sequence);
    await send("done", body(2));
    const row = await group.settled("dead", "done");
    expect(row.sequence).toBe(died.sequence);
    expect(BigInt(row.store_time)).toBeGreaterThan(BigInt(died.store_time));
    expect((await group.settled("other", "done")).sequence).toBe(1);
    await group.quiet();
    expect((await group.deadLetters()).map(({ headers }) => headers["Muster-Dlq-Reason"])).toEqual([
      "permanent",
      "conflict",
    ]);
    expect(await group.rowHistory("done")).toHaveLength(1);
  });

  test("a stream made again: an event that dies at its old sequence leaves a second dead letter with its own bytes", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `letters-${language}` });
    await using _worker = joinWorker(language, group);
    const bodies = [JSON.stringify(order("o", 1)), JSON.stringify(order("o", 2))];
    const die = (body: string | undefined) =>
      publish(server.nc, {
        subject: group.subject(),
        eventId: "e",
        body: body ?? "",
        directive: "permanent",
      });
    const first = await die(bodies[0]);
    await group.settled("e", "dead");
    await group.quiet();
    await remake(group);

    const second = await die(bodies[1]);
    expect(second.seq).toBe(first.seq);
    await waitFor("the row of the second", async () => {
      const row = await group.row("e");
      return row?.body_sha256 === sha256Hex(Buffer.from(bodies[1] ?? ""));
    });
    await group.quiet();
    const letters = await group.deadLetters();
    expect(letters.map(({ body }) => new TextDecoder().decode(body))).toEqual(bodies);
    const ids = letters.map(({ headers }) => headers["Muster-Dlq-Id"]);
    const hash = sha256Hex(Buffer.from("e")).slice(0, 24);
    expect(ids).toEqual(
      letters.map(
        ({ headers }) => `dl.${group.group}.${hash}.${first.seq}.${headers["Muster-Dlq-Store-Time"]}`,
      ),
    );
    expect(new Set(ids).size).toBe(2);
  });
});

/** Deletes the stream under its members, and makes it and its consumer again. */
async function remake(group: Group): Promise<void> {
  const manager = await jetstreamManager(server.nc);
  const { config } = await manager.streams.info(group.stream);
  await manager.streams.delete(group.stream);
  await manager.streams.add(config);
  await provisionGroup(server.nc, group.spec);
}
