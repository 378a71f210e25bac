import { describe, expect, test } from "vitest";
import { Kvm } from "@nats-io/kv";
import {
  attemptsKey,
  buckets,
  createVerdict,
  ledgerKey,
  memberKey,
  protocolSchemas,
} from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { joinWorker, openGroup, publish, testLanguages } from "../src/index.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();

describe.each(testLanguages)("%s", (language) => {
  test("every document it writes passes the published JSON Schema", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `documents-${language}` });
    await using worker = joinWorker(language, group);
    const send = (eventId: string, directive: string) =>
      publish(server.nc, { subject: group.subject(), eventId, directive });
    await send("done", "return");
    await send("dead", "permanent;text=tr\u00e8s mal");
    const failed = await send("failed", "retryable;delay_ms=600000;text=no \u2603");
    const snoozed = await send("snoozed", "snooze;delay_ms=600000");
    const handled = await send("handled", "hang");
    await group.settled("done", "done");
    await group.settled("dead", "dead");
    await waitFor(
      "both records",
      async () => (await group.attempts(failed.seq)) && (await group.attempts(snoozed.seq)),
    );
    await waitFor("a beat with all of it", async () => {
      const now = await group.member(worker.id);
      return now?.in_flight === 1 && now.counts.snoozed === 1 && now.oldest?.sequence === handled.seq;
    });
    const { stream, group: name } = group;
    const documents = [
      ["ledger-row", buckets.ledger, ledgerKey(stream, name, "done")],
      ["ledger-row", buckets.ledger, ledgerKey(stream, name, "dead")],
      ["attempts-record", buckets.attempts, attemptsKey(stream, name, failed.seq)],
      ["attempts-record", buckets.attempts, attemptsKey(stream, name, snoozed.seq)],
      ["member-record", buckets.members, memberKey(stream, name, worker.id)],
    ] as const;
    for (const [schema, bucket, key] of documents) {
      const entry = await (await new Kvm(server.nc).open(bucket)).get(key);
      const verdict = createVerdict(schema, protocolSchemas[schema])(entry?.value ?? new Uint8Array());
      expect(verdict.ok ? "" : verdict.error, `${schema} ${key}: ${entry?.string()}`).toBe("");
    }
    const [letter] = await group.deadLetters();
    const headers = Buffer.from(JSON.stringify(letter?.headers));
    expect(
      createVerdict("dead-letter-headers", protocolSchemas["dead-letter-headers"])(headers),
    ).toMatchObject({ ok: true });
    expect(letter?.headers["Muster-Dlq-Error"]).toBe("tr\\u00e8s mal");
    expect(await group.row("dead")).toMatchObject({ headers: letter?.headers });
  });
});
