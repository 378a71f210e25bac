// Mode push: the server pushes to whoever of the group is subscribed.
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import { type Scenario, scenario } from "../scenario.ts";

const delivery = { mode: "push" } as const;

export const push: Scenario[] = [
  scenario("push-settles", "PUSH-1", "done, retried and dead are what they are in pull", async (lab) => {
    const group = await lab.group({ delivery });
    const tap = await lab.tap(group);
    const member = lab.join(group);
    const done = await group.send({ eventId: "done" });
    const retried = await group.send({ eventId: "retried", directive: "retryable;times=1" });
    const dead = await group.send({ eventId: "dead", directive: "permanent;text=no" });
    has("the row", await group.settled("done", "done"), { sequence: done.seq, member: member.id });
    await group.settled("retried", "done");
    const [letter] = await group.died();
    has("the dead letter", letter?.headers, { "Muster-Dlq-Seq": String(dead.seq), "Muster-Dlq-Error": "no" });
    await group.quiet();
    const stories = [done, retried, dead].map(({ seq }) => tap.story(seq));
    same("what was said", stories, ["ack 1", "nak 1, ack 2", "term 1"]);
    has("the record", await member.record(), { delivery: "push" });
  }),

  scenario("push-group", "PUSH-1", "members of a group share what is pushed", async (lab) => {
    const group = await lab.group({ delivery, concurrency: 2 });
    const members = [lab.join(group), lab.join(group)];
    for (const member of members) {
      await member.joined();
      await member.beats(1);
    }
    for (let n = 0; n < 40; n++) await group.send({ eventId: `p.${n}`, directive: "block;ms=20" });
    await group.quiet();
    const who = new Set<string | undefined>();
    for (let n = 0; n < 40; n++) {
      const rows = await group.rowHistory(`p.${n}`);
      same(`rows of p.${n}`, rows.length, 1);
      who.add(rows[0]?.member);
    }
    same("members that did something", who, new Set(members.map(({ id }) => id)));
  }),

  scenario(
    "push-bound",
    "PUSH-2",
    "what is held is bounded by the group's max_ack_pending, and extended",
    async (lab) => {
      const group = await lab.group({ delivery, concurrency: 1, max_ack_pending: 5, ack_wait_ms: 3000 });
      const tap = await lab.tap(group);
      lab.join(group);
      const seqs: number[] = [];
      for (let n = 0; n < 8; n++)
        seqs.push((await group.send({ eventId: `p.${n}`, directive: "block;ms=1000" })).seq);
      await waitFor("five in hand", async () => (await group.consumer()).num_ack_pending === 5);
      await group.quiet();
      same("what was said", new Set(seqs.map((seq) => tap.story(seq))), new Set(["ack 1"]));
    },
  ),

  scenario(
    "push-pause",
    "PUSH-3 SPEC-9",
    "a pause unsubscribes, and the server holds the messages",
    async (lab) => {
      const group = await lab.group({ delivery });
      const member = lab.join(group);
      await group.send({ eventId: "p.0" });
      await group.settled("p.0", "done");
      await group.change({ paused: true });
      await member.recorded("the pause", ({ state }) => state === "paused");
      await waitFor("nobody to be subscribed", async () => !(await group.consumer()).push_bound);
      await group.send({ eventId: "p.1" });
      await member.beats(2);
      same("messages that wait", (await group.consumer()).num_pending, 1);
      await group.change({});
      await group.settled("p.1", "done");
    },
  ),

  scenario(
    "push-degraded",
    "PUSH-3 DEGRADED-1",
    "a degraded member unsubscribes until it is well",
    async (lab) => {
      const group = await lab.group({ delivery });
      const free = await group.fillDeadLetters();
      const member = lab.join(group);
      await group.send({ eventId: "p.1", directive: "permanent" });
      await member.said(/"degraded"/);
      await free();
      await group.died();
      await member.recorded("being well", ({ degraded }) => !degraded);
      await group.send({ eventId: "p.2" });
      await group.settled("p.2", "done");
    },
  ),

  scenario(
    "push-drain",
    "PUSH-4 DRAIN-3 DRAIN-8",
    "a drain finishes what runs and gives the rest back",
    async (lab) => {
      const group = await lab.group({ delivery, concurrency: 3, max_ack_pending: 8, ack_wait_ms: 600_000 });
      const tap = await lab.tap(group);
      const seqs = Array.from({ length: 8 }, (_, n) => n + 1);
      for (const n of seqs) await group.send({ eventId: `p.${n}`, directive: "block;ms=2000" });
      const first = lab.join(group);
      await first.handling(3);
      await waitFor("all in hand", async () => (await group.consumer()).num_ack_pending === 8);
      first.signal("SIGTERM");
      same("its end", await first.ended(), { code: 0, signal: null });
      await lab.nc.flush();
      const finished = seqs.filter((seq) => tap.story(seq) === "ack 1");
      same("finished", finished.length, 3);
      const others = seqs.filter((seq) => !finished.includes(seq)).map((seq) => tap.story(seq));
      holds(
        "all others given back",
        others.every((story) => story.startsWith("nak 1")),
        others,
      );
      lab.join(group);
      await group.quiet();
      same("messages left", await group.left(), 0);
    },
  ),

  scenario("push-prefix", "PUSH-5 ENV-3", "with an API prefix of its own it is refused", async (lab) => {
    lab.expectUnsupported();
    const site = await lab.ownServer({ config: remapped });
    const group = await lab.group({ on: site, delivery });
    const member = lab.join(group, { MUSTER_API_PREFIX: "JSX.API" });
    await member.said(/"unsupported_spec"/);
    await member.recorded("starting", ({ state }) => state === "starting");
    holds("nobody is subscribed", !(await group.consumer()).push_bound);
  }),
];

// The server itself maps the other prefix, for everybody.
const remapped = 'mappings = { "JSX.API.>": "$JS.API.>" }';
