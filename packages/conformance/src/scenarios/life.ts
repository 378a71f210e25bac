// From start to shutdown: servers that are away, drains, second signals, the grace.
import { freePort, startNats } from "@muster/testkit";
import { waitFor } from "../lab/wait.ts";
import { connect } from "@nats-io/transport-node";
import { holds, same } from "../expect.ts";
import { openGroup } from "../lab/group.ts";
import { provisionBuckets } from "../lab/provision.ts";
import { type Scenario, scenario } from "../scenario.ts";

const clean = { code: 0, signal: null };

export const life: Scenario[] = [
  scenario("life-late-server", "WIRE-1", "a server that is down at the start is waited for", async (lab) => {
    const port = await freePort();
    const url = `nats://127.0.0.1:${port}`;
    const member = lab.join({ url, stream: "late", group: "g" });
    // It has tried: something was said, or it is up and waits.
    await member.said(/./).catch(() => undefined);
    const server = await startNats({ port });
    lab.defer(() => server.stop());
    const nc = await connect({ servers: url });
    lab.defer(() => nc.close());
    await provisionBuckets(nc);
    const group = await openGroup(nc, url, { stream: "late", group: "g" });
    await group.send({ eventId: "d.0" });
    await group.settled("d.0", "done");
  }),

  scenario(
    "life-server-killed",
    "WIRE-1",
    "a server that is killed under load: everything is done, each by one message",
    async (lab) => {
      const site = await lab.ownServer();
      const group = await lab.group({ on: site });
      const member = lab.join(group);
      await member.joined();
      const ids = Array.from({ length: 60 }, (_, n) => `d.${n}`);
      for (const eventId of ids) await group.send({ eventId, directive: "block;ms=40" });
      await site.restart();
      await group.quiet();
      for (const eventId of ids) {
        const rows = await group.rowHistory(eventId);
        same(`${eventId} is settled`, rows.at(-1)?.status, "done");
        same(`the messages of ${eventId}`, new Set(rows.map(({ sequence }) => sequence)).size, 1);
      }
      same("messages left", await group.left(), 0);
      member.signal("SIGTERM");
      same("its end", await member.ended(), clean);
    },
  ),

  scenario(
    "life-reconnect-logged",
    "LOG-2",
    "it says when the connection is lost and is back",
    async (lab) => {
      const site = await lab.ownServer();
      const group = await lab.group({ on: site });
      const member = lab.join(group);
      await member.joined();
      await site.restart();
      await member.said(/"disconnected"/);
      await member.said(/"reconnected"/);
      await group.send({ eventId: "r.1" });
      await group.settled("r.1", "done");
    },
  ),

  ...(["SIGTERM", "SIGINT"] as const).map((signal) =>
    scenario(
      `life-drain-${signal.slice(3).toLowerCase()}`,
      "DRAIN-1 DRAIN-3 SETTLE-9",
      `${signal}: what has started is finished, the rest is given back at once`,
      async (lab) => {
        // Only a nak can bring a message back within the test.
        const group = await lab.group({ concurrency: 4, ack_wait_ms: 600_000 });
        const tap = await lab.tap(group);
        const seqs = Array.from({ length: 12 }, (_, n) => n + 1);
        for (const n of seqs) await group.send({ eventId: `d.${n}`, directive: "block;ms=1500" });
        const first = lab.join(group);
        await first.handling(4);
        first.signal(signal);
        same("its end", await first.ended(), clean);
        same("its record", await first.record(), undefined);
        await lab.nc.flush();
        // Which four ran is the member's own affair; that they were finished, and the others returned, is not.
        const finished = seqs.filter((seq) => tap.story(seq) === "ack 1");
        const returned = seqs.filter((seq) => tap.story(seq) === "nak 1");
        same("finished", finished.length, 4);
        same("given back, of those it held beside the four", returned.length, 4);
        same("never touched", seqs.filter((seq) => tap.story(seq) === "").length, 4);
        same(
          "delays of what was given back",
          returned.flatMap((seq) => tap.of(seq)).filter(({ delayMs }) => delayMs),
          [],
        );

        const second = lab.join(group);
        await group.quiet();
        for (const seq of seqs) {
          const isFinished = finished.includes(seq);
          if (isFinished) same(`what was said of ${seq}`, tap.story(seq), "ack 1");
          const row = await group.row(`d.${seq}`);
          same(`who did ${seq}`, row?.member, isFinished ? first.id : second.id);
        }
      },
    ),
  ),

  scenario(
    "life-drain-once",
    "DRAIN-8",
    "nothing that had started is delivered again after a drain under load",
    async (lab) => {
      const group = await lab.group({ concurrency: 5, ack_wait_ms: 600_000 });
      const ids = Array.from({ length: 40 }, (_, n) => `d.${n}`);
      for (const eventId of ids) await group.send({ eventId, directive: "block;ms=300" });
      const first = lab.join(group);
      await group.settled("d.0", "done");
      first.signal("SIGTERM");
      same("its end", await first.ended(), clean);
      holds("there is work left", (await group.left()) > 0);
      lab.join(group);
      await group.quiet();
      for (const eventId of ids) {
        const rows = await group.rowHistory(eventId);
        same(
          `rows of ${eventId}`,
          rows.map(({ status }) => status),
          ["done"],
        );
      }
    },
  ),

  scenario(
    "life-grace",
    "DRAIN-6 EXIT-1",
    "handlers that still run when the grace is over: exit 1, nothing is lost",
    async (lab) => {
      const group = await lab.group();
      await group.send({ eventId: "g.1", directive: "block;ms=20000" });
      const member = lab.join(group, { MUSTER_GRACE_MS: "300" });
      await member.handling();
      member.signal("SIGTERM");
      same("its end", await member.ended(), { code: 1, signal: null });
      same("messages left", await group.left(), 1);
      same("the row", await group.row("g.1"), undefined);
    },
  ),

  scenario("life-second-signal", "DRAIN-7 EXIT-1", "a second signal ends it at once with 1", async (lab) => {
    const group = await lab.group();
    await group.send({ eventId: "s.1", directive: "hang" });
    const member = lab.join(group);
    await member.handling();
    member.signal("SIGTERM");
    await member.said(/"draining"/);
    member.signal("SIGTERM");
    same("its end", await member.ended(), { code: 1, signal: null });
    same("messages left", await group.left(), 1);
  }),

  scenario(
    "life-drain-takes-none",
    "DRAIN-1 PULL-4 DRAIN-2",
    "a draining member takes nothing new",
    async (lab) => {
      const group = await lab.group({ concurrency: 2, ack_wait_ms: 600_000 });
      const member = lab.join(group);
      await group.send({ eventId: "running", directive: "block;ms=3000" });
      await member.handling();
      member.signal("SIGTERM");
      await member.said(/"draining"/);
      await waitFor("its pulls to end", async () => (await group.consumer()).num_waiting === 0);
      await group.send({ eventId: "later" });
      same("its end", await member.ended(), clean);
      same("messages left", await group.left(), 1);
      same("the row of the running one", (await group.row("running"))?.status, "done");
    },
  ),

  scenario(
    "life-drain-beats",
    "DRAIN-4 MEMBER-2",
    "while it drains it beats, and extends what still runs",
    async (lab) => {
      const group = await lab.group({ ack_wait_ms: 3000 });
      const tap = await lab.tap(group);
      const member = lab.join(group);
      const { seq } = await group.send({ eventId: "d.1", directive: "block;ms=7000" });
      await member.handling();
      member.signal("SIGTERM");
      await member.recorded("draining", ({ state }) => state === "draining");
      await member.beats(2);
      same("its end", await member.ended(), clean);
      await tap.tells(seq, "ack 1");
      same("deliveries", (await group.consumer()).delivered.consumer_seq, 1);
    },
  ),

  scenario(
    "life-drain-no-server",
    "DRAIN-9",
    "a member that has no connection yet ends with 0",
    async (lab) => {
      const member = lab.join({ url: `nats://127.0.0.1:${await freePort()}`, stream: "S", group: "g" });
      await member.said(/"disconnected"/);
      member.signal("SIGTERM");
      same("its end", await member.ended(), clean);
    },
  ),

  scenario(
    "life-drain-claiming",
    "DRAIN-9",
    "a drain while it claims its id leaves no record",
    async (lab) => {
      const group = await lab.group();
      const first = lab.join(group, { WORKER_ID: "same" });
      await first.recorded("running", ({ state }) => state === "running");
      first.signal("SIGKILL");
      await first.ended();
      // It watches the dead one's record for two beats.
      const second = lab.join(group, { WORKER_ID: "same", MUSTER_HEARTBEAT_MS: "5000" });
      await second.said(/"spec changed"/);
      second.signal("SIGTERM");
      same("its end", await second.ended(), clean);
      holds("no second joined", !second.lines.some((line) => line.includes('"joined"')), second.lines);
    },
  ),
];
