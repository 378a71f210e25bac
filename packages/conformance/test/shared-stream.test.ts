import { describe, expect, test } from "vitest";
import { headers } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";
import { replayHeaders, replaySubject } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { joinWorker, openGroup, order, publish, testLanguages } from "../src/index.ts";
import { putSpec } from "../src/provision.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();

describe.each(testLanguages)("%s", (language) => {
  test("two groups on a limits stream: a replay is seen by the group that failed, and by it alone", async () => {
    const stream = `shared-${language}`;
    const failing = await openGroup(server.nc, server.url, { stream, retention: "limits", group: "failing" });
    const other = await openGroup(server.nc, server.url, { stream, retention: "limits", group: "other" });
    // The first group fails what the second one takes: it accepts no contract of this name yet.
    await putSpec(server.nc, { ...failing.spec, contracts: ["other.v1"] });
    await using first = joinWorker(language, failing);
    await using second = joinWorker(language, other);
    const sent = await publish(server.nc, {
      subject: failing.subject(),
      eventId: "s.1",
      body: JSON.stringify(order("s")),
      headers: { "Muster-Contract": "order.v1" },
    });
    await failing.settled("s.1", "dead");
    const done = await other.settled("s.1", "done");
    const [letter] = await waitFor("the dead letter", async () => {
      const letters = await failing.deadLetters();
      return letters.length > 0 ? letters : undefined;
    });
    expect(await other.deadLetters()).toHaveLength(0);

    await putSpec(server.nc, failing.spec);
    await waitFor("the live contract", async () =>
      (await failing.member(first.id))?.contracts.includes("order.v1") ? true : undefined,
    );
    const head = headers();
    for (const [name, value] of Object.entries(replayHeaders(letter?.headers ?? {}))) head.set(name, value);
    const subject = replaySubject(stream, "failing", failing.subject());
    const replayed = await jetstream(server.nc).publish(subject, letter?.body ?? new Uint8Array(), {
      headers: head,
    });
    const row = await failing.settled("s.1", "done");
    expect(row.sequence).toBe(replayed.seq);
    expect(row.result).toMatchObject({ subject: failing.subject() });
    expect(row.sequences).toContain(sent.seq);
    // A later event that both settle proves that the other group has passed the replay by.
    await publish(server.nc, {
      subject: failing.subject(),
      eventId: "s.2",
      headers: { "Muster-Contract": "order.v1" },
    });
    await Promise.all([failing.settled("s.2", "done"), other.settled("s.2", "done")]);
    await other.quiet();
    expect(await other.row("s.1")).toEqual(done);
    expect(second.lines.length).toBeGreaterThan(0);
  });
});
