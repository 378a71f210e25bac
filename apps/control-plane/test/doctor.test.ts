import { buckets } from "@muster/contracts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { groupChecks } from "../src/doctor/group-checks.ts";
import { retrySpanMs } from "../src/groups/retry-span.ts";
import { memberChecks } from "../src/doctor/member-checks.ts";
import { streamChecks } from "../src/doctor/stream-checks.ts";
import type { GroupFacts, StreamFacts } from "../src/doctor/finding.ts";
import { putEntry } from "../src/nats/bucket.ts";
import { memberOf, order, refusalOf, specOf, startSystem } from "./system.ts";

const nowMs = Date.parse("2026-01-02T03:10:00Z");

/** Facts of a healthy group, with something of them changed. */
function groupFacts(over: object = {}): GroupFacts {
  const consumer = {
    num_pending: 0,
    num_ack_pending: 0,
    num_redelivered: 0,
    num_waiting: 1,
    delivered: { stream_seq: 500 },
  };
  const facts = {
    spec: specOf({ max_ack_pending: 100 }),
    revision: 1,
    consumer,
    members: [memberOf({ held: 0, restart_needed: [], counts: { done: 0 } })],
    deadByReason: {},
    stream: { config: { max_age: 0 } },
    drift: [],
    oldestWaitingSeconds: 0,
    nowMs,
  };
  return {
    ...facts,
    ...over,
    consumer: { ...consumer, ...("consumer" in over ? (over.consumer as object) : {}) },
  } as unknown as GroupFacts;
}

const member = (over: object) => memberOf({ held: 0, restart_needed: [], ...over });

function signsOf(facts: GroupFacts) {
  return [
    ...groupChecks.flatMap((check) => check(facts) ?? []),
    ...memberChecks.flatMap((check) => check(facts)),
  ].map(({ id, severity }) => `${severity} ${id}`);
}

describe("a group", () => {
  test("that is well has no finding", () => {
    expect(signsOf(groupFacts())).toEqual([]);
  });

  test.each<[string, object]>([
    ["error drift", { drift: ["consumer billing is missing"] }],
    ["warning few-members", { spec: specOf({ min_members: 2 }) }],
    ["error few-members", { members: [], consumer: { num_pending: 1, num_waiting: 0 } }],
    ["warning lag", { consumer: { num_pending: 1001 }, oldestWaitingSeconds: 300 }],
    ["warning backing-off", { consumer: { num_ack_pending: 51 } }],
    ["error backing-off", { consumer: { num_ack_pending: 100 } }],
    ["warning redelivered", { consumer: { num_redelivered: 51 } }],
    ["warning ack-wait", { members: [member({ p99_ms: 2001 })] }],
    ["warning deadline", { spec: specOf({ timeout_ms: 1000 }), members: [member({ p99_ms: 900 })] }],
    ["error max-age", { stream: { config: { max_age: 1000e6 } } }],
    ["warning push-share", { spec: specOf({ delivery: { mode: "push" }, max_ack_pending: 21 }) }],
    ["note name", { spec: specOf({ group: "my-group" }) }],
    ["error degraded", { members: [member({ degraded: true, last_error: "database is away" })] }],
    [
      "error stuck",
      {
        spec: specOf({ timeout_ms: 1000 }),
        members: [member({ oldest: { sequence: 4711, since: "2026-01-02T03:01:00Z" } })],
      },
    ],
    ["warning takes-nothing", { consumer: { num_pending: 1, num_waiting: 0 } }],
    ["warning unannounced", { spec: specOf({ min_members: 0 }), members: [], consumer: { num_waiting: 1 } }],
    ["warning restart", { members: [member({ restart_needed: ["ledger"] })] }],
    ["note versions", { members: [member({ core_version: "1" }), member({ core_version: "2" })] }],
  ])("%s, and nothing else", (sign, over) => {
    expect(signsOf(groupFacts(over))).toEqual([sign]);
  });

  test.each<[string, object]>([
    [
      "a lag while paused",
      { spec: specOf({ paused: true }), consumer: { num_pending: 5000 }, oldestWaitingSeconds: 900 },
    ],
    ["a burst that is young", { consumer: { num_pending: 5000 }, oldestWaitingSeconds: 10 }],
    ["half of max_ack_pending", { consumer: { num_ack_pending: 50 } }],
    ["a few redeliveries", { consumer: { num_redelivered: 9 } }],
    ["an age beyond the retries", { stream: { config: { max_age: 1e15 } } }],
  ])("%s is no finding", (_what, over) => {
    expect(signsOf(groupFacts(over))).toEqual([]);
  });

  test("has a retry span of all deadlines, the backoffs between, jitter included, and a last ack_wait", () => {
    const spec = specOf({
      timeout_ms: 100,
      retry: { max_attempts: 4, backoff_ms: [1000, 2000], jitter: 0.5 },
    });
    expect(retrySpanMs(spec)).toBe(4 * 100 + 1.5 * (1000 + 2000 + 2000) + 2000);
  });
});

describe("a stream", () => {
  const ofStream = (config: object, over: object = {}) => {
    const stream = {
      discard: "new",
      max_msgs: -1,
      max_bytes: -1,
      max_msgs_per_subject: -1,
      retention: "workqueue",
      storage: "file",
      num_replicas: 1,
      subjects: ["a.*"],
    };
    const cluster = "cluster" in over ? { cluster: over.cluster } : {};
    const info = { config: { ...stream, ...config }, state: { messages: 5 }, ...cluster };
    const consumer = {
      name: "c",
      config: { filter_subjects: ["a.>"], max_deliver: -1 },
      num_pending: 1,
      num_ack_pending: 1,
    };
    const facts = {
      info,
      deadLetters: undefined,
      consumers: [consumer],
      groups: [],
      isCluster: false,
      ...over,
    };
    return streamChecks
      .flatMap((check) => check(facts as unknown as StreamFacts))
      .map(({ id, severity }) => `${severity} ${id}`);
  };
  const consumer = (config: object) => ({
    consumers: [
      { name: "c", config: { filter_subjects: ["a.>"], ...config }, num_pending: 1, num_ack_pending: 1 },
    ],
  });

  test.each<[string, object, object]>([
    ["error discard-old", { discard: "old", max_bytes: 1 }, {}],
    ["warning uncovered", { subjects: ["a.*", "b.*", "muster.replay.S.>"] }, {}],
    ["warning replicas", {}, { isCluster: true }],
    ["warning copies", { num_replicas: 3 }, { cluster: { leader: "n1" } }],
    ["error copies", { num_replicas: 3 }, { cluster: { leader: "" } }],
    [
      "warning copies",
      {},
      { deadLetters: { config: { num_replicas: 3, max_bytes: -1 }, cluster: { leader: "n1" } } },
    ],
    [
      "warning copies",
      { num_replicas: 3 },
      {
        consumers: consumer({ max_deliver: -1 }).consumers.map((one) => ({
          ...one,
          cluster: { leader: "n1" },
        })),
      },
    ],
    ["warning memory", { storage: "memory" }, {}],
    ["error dead-letters-full", {}, { deadLetters: { config: { max_bytes: 100 }, state: { bytes: 80 } } }],
    ["error max-deliver", {}, consumer({ max_deliver: 5 })],
    ["warning max-deliver", { retention: "limits" }, consumer({ max_deliver: 5 })],
    ["warning consumer-backoff", {}, consumer({ backoff: [1e9] })],
    ["warning deliver-group", {}, consumer({ deliver_group: "x" })],
  ])("%s, and nothing else", (sign, config, over) => {
    expect(ofStream(config, over)).toEqual([sign]);
  });

  test("that is well has no finding", () => {
    expect(ofStream({})).toEqual([]);
    expect(ofStream({ discard: "old" })).toEqual([]);
  });
});

describe("the doctor", () => {
  let system: Awaited<ReturnType<typeof startSystem>>;
  beforeAll(async () => {
    system = await startSystem();
  });
  afterAll(async () => {
    await system[Symbol.asyncDispose]();
  });

  test("finds what is wrong on a real server, the worst first, and nothing once it is mended", async () => {
    const { client, nats } = system;
    expect(await client.doctor.query({})).toMatchObject({
      findings: [],
      errors: 0,
      looked_at: { groups: 0 },
    });
    const spec = specOf({ stream: "SICK", subjects: ["SICK.a"] });
    await client.groups.apply.mutate({ spec, stream: { retention: "limits" } });
    await nats.jsm.consumers.add("SICK", {
      durable_name: "theirs",
      ack_policy: "explicit",
      max_deliver: 3,
      backoff: [1e9],
    });
    await nats.jsm.consumers.delete("SICK", "billing");
    await nats.js.publish("SICK.a", JSON.stringify(order("o")));
    const report = await client.doctor.query({ stream: "SICK" });
    expect(report.findings.map(({ id, severity, group }) => [severity, id, group])).toEqual([
      ["error", "drift", "billing"],
      ["warning", "max-deliver", "theirs"],
      ["warning", "consumer-backoff", "theirs"],
      ["warning", "few-members", "billing"],
    ]);
    expect(report).toMatchObject({
      errors: 1,
      warnings: 3,
      notes: 0,
      looked_at: { streams: 1, groups: 1, members: 0 },
    });
    for (const finding of report.findings)
      expect([finding.evidence, finding.reason, finding.fix].every((text) => text.length > 10)).toBe(true);

    await nats.jsm.consumers.delete("SICK", "theirs");
    await client.groups.apply.mutate({ spec });
    await putEntry(nats, buckets.members, "SICK.billing.m1", JSON.stringify(memberOf({ held: 1 })), 0);
    expect((await client.doctor.query({ stream: "SICK" })).findings).toEqual([]);
  });

  test("looks at groups whose stream is gone, and at queue groups", async () => {
    const { client, nats } = system;
    await client.groups.apply.mutate({
      spec: specOf({ stream: "LOST", subjects: ["LOST.a"], min_members: 0 }),
    });
    await nats.jsm.streams.delete("LOST");
    const lost = await client.doctor.query({ stream: "LOST" });
    expect(lost.findings).toMatchObject([
      { id: "drift", evidence: expect.stringContaining("stream LOST is missing") },
    ]);
    const queue = {
      stream: "core",
      subjects: ["q.a"],
      delivery: { mode: "queue" as const },
      ledger: "none" as const,
      min_members: 1,
    };
    await client.groups.apply.mutate({ spec: specOf(queue) });
    expect((await client.doctor.query({ stream: "core" })).findings).toMatchObject([{ id: "few-members" }]);
    expect(await refusalOf(client.doctor.query({ stream: "a.>" }))).toMatchObject({ code: "bad_name" });
  });
});
