// The member's port: metrics under fixed names, and health that means what it says.
import { createServer } from "node:http";
import { bucketOf } from "../lab/bucket.ts";
import { buckets, groupKey } from "@muster/contracts";
import { waitFor } from "../lab/wait.ts";
import { has, holds, like, same } from "../expect.ts";
import { anyPort, endpointOf } from "../lab/endpoint.ts";
import { type Scenario, scenario } from "../scenario.ts";

const outcomes = ["done", "retry", "snoozed", "returned", "dead", "repeat", "stale", "lost"];
const reasons = ["invalid", "unknown_contract", "permanent", "exhausted", "crash_loop", "conflict"];
const gauges = [
  "in_flight",
  "held",
  "concurrency",
  "suspects",
  "degraded",
  "breaker_open",
  "paused",
  "ready",
];
const totals = ["pull_recreated", "reconnects", "heartbeat_failures", "queue_lost"];
const buckets_ = ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "10", "30", "60", "+Inf"];

export const http: Scenario[] = [
  scenario(
    "metric-names",
    "METRIC-2 METRIC-4",
    "all metrics are there from the start, under their names",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group, anyPort);
      const endpoint = await endpointOf(member);
      await endpoint.answers("/readyz", 200);
      const names = [...(await endpoint.metrics()).keys()];
      const wanted = [
        ...outcomes.map((outcome) => `muster_deliveries_total{outcome="${outcome}"}`),
        ...reasons.map((reason) => `muster_dead_letters_total{reason="${reason}"}`),
        ...gauges.map((name) => `muster_${name}`),
        ...totals.map((name) => `muster_${name}_total`),
        "muster_spec_revision",
      ];
      same(
        "missing",
        wanted.filter((name) => !names.includes(name)),
        [],
      );
      holds(
        "build info",
        names.some((name) => /^muster_build_info\{.*core_version="/.test(name)),
        names.at(-1),
      );
    },
  ),

  scenario(
    "metric-labels",
    "METRIC-2 SEC-2",
    "every sample tells stream, group, member, language, and no name of a publisher's",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group, anyPort);
      const endpoint = await endpointOf(member);
      await group.send(
        { eventId: "odd-event-4711", directive: "permanent;text=odd-error-4711" },
        "odd-subject-4711",
      );
      await group.died();
      const { text } = await endpoint.get("/metrics");
      const language = (await member.recorded("itself", () => true)).language;
      const samples = text.split("\n").filter((line) => line.startsWith("muster_"));
      for (const label of [
        `stream="${group.stream}"`,
        `group="${group.group}"`,
        `member="${member.id}"`,
        `language="${language}"`,
      ])
        same(
          `samples without ${label}`,
          samples.filter((sample) => !sample.includes(label)),
          [],
        );
      holds("a name of the publisher's", !text.includes("4711"));
    },
  ),

  scenario("metric-counts", "METRIC-2", "outcomes, reasons and handling times are counted", async (lab) => {
    const group = await lab.group({ concurrency: 4 });
    const member = lab.join(group, anyPort);
    const endpoint = await endpointOf(member);
    await group.send({ eventId: "done" });
    await group.settled("done", "done");
    await group.send({ eventId: "done" });
    await group.send({ eventId: "dead", directive: "permanent" });
    await group.send({ eventId: "retried", directive: "retryable;times=1" });
    await group.send({ eventId: "snoozed", directive: "snooze;delay_ms=60000" });
    await group.send({ eventId: "hangs", directive: "hang" });
    await member.recorded(
      "all of it",
      ({ counts, in_flight }) => counts.done === 2 && counts.snoozed === 1 && in_flight === 1,
    );
    const metrics = await endpoint.metrics();
    const counted = outcomes.map((outcome) => metrics.get(`muster_deliveries_total{outcome="${outcome}"}`));
    same(`deliveries by ${outcomes.join(", ")}`, counted, [2, 1, 1, 0, 1, 1, 0, 0]);
    same("dead letters", metrics.get('muster_dead_letters_total{reason="permanent"}'), 1);
    same("handlers that returned", metrics.get('muster_handler_seconds_count{outcome="returned"}'), 2);
    same(
      "in flight, held, concurrency",
      ["in_flight", "held", "concurrency"].map((name) => metrics.get(`muster_${name}`)),
      [1, 1, 4],
    );
  }),

  scenario(
    "metric-buckets",
    "METRIC-3",
    "histograms have the buckets that the protocol names",
    async (lab) => {
      const group = await lab.group();
      const endpoint = await endpointOf(lab.join(group, anyPort));
      await group.send({ eventId: "done" });
      await group.settled("done", "done");
      for (const [name, label] of [
        ["handler", 'outcome="returned"'],
        ["settle", undefined],
        ["ledger", 'op="look_up"'],
        ["ledger", 'op="write"'],
      ] as const) {
        const { text } = await endpoint.get("/metrics");
        const lines = text.split("\n").filter((line) => line.startsWith(`muster_${name}_seconds_bucket`));
        const own = lines.filter((line) => label === undefined || line.includes(label));
        const limits = own.map((line) => /le="([^"]+)"/.exec(line)?.[1]);
        same(`buckets of ${name} ${label ?? ""}`, limits, buckets_);
      }
    },
  ),

  scenario(
    "metric-port-taken",
    "METRIC-1",
    "a port that is taken is said in one line, exit 2",
    async (lab) => {
      const group = await lab.group();
      // Only a member that listens at all is asked for a port that it cannot have.
      await endpointOf(lab.join(group, anyPort));
      const server = createServer();
      await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
      lab.defer(() => server.close());
      const address = server.address();
      const port = typeof address === "object" ? String(address?.port) : "";
      const member = lab.join(group, { MUSTER_HTTP_PORT: port });
      same("its end", await member.ended(), { code: 2, signal: null });
      holds(
        "the variable is named",
        member.lines.some((line) => line.startsWith("MUSTER_HTTP_PORT")),
        member.lines,
      );
    },
  ),

  scenario(
    "health-ready",
    "HEALTH-2",
    "ready when joined; not without a spec, and it says why",
    async (lab) => {
      const group = await lab.group();
      const specs = await bucketOf(lab.nc, buckets.groups);
      await specs.purge(groupKey(group.stream, group.group));
      const endpoint = await endpointOf(lab.join(group, anyPort));
      const { json } = await endpoint.answers("/readyz", 503);
      has("not ready", json, { ready: false });
      holds("with its reasons", Array.isArray(json["why"]) && json["why"].length > 0, json);
      same("live all the same", (await endpoint.get("/livez")).json, { live: true });
      await group.change({});
      same("ready", (await endpoint.answers("/readyz", 200)).json, { ready: true });
      same("the gauge", (await endpoint.metrics()).get("muster_ready"), 1);
    },
  ),

  scenario("health-paused", "HEALTH-2", "paused is ready", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group, anyPort);
    const endpoint = await endpointOf(member);
    await group.change({ paused: true });
    await member.recorded("the pause", ({ state }) => state === "paused");
    same("ready", (await endpoint.get("/readyz")).status, 200);
    same("the gauge", (await endpoint.metrics()).get("muster_paused"), 1);
  }),

  scenario(
    "health-outage",
    "HEALTH-1 HEALTH-2",
    "without its server a member is live and not ready",
    async (lab) => {
      const site = await lab.ownServer();
      const group = await lab.group({ on: site });
      const endpoint = await endpointOf(lab.join(group, anyPort));
      await endpoint.answers("/readyz", 200);
      await site.server.kill();
      await endpoint.answers("/readyz", 503);
      same("live", (await endpoint.get("/livez")).status, 200);
      await site.restart();
      await endpoint.answers("/readyz", 200);
      holds("reconnects", ((await endpoint.metrics()).get("muster_reconnects_total") ?? 0) >= 1);
    },
  ),

  scenario("health-degraded", "HEALTH-2 DEGRADED-1", "a degraded member is not ready", async (lab) => {
    const group = await lab.group();
    const free = await group.fillDeadLetters();
    const endpoint = await endpointOf(lab.join(group, anyPort));
    await endpoint.answers("/readyz", 200);
    await group.send({ eventId: "d.1", directive: "permanent" });
    await endpoint.answers("/readyz", 503);
    await free();
    await endpoint.answers("/readyz", 200);
    await group.died();
  }),

  scenario("health-stuck", "HEALTH-1", "not live when all slots are past their deadline", async (lab) => {
    const group = await lab.group({ concurrency: 2, timeout_ms: 300, retry: { backoff_ms: [60_000] } });
    const endpoint = await endpointOf(lab.join(group, anyPort));
    await group.send({ eventId: "s.1", directive: "block;ms=3000" });
    await waitFor("one past its deadline", async () => (await group.attempts(1)) !== undefined);
    same("live with one slot left", (await endpoint.get("/livez")).status, 200);
    await group.send({ eventId: "s.2", directive: "block;ms=6000" });
    const { json } = await endpoint.answers("/livez", 503);
    has("not live", json, { live: false });
    like("with its reason", String(json["why"]), /\w/);
    await endpoint.answers("/livez", 200);
  }),

  scenario(
    "health-drain",
    "HEALTH-4 HEALTH-2",
    "a draining member answers, not ready, until it has left",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group, anyPort);
      const endpoint = await endpointOf(member);
      await group.send({ eventId: "d.1", directive: "block;ms=2500" });
      await member.handling();
      member.signal("SIGTERM");
      await endpoint.answers("/readyz", 503);
      same("live", (await endpoint.get("/livez")).status, 200);
      same("its end", await member.ended(), { code: 0, signal: null });
    },
  ),

  scenario("health-paths", "HEALTH-3", "other paths are 404, other methods 405", async (lab) => {
    const group = await lab.group();
    const endpoint = await endpointOf(lab.join(group, anyPort));
    const asked = [
      ["/", "GET"],
      ["/metrics/x", "GET"],
      ["/metrics", "POST"],
      ["/livez", "DELETE"],
      ["/livez", "HEAD"],
    ] as const;
    const statuses: number[] = [];
    for (const [path, method] of asked) statuses.push((await endpoint.get(path, method)).status);
    same("the statuses", statuses, [404, 404, 405, 405, 200]);
  }),
];
