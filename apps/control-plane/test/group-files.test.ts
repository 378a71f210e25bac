import { startProcess, waitFor } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applyGroups } from "../src/groups/apply-groups.ts";
import { GroupsFile } from "../src/groups/group-file.ts";
import { planGroups } from "../src/groups/plan.ts";
import { clientOf, refusalOf, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

type Entry = Parameters<(typeof system)["client"]["groups"]["applyAll"]["mutate"]>[0]["groups"][number];
const entry = (stream: string, group: string, over: object = {}, options: Entry["stream"] = {}): Entry => ({
  spec: { stream, group, subjects: [`${stream.toLowerCase()}.${group}.>`], contracts: ["order.v1"], ...over },
  stream: options,
});
const planAll = (...groups: Entry[]) => system.client.groups.planAll.mutate({ groups });
const applyAll = (...groups: Entry[]) => system.client.groups.applyAll.mutate({ groups });
const streams = async () => {
  const names: string[] = [];
  for await (const { config } of system.nats.jsm.streams.list()) names.push(config.name);
  return names.sort();
};
const changed = (changes: { what: string; change: string }[]) =>
  changes.filter(({ change }) => change !== "unchanged").map(({ what, change }) => `${change} ${what}`);

describe("a file of groups", () => {
  test("is planned as a whole, made group by group, and then there is nothing to do", async () => {
    const file = [
      entry("ONE", "a"),
      entry("TWO", "c", {}, { retention: "limits" }),
      entry("ONE", "b"),
      entry("core", "q", { delivery: { mode: "queue" }, ledger: "none" }),
    ];
    const planned = await planAll(...file);
    expect(planned.nothing_to_do).toBe(false);
    expect(changed(planned.shared).filter((one) => !one.includes("bucket"))).toEqual([
      "create stream ONE",
      "create stream ONE_DLQ",
      "create stream TWO",
      "create stream TWO_DLQ",
      "create stream core_DLQ",
      "create contract order.v1",
    ]);
    expect(planned.groups.map(({ group, changes }) => [group, ...changed(changes)])).toEqual([
      ["a", "create consumer a", "create spec ONE.a"],
      ["b", "create consumer b", "create spec ONE.b"],
      ["c", "create consumer c", "create spec TWO.c"],
      ["q", "create spec core.q"],
    ]);
    expect(await streams()).toEqual([]);
    const applied = await applyAll(...file);
    expect(applied.ok).toBe(true);
    expect(applied.groups.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 4 }, () => "applied"));
    expect((await system.nats.jsm.streams.info("ONE")).config.subjects).toEqual([
      "muster.replay.ONE.>",
      "one.a.>",
      "one.b.>",
    ]);
    expect(await planAll(...file)).toMatchObject({ nothing_to_do: true });
    const again = await applyAll(...file);
    expect(
      changed([...again.shared, ...again.groups.flatMap((one) => ("changes" in one ? one.changes : []))]),
    ).toEqual([]);
  });

  test("shows per group what would change", async () => {
    const { groups, nothing_to_do } = await planAll(
      entry("ONE", "a", { ack_wait_ms: 9000 }),
      entry("ONE", "b"),
    );
    expect(nothing_to_do).toBe(false);
    expect(groups.map(({ group, changes }) => [group, changed(changes).length])).toEqual([
      ["a", 2],
      ["b", 0],
    ]);
    expect(groups[0]?.changes[0]?.differences).toEqual([{ field: "ack_wait_ms", is: 30_000, wanted: 9000 }]);
  });

  const overlap = { subjects: ["bad.x.>"] };
  test.each<[string, string, Entry[], RegExp]>([
    [
      "bad_file",
      "the same group twice",
      [entry("BAD", "a"), entry("BAD", "a")],
      /group a of stream BAD is in the file twice/,
    ],
    [
      "bad_file",
      "options that contradict",
      [entry("BAD", "a", {}, { replicas: 1 }), entry("BAD", "b", {}, { replicas: 3 })],
      /replicas 1 by group a and 3 by group b/,
    ],
    [
      "overlapping_filters",
      "an overlap on a work queue",
      [entry("BAD", "a", overlap), entry("BAD", "b", { subjects: ["bad.*.created"] })],
      /a takes bad\.x\.>.* already, which overlaps bad\.\*\.created/,
    ],
    [
      "overlapping_subjects",
      "streams with the same subjects",
      [entry("BAD", "a", { subjects: ["bad.>"] }), entry("WORSE", "b", overlap)],
      /stream WORSE cannot have subject bad\.x\.>: stream BAD takes it too/,
    ],
    [
      "overlapping_subjects",
      "subjects of a stream that is there",
      [entry("BAD", "a", { subjects: ["one.a.x"] })],
      /stream ONE/,
    ],
    [
      "overlapping_subjects",
      "filters that overlap in part, in one stream",
      [
        entry("BAD", "a", { subjects: ["bad.*.x"] }, { retention: "limits" }),
        entry("BAD", "b", { subjects: ["bad.y.*"] }),
      ],
      /it overlaps bad\.\*\.x, of the same stream/,
    ],
    [
      "bad_spec",
      "one bad spec",
      [entry("BAD", "a"), entry("BAD", "b", { subjects: ["muster.>"] })],
      /group b/,
    ],
    [
      "silent_loss",
      "an age for another group",
      [
        entry("BAD", "a"),
        entry("BAD", "b", { retry: { max_attempts: 1 }, timeout_ms: 1 }, { max_age_ms: 60_000 }),
      ],
      /group a/,
    ],
    ["bad_request", "no group", [], /groups/],
    ["bad_request", "more than 500", Array.from({ length: 501 }, (_, i) => entry("BAD", `g${i}`)), /groups/],
  ])("is refused whole with %s: %s", async (code, _what, groups, why) => {
    const before = await streams();
    const refused = await refusalOf(applyAll(...groups));
    expect(refused).toEqual({ code, message: expect.stringMatching(why) });
    expect(await refusalOf(planAll(...groups))).toEqual(refused);
    expect(await streams()).toEqual(before);
    expect((await system.client.groups.list.query()).filter(({ stream }) => stream === "BAD")).toEqual([]);
  });

  test("may hand subjects from a group to one that follows, and says so where the order is the other", async () => {
    await applyAll(entry("HAND", "a", { subjects: ["hand.x", "hand.y"] }));
    const [a, b] = [
      entry("HAND", "a", { subjects: ["hand.x"] }),
      entry("HAND", "b", { subjects: ["hand.y"] }),
    ];
    expect((await refusalOf(applyAll(b, a))).message).toContain("a comes further down in the file");
    expect(await applyAll(a, b)).toMatchObject({ ok: true });
  });

  test("stops where a group fails, says what was made, and goes on when it is applied again", async () => {
    const { nats } = system;
    const parse = (...groups: Entry[]) => GroupsFile.parse({ groups }).groups;
    const file = parse(entry("MID", "a"), entry("MID", "b"), entry("MID", "c"), entry("NEXT", "d"));
    // Somebody else makes the group while the file is at the one before it.
    const broken = await applyGroups(nats, file, async ({ spec }, run) => {
      if (spec.group === "b")
        await system.client.groups.apply.mutate(entry("MID", "b", { ack_wait_ms: 1234 }));
      return await run();
    });
    expect(broken.ok).toBe(false);
    expect(broken.groups).toMatchObject([
      { group: "a", outcome: "applied", revision: expect.any(Number) },
      { group: "b", outcome: "failed", code: "changed_meanwhile" },
      { group: "c", outcome: "not_reached" },
      { group: "d", outcome: "not_reached" },
    ]);
    expect(await streams()).not.toContain("NEXT");
    expect((await nats.jsm.consumers.info("MID", "b")).config.ack_wait).toBe(1234e6);
    const again = await applyGroups(nats, file);
    expect(again.groups.map((one) => ("changes" in one ? changed(one.changes) : one.outcome))).toEqual([
      [],
      ["updated consumer b", "updated spec MID.b"],
      ["created consumer c", "created spec MID.c"],
      ["created consumer d", "created spec NEXT.d"],
    ]);
  });

  test("applied by two at once is there once, and both say so", async () => {
    const { nats } = system;
    const { groups } = GroupsFile.parse({
      groups: ["a", "b", "c", "d"].map((group) => entry("BOTH", group)),
    });
    const both = await Promise.all([applyGroups(nats, groups), applyGroups(nats, groups.toReversed())]);
    expect(both.map(({ ok }) => ok)).toEqual([true, true]);
    expect(await planAll(...["a", "b", "c", "d"].map((group) => entry("BOTH", group)))).toMatchObject({
      nothing_to_do: true,
    });
  });

  test("gives a stream further subjects only when its consumers have them", async () => {
    const { nats } = system;
    await applyAll(entry("ORDERLY", "a"), entry("ORDERLY", "b"));
    const asked: string[] = [];
    const spy = nats.nc.subscribe("$JS.API.>", { callback: (_, { subject }) => void asked.push(subject) });
    await nats.nc.flush();
    const more = { subjects: ["orderly.a.>", "orderly.more"] };
    expect(await applyAll(entry("ORDERLY", "a", more), entry("ORDERLY", "b"))).toMatchObject({ ok: true });
    spy.unsubscribe();
    const changes = asked.filter((subject) => /(CONSUMER[.].*CREATE|STREAM[.]UPDATE).*ORDERLY/.test(subject));
    expect(changes.map((subject) => subject.split(".")[2])).toEqual(["CONSUMER", "STREAM"]);
  });

  test("has an audit row before and after each group", async () => {
    await applyAll(entry("NOTED", "a"), entry("NOTED", "b"));
    const { rows } = await system.client.audit.list.query({ limit: 100 });
    const noted = rows.filter(({ request_id }) => request_id === rows[0]?.request_id).toReversed();
    expect(noted.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      "groups.applyAll begun",
      "groups.apply begun",
      "groups.apply done",
      "groups.apply begun",
      "groups.apply done",
      "groups.applyAll done",
    ]);
    expect(noted[2]).toMatchObject({ after: { stream: "NOTED", group: "a" } });
  });

  test("goes on after a kill of the control plane in its midst", async () => {
    const groups = Array.from({ length: 200 }, (_, i) => entry("KILLED", `g${i}`));
    const start = async () => {
      const plane = startProcess("control-plane", [process.execPath, "src/main.ts"], {
        NATS_URL: system.server.url,
        MUSTER_PORT: "0",
        MUSTER_HOST: "",
        MUSTER_AUTH: "",
      });
      const { url } = JSON.parse(await plane.waitForLine(/"listening"/)) as { url: string };
      await plane.waitForLine(/"connected"/);
      return { plane, client: clientOf(url) };
    };
    const first = await start();
    const cut = first.client.groups.applyAll.mutate({ groups }).then(
      () => "whole",
      () => "cut",
    );
    const made = async () =>
      (await system.client.groups.list.query()).filter(({ stream }) => stream === "KILLED").length;
    await waitFor("some groups", async () => (await made()) > 5);
    first.plane.kill("SIGKILL");
    expect(await cut).toBe("cut");
    const before = await made();
    expect(before).toBeLessThan(200);
    const again = await applyAll(...groups);
    expect(again.ok).toBe(true);
    const kept = again.groups.filter((one) => "changes" in one && changed(one.changes).length === 0);
    expect(kept.length).toBeGreaterThanOrEqual(before - 1);
    expect(await planAll(...groups)).toMatchObject({ nothing_to_do: true });
  });

  test("reads what is there once, however many groups there are", async () => {
    const { nats } = system;
    const read = async (stream: string, count: number) => {
      const { groups } = GroupsFile.parse({
        groups: Array.from({ length: count }, (_, i) => entry(stream, `g${i}`)),
      });
      await applyGroups(nats, groups);
      const before = nats.nc.stats();
      expect(await planGroups(nats, groups)).toMatchObject({ nothing_to_do: true });
      const after = nats.nc.stats();
      return { bytes: after.inBytes - before.inBytes, requests: after.outMsgs - before.outMsgs };
    };
    const few = await read("FEW", 50);
    const many = await read("MANY", 500);
    // Each spec once for its revision; with all specs once a group it would be a hundred times the bytes.
    expect(many.requests).toBeLessThan(few.requests + 2 * 450);
    expect(many.bytes).toBeLessThan(20 * few.bytes);
  });
});
