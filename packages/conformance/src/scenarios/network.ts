// A network that fails between a member and its server, and a member that may do little.
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import type { Lab } from "../lab/lab.ts";
import { openProxy, type Proxy } from "../lab/proxy.ts";
import { type Scenario, scenario } from "../scenario.ts";

export const network: Scenario[] = [
  scenario(
    "net-late-ack",
    "HOLD-8 HOLD-7",
    "what is done while the connection is away is acked when it is back",
    async (lab) => {
      // The row cannot be written while away: the handler ends just before the cut is mended.
      const { group, proxy, member } = await behindProxy(lab, { ack_wait_ms: 20_000 });
      const tap = await lab.tap(group);
      const { seq } = await group.send({ eventId: "n.1", directive: "block;ms=2000" });
      await member.handling();
      proxy.cut();
      await member.said(/"disconnected"/);
      const began = performance.now();
      await waitFor("the handler to end while away", () => performance.now() - began > 3000);
      same("what was said while away", tap.story(seq), "");
      proxy.mend();
      await group.settled("n.1", "done");
      await group.quiet();
      holds("it is answered by an ack", /ack \d+$/.test(tap.story(seq)), tap.story(seq));
      same("revisions of its row", (await group.rowHistory("n.1")).length, 1);
    },
  ),

  scenario(
    "net-no-stale-nak",
    "HOLD-8 HOLD-6 WIRE-3",
    "a nak that could not be sent in time is never sent",
    async (lab) => {
      const { group, proxy, member } = await behindProxy(lab, {
        ack_wait_ms: 2000,
        retry: { backoff_ms: [60_000] },
      });
      const tap = await lab.tap(group);
      const { seq } = await group.send({ eventId: "n.1", directive: "retryable;times=1" }, "x");
      await tap.tells(seq, "nak 1");
      const held = await group.send({ eventId: "n.2", directive: "block;ms=2500" });
      await member.handling();
      proxy.cut();
      await member.said(/"disconnected"/);
      // Another member, whose connection is good, takes what the first one cannot extend.
      const second = lab.join(group);
      has("who did it", await group.settled("n.2", "done"), { member: second.id });
      proxy.mend();
      await member.said(/"reconnected"/);
      await group.send({ eventId: "n.3" });
      await group.settled("n.3", "done");
      const naks = tap.of(held.seq).filter(({ kind }) => kind === "nak" || kind === "term");
      same("naks and terms", naks, []);
    },
  ),

  scenario(
    "net-nak-not-kept",
    "WIRE-3 HOLD-8",
    "a nak that could not be sent is not sent when the connection is back, however soon it was wanted",
    async (lab) => {
      const { group, proxy, member } = await behindProxy(lab, { ack_wait_ms: 12_000 });
      const tap = await lab.tap(group);
      const { seq } = await group.send({ eventId: "n.1", directive: "block;ms=2000" });
      await member.handling();
      proxy.cut();
      await member.said(/"disconnected"/);
      // Its row cannot be written: 5 s after its handler it would give the message back, while that is still its own.
      lab.join(group);
      await waitFor("another member to have it", () => tap.of(seq).some(({ delivered }) => delivered > 1));
      proxy.mend();
      await member.said(/"reconnected"/);
      await group.settled("n.1", "done");
      await member.beats(2);
      const naks = tap.of(seq).filter(({ kind }) => kind === "nak");
      same("naks", naks, []);
    },
  ),

  scenario(
    "net-drain-order",
    "DRAIN-2 PUSH-4",
    "a member that drains unsubscribes before it gives anything back",
    async (lab) => {
      const options = { delivery: { mode: "push" as const }, concurrency: 1, max_ack_pending: 4 };
      const { group, proxy, member } = await behindProxy(lab, options);
      for (let n = 0; n < 4; n++) await group.send({ eventId: `d.${n}`, directive: "block;ms=5000" });
      await member.handling();
      await waitFor("all in hand", async () => (await group.consumer()).num_ack_pending === 4);
      member.signal("SIGTERM");
      same("its end", await member.ended(), { code: 0, signal: null });
      const [, id = "none"] = /SUB muster[.]push[.]\S+ \S+ (\S+)\r\n/.exec(proxy.sent) ?? [];
      const [left, gaveBack] = [proxy.sent.indexOf(`UNSUB ${id}`), proxy.sent.indexOf("-NAK")];
      holds("it did both", left > 0 && gaveBack > 0, { left, gaveBack });
      holds("and unsubscribed first", left < gaveBack, { left, gaveBack });
    },
  ),

  scenario(
    "net-stalled-pull",
    "WATCH-1 WATCH-2",
    "a pull to which nothing comes although messages wait is made again",
    async (lab) => {
      const { group, proxy, member } = await behindProxy(lab, {});
      // Its pull requests go to somebody who never answers.
      group.nc.subscribe("$JX.API.>", { callback: () => undefined });
      await group.nc.flush();
      proxy.rewrite("$JS.API.CONSUMER.MSG.NEXT", "$JX.API.CONSUMER.MSG.NEXT");
      await group.send({ eventId: "n.0" });
      await waitFor("its own pull to run out", async () => (await group.consumer()).num_waiting === 0);
      await group.send({ eventId: "n.1" });
      await member.said(/"pull stalled"/, 60_000);
      proxy.pass();
      await group.settled("n.1", "done");
    },
    { timeoutMs: 100_000 },
  ),

  scenario(
    "net-least-rights",
    "SEC-1 KV-2 STORE-1 KV-1",
    "a member does with what its account imports, and no more",
    async (lab) => {
      const site = await lab.ownServer({ config: rights(plain), connect: { user: "owner", pass: "owner" } });
      const group = await lab.group({ on: site, stream: "S", group: "g" });
      const tap = await lab.tap(group);
      const member = lab.join(group, { MUSTER_API_PREFIX: "JSF.API" });
      const done = await group.send({ eventId: "done" });
      const retried = await group.send({ eventId: "retried", directive: "retryable;times=1" });
      const dead = await group.send({ eventId: "dead", directive: "permanent" });
      await group.settled("done", "done");
      await group.settled("retried", "done");
      await group.settled("dead", "dead");
      await group.died();
      await group.quiet();
      const stories = [done, retried, dead].map(({ seq }) => tap.story(seq));
      same("what was said", stories, ["ack 1", "nak 1, ack 2", "term 1"]);
      has("its record", await member.record(), { state: "running", degraded: false });
      member.signal("SIGTERM");
      same("its end", await member.ended(), { code: 0, signal: null });
      same("its record at the end", await member.record(), undefined);
    },
  ),

  scenario(
    "net-frozen",
    "HOLD-3 HOLD-6",
    "an extension that nobody confirmed does not make a message ours",
    async (lab) => {
      const options = {
        concurrency: 1,
        ack_wait_ms: 2000,
        timeout_ms: 6000,
        retry: { max_attempts: 5, backoff_ms: [60_000], jitter: 0 },
      };
      const { group, proxy, member } = await behindProxy(lab, options);
      const tap = await lab.tap(group);
      const { seq } = await group.send({ eventId: "n.1", directive: "hang" });
      // What waits behind it fills the member: no pull of its own is open that would take a redelivery.
      await group.send({ eventId: "n.0" });
      await waitFor("both in hand", async () => (await group.consumer()).num_ack_pending === 2);
      await member.handling();
      proxy.freeze();
      lab.join(group);
      const taken = await waitFor("the second member to have it", () =>
        tap.of(seq).find(({ delivered }) => delivered > 1),
      );
      // By then the first one's deadline has passed, while it still sent its extensions into nothing.
      await waitFor("the second one's deadline", () => tap.story(seq) === `nak ${taken.delivered}`);
      proxy.thaw();
      await group.send({ eventId: "n.2" });
      await group.settled("n.2", "done");
      await member.beats(2);
      same("what settled the message", tap.story(seq), `nak ${taken.delivered}`);
      has("the attempts record", await group.attempts(seq), { attempts: 1, delivery: taken.delivered });
    },
  ),

  scenario(
    "net-forbidden",
    "SEC-3 SETTLE-8 EXIT-1",
    "what it needs and may not publish ends it with 4, and nothing is lost",
    async (lab) => {
      const config = rights(plain.filter((subject) => !subject.startsWith("muster.dlq")));
      const site = await lab.ownServer({ config, connect: { user: "owner", pass: "owner" } });
      const group = await lab.group({ on: site, stream: "S", group: "g" });
      const tap = await lab.tap(group);
      const member = lab.join(group, { MUSTER_API_PREFIX: "JSF.API" });
      const { seq } = await group.send({ eventId: "dead", directive: "permanent" });
      const ended = member.ended();
      await member.said(/"not_permitted"/);
      same("its end", await ended, { code: 4, signal: null });
      holds("it is given back", tap.story(seq).startsWith("nak 1"), tap.story(seq));
      same("messages left", await group.left(), 1);
      same("its record", await member.record(), undefined);
    },
  ),

  scenario(
    "net-full-is-no-stall",
    "WATCH-3",
    "a group that is full is no stalled pull",
    async (lab) => {
      const group = await lab.group({ max_ack_pending: 1, ack_wait_ms: 60_000 });
      const member = lab.join(group);
      await group.send({ eventId: "n.1", directive: "block;ms=48000" });
      await group.send({ eventId: "n.2" });
      await group.ended("n.1", 60_000);
      await group.settled("n.2", "done");
      same(
        "said",
        member.lines.filter((line) => line.includes("pull stalled")),
        [],
      );
    },
    { timeoutMs: 100_001 },
  ),

  scenario(
    "net-pull-requests",
    "PULL-1 PULL-6 PULL-2",
    "a pull asks for what there is room for, and not for long",
    async (lab) => {
      const group = await lab.group({ concurrency: 4 });
      const requests: { reply: string; batch: number; expires: number }[] = [];
      lab.nc.subscribe(`$JS.API.CONSUMER.MSG.NEXT.${group.stream}.${group.group}`, {
        callback: (error, message) => {
          if (error === null)
            requests.push({
              reply: message.reply ?? "",
              ...message.json<{ batch: number; expires: number }>(),
            });
        },
      });
      lab.join(group);
      for (let n = 0; n < 30; n++) await group.send({ eventId: `n.${n}`, directive: "block;ms=20" });
      await group.settled("n.29", "done");
      await group.quiet();
      holds("it pulled", requests.length > 1, requests.length);
      same("each with a reply of its own", new Set(requests.map(({ reply }) => reply)).size, requests.length);
      const wrong = requests.filter(
        ({ batch, expires }) => batch < 1 || batch > 8 || expires > 5e9 || expires <= 0,
      );
      same("too many messages at once, or for too long", wrong, []);
    },
  ),
];

/** A running member whose connection goes through a proxy. */
async function behindProxy(lab: Lab, options: Parameters<Lab["group"]>[0]) {
  const group = await lab.group(options);
  const proxy: Proxy = await openProxy(Number(new URL(group.url).port));
  lab.defer(() => proxy.close());
  const member = lab.join({ ...group, url: proxy.url });
  await member.joined();
  return { group, proxy, member };
}

const kvGet = (bucket: string, key: string): string => `$JS.API.DIRECT.GET.KV_${bucket}.$KV.${bucket}.${key}`;
const api: { subject: string; response?: string }[] = [
  { subject: "$JS.API.CONSUMER.INFO.S.g" },
  { subject: "$JS.API.CONSUMER.MSG.NEXT.S.g", response: "stream" },
  { subject: kvGet("MUSTER_GROUPS", "S.g") },
  ...["MEMBERS", "ATTEMPTS", "LEDGER"].map((name) => ({ subject: kvGet(`MUSTER_${name}`, "S.g.>") })),
  { subject: kvGet("MUSTER_CONTRACTS", ">") },
];
const plain = [
  "$JS.ACK.S.g.>",
  ...["MEMBERS", "ATTEMPTS", "LEDGER"].map((name) => `$KV.MUSTER_${name}.S.g.>`),
  "muster.dlq.S.g.>",
];
const quoted = (subjects: readonly string[]): string => subjects.map((subject) => `"${subject}"`).join(", ");
const remapped = (subject: string): string => subject.replace("$JS.API", "JSF.API");

/** A server where JetStream is in one account, the member in another, which imports the list of SEC-1. */
const rights = (granted: readonly string[]): string => `
no_auth_user: member
accounts {
  OWNER {
    jetstream: enabled
    users: [{ user: owner, password: owner }]
    exports: [
      ${[...api, ...granted.map((subject) => ({ subject, response: undefined }))]
        .map(
          (one) =>
            `{ service: "${one.subject}"${one.response !== undefined ? `, response: ${one.response}` : ""} }`,
        )
        .join("\n      ")}
    ]
    imports: [{ service: { account: MEMBERS, subject: "muster.member.>" } }]
  }
  MEMBERS {
    users: [{
      user: member, password: member
      permissions {
        publish: [${quoted([...api.map(({ subject }) => remapped(subject)), ...granted])}]
        subscribe: ["_INBOX.>", "muster.member.S.g.>"]
        allow_responses: true
      }
    }]
    imports: [
      ${api.map(({ subject }) => `{ service: { account: OWNER, subject: "${subject}" }, to: "${remapped(subject)}" }`).join("\n      ")}
      ${granted.map((subject) => `{ service: { account: OWNER, subject: "${subject}" } }`).join("\n      ")}
    ]
    exports: [{ service: "muster.member.>" }]
  }
}`;
