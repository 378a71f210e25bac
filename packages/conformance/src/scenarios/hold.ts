// What a member holds stays its own while it lives, and is no longer its own when it was away.
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import { countHeld } from "../lab/held.ts";
import { type Scenario, scenario } from "../scenario.ts";

const nobodyElse = { max_attempts: 5, backoff_ms: [60_000], jitter: 0 };

export const hold: Scenario[] = [
  scenario(
    "hold-running",
    "HOLD-2 HOLD-1 CONF-8",
    "a handler longer than ack_wait runs once",
    async (lab) => {
      const group = await lab.group({ concurrency: 1, ack_wait_ms: 3000 });
      const tap = await lab.tap(group);
      const { seq } = await group.send({ eventId: "long", directive: "block;ms=10000" });
      lab.join(group);
      await group.settled("long", "done");
      await group.quiet();
      await tap.tells(seq, "ack 1");
      const extensions = tap.of(seq).filter(({ kind }) => kind === "progress").length;
      holds("extended about every third of ack_wait", extensions >= 6, `${extensions} in 3.5 ack waits`);
    },
  ),

  scenario(
    "hold-waiting",
    "HOLD-1 HOLD-2",
    "what waits behind a long handler is extended too",
    async (lab) => {
      const group = await lab.group({ concurrency: 1, ack_wait_ms: 3000 });
      const tap = await lab.tap(group);
      const long = await group.send({ eventId: "long", directive: "block;ms=7000" });
      const behind = await group.send({ eventId: "behind" });
      lab.join(group);
      await group.settled("behind", "done");
      await group.quiet();
      same("what was said of both", [tap.story(long.seq), tap.story(behind.seq)], ["ack 1", "ack 1"]);
      same("deliveries", (await group.consumer()).delivered.consumer_seq, 2);
    },
  ),

  scenario("hold-bound", "PULL-2", "a member holds at most twice its concurrency", async (lab) => {
    const site = await lab.ownServer();
    const group = await lab.group({ on: site, concurrency: 3, ack_wait_ms: 30_000 });
    const held = await countHeld(site.nc, group);
    for (let n = 0; n < 20; n++) await group.send({ eventId: `h.${n}`, directive: "block;ms=250" });
    lab.join(group);
    await group.settled("h.19", "done");
    await group.quiet();
    holds("at most twice the concurrency of 3", held.most <= 6, held.most);
    holds("the next messages are at hand while three run", held.most > 3, held.most);
  }),

  scenario(
    "hold-resumed",
    "HOLD-11 HOLD-4",
    "a member that was stopped asks for nothing until it can tell again what is fresh",
    async (lab) => {
      const group = await lab.group({ ack_wait_ms: 4000, concurrency: 4 });
      const member = lab.join(group);
      await group.send({ eventId: "first" });
      await group.settled("first", "done");
      await member.stop();
      const stoppedAt = performance.now();
      const count = 1000;
      await Promise.all(Array.from({ length: count }, (_, n) => group.send({ eventId: `w.${n}` })));
      await waitFor("ack_wait to be over", () => performance.now() - stoppedAt > 5000);
      member.signal("SIGCONT");
      await group.quiet();
      // What its open requests brought meanwhile comes again; what it asked for afterwards does not.
      const again = (await group.consumer()).delivered.consumer_seq - count - 1;
      holds("what comes again is what waited for it", again <= 16, `${again} of ${count}`);
    },
  ),

  scenario(
    "hold-stalled-silent",
    "HOLD-6",
    "a member that was stopped for longer than ack_wait says nothing of what another one has",
    async (lab) => {
      const group = await lab.group({ ack_wait_ms: 3000, timeout_ms: 8000, retry: nobodyElse });
      const tap = await lab.tap(group);
      const { seq } = await group.send({ eventId: "s.1", directive: "hang" });
      const first = lab.join(group);
      await first.handling();
      await first.stop();
      lab.join(group);
      // The stopped member's last pull takes some redeliveries too, until it runs out: none is answered.
      const taken = await waitFor("the second member to have it", () =>
        tap.of(seq).find(({ delivered }) => delivered > 1),
      );
      const earlier = () => tap.of(seq).filter(({ delivered }) => delivered < taken.delivered);
      const said = earlier();
      // Its deadline passes when it wakes: it would record a failed attempt and give the message back.
      first.signal("SIGCONT");
      await waitFor("the second member's own deadline", () =>
        tap.story(seq).includes(`nak ${taken.delivered}`),
      );
      same("what was said of earlier deliveries", earlier(), said);
      same("what settled the message", tap.story(seq), `nak ${taken.delivered}`);
      has("the attempts record", await group.attempts(seq), {
        attempts: 1,
        delivery: taken.delivered,
        open: false,
      });
      first.signal("SIGTERM");
      same("it lives on, and leaves in order", await first.ended(), { code: 0, signal: null });
    },
  ),

  scenario(
    "hold-stalled-commit",
    "HOLD-6 HOLD-7",
    "a handler that ends after its member was stopped does not disturb who took over",
    async (lab) => {
      const group = await lab.group({ ack_wait_ms: 3000 });
      const first = lab.join(group);
      await group.send({ eventId: "s.1", directive: "block;ms=8000" });
      await first.handling();
      await first.stop();
      const second = lab.join(group);
      same("who settled it", (await group.settled("s.1", "done")).member, second.id);
      first.signal("SIGCONT");
      await group.send({ eventId: "s.2" });
      await group.settled("s.2", "done");
      first.signal("SIGTERM");
      same("it leaves in order", await first.ended(), { code: 0, signal: null });
      await group.quiet();
      same("revisions of the row", (await group.rowHistory("s.1")).length, 1);
      same("dead letters", await group.deadLetters(), []);
    },
  ),

  scenario(
    "hold-stalled-waiting",
    "HOLD-6 LEDGER-6",
    "what waited in a member that was stopped for longer than ack_wait is not started by it",
    async (lab) => {
      // Without a ledger nothing but the gap tells the first member that the message is another's.
      const group = await lab.group({ ack_wait_ms: 3000, concurrency: 1, ledger: "none" });
      const tap = await lab.tap(group);
      const running = await group.send({ eventId: "running", directive: "block;ms=6000" });
      const first = lab.join(group);
      await first.handling();
      const waiting = await group.send({ eventId: "waiting", directive: "exit;times=1" });
      await waitFor("both in hand", async () => (await group.consumer()).num_ack_pending === 2);
      await first.stop();
      // In the second member's hands it is the second attempt, which returns; in the first's, the first.
      await group.writeAttempts(waiting.seq, { attempts: 1, delivery: 1 });
      lab.join(group);
      await waitFor("the second member to be done with it", () => tap.story(waiting.seq).startsWith("ack"));
      first.signal("SIGCONT");
      await waitFor("the first member's own late ack", () => tap.story(running.seq).includes("ack 1"));
      first.signal("SIGTERM");
      same("the first member leaves in order", await first.ended(), { code: 0, signal: null });
      same("answers to its delivery", tap.story(waiting.seq).includes(" 1"), false);
    },
  ),

  scenario(
    "hold-stalled-socket",
    "HOLD-4",
    "what waited in the socket of a stopped member is not started by it",
    async (lab) => {
      const group = await lab.group({ ack_wait_ms: 3000, concurrency: 1, ledger: "none" });
      const tap = await lab.tap(group);
      const first = lab.join(group);
      await first.joined();
      await waitFor("its pull", async () => (await group.consumer()).num_waiting > 0);
      await first.stop();
      // In the second member's hands it is a later attempt, which returns; in the first's, the first.
      const { seq } = await group.send({ eventId: "s.1", directive: "exit;times=1" });
      await waitFor(
        "the server to have handed it out",
        async () => (await group.consumer()).num_ack_pending === 1,
      );
      await group.writeAttempts(seq, { attempts: 1, delivery: 1 });
      lab.join(group);
      await waitFor("the second member to be done with it", () => tap.story(seq).startsWith("ack"));
      first.signal("SIGCONT");
      await first.beats(2);
      first.signal("SIGTERM");
      same("the first member leaves in order", await first.ended(), { code: 0, signal: null });
    },
  ),
];
