import { describe, expect, test } from "vitest";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { buckets, groupKey, memberKey } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { joinWorker, openGroup, publish, testLanguages } from "../src/index.ts";
import { putSpec } from "../src/provision.ts";
import { sharedServer } from "../src/server.ts";

const server = sharedServer();

describe.each(testLanguages)("%s", (language) => {
  test("a spec that is gone: nothing is taken any more, and all goes on when it is back", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `gone-${language}` });
    const manager = await jetstreamManager(server.nc);
    await using worker = joinWorker(language, group);
    await waitFor("the running member", async () => (await group.member(worker.id))?.state === "running");
    const specs = await new Kvm(server.nc).open(buckets.groups);
    await specs.delete(groupKey(group.stream, group.group));
    await worker.waitForLine(/"spec missing"/);
    await waitFor(
      "the last pull to run out",
      async () => (await manager.consumers.info(group.stream, group.group)).num_waiting === 0,
    );
    await publish(server.nc, { subject: group.subject(), eventId: "g.1" });
    // Two further beats, after each of which it could have pulled.
    await twoBeats(group, worker.id);
    expect((await manager.consumers.info(group.stream, group.group)).num_pending).toBe(1);
    const without = await group.member(worker.id);
    expect(without?.state).not.toBe("running");
    expect(without?.spec_revision).toBe(0);
    await putSpec(server.nc, group.spec);
    await group.settled("g.1", "done");
    const revision = (await specs.get(groupKey(group.stream, group.group)))?.revision;
    await waitFor(
      "the revision that is back",
      async () => (await group.member(worker.id))?.spec_revision === revision,
    );
  });

  test("a spec that does not pass its schema changes nothing; concurrency applies live; the ledger does not", async () => {
    const group = await openGroup(server.nc, server.url, { stream: `live-${language}`, concurrency: 2 });
    await using worker = joinWorker(language, group);
    await waitFor("the running member", async () => (await group.member(worker.id))?.state === "running");
    const specs = await new Kvm(server.nc).open(buckets.groups);
    const key = groupKey(group.stream, group.group);
    await specs.put(key, JSON.stringify({ ...group.spec, concurrency: 0 }));
    await worker.waitForLine((line) => line.includes('"error"') && line.includes("spec"));
    await publish(server.nc, { subject: group.subject(), eventId: "l.1" });
    await group.settled("l.1", "done");
    expect((await group.member(worker.id))?.concurrency).toBe(2);

    const revision = await specs.put(key, JSON.stringify({ ...group.spec, concurrency: 9 }));
    const record = await waitFor("the new concurrency", async () => {
      const now = await group.member(worker.id);
      return now?.concurrency === 9 ? now : undefined;
    });
    expect(record.spec_revision).toBe(revision);
    expect(record.restart_needed).toEqual([]);
    await specs.put(key, JSON.stringify({ ...group.spec, ledger: "none" }));
    await waitFor("what needs a restart", async () =>
      (await group.member(worker.id))?.restart_needed.includes("ledger") ? true : undefined,
    );
  });
});

/** Waits until the member has written its record twice more. */
async function twoBeats(group: Awaited<ReturnType<typeof openGroup>>, id: string): Promise<void> {
  const members = await new Kvm(server.nc).open(buckets.members);
  const key = memberKey(group.stream, group.group, id);
  const seen = new Set<number>();
  await waitFor("two further beats", async () => {
    const entry = await members.get(key);
    if (entry) seen.add(entry.revision);
    return seen.size > 2;
  });
}
