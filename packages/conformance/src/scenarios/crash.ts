// A process that dies: what it had in hand, and the message that kills it every time.
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import { type Accepted, accountOf, closed } from "../lab/account.ts";
import type { Group } from "../lab/group.ts";
import type { Lab } from "../lab/lab.ts";
import { order } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

// The first message is the one killed at; the four neighbours are in hand when it happens.
const kills = [
  { step: "received", requirements: "ADMIT-8", directive: "return", done: 5, dead: {}, ends: "ack" },
  { step: "row_done", requirements: "SETTLE-1 LOOK-3", directive: "return", done: 5, dead: {}, ends: "ack" },
  {
    step: "row_dead",
    requirements: "SETTLE-10 LOOK-5",
    directive: "permanent;text=no",
    done: 4,
    dead: { permanent: 1 },
    ends: "term",
  },
  {
    step: "dead_lettered",
    requirements: "DLQ-15 LOOK-5",
    directive: "permanent;text=no",
    done: 4,
    dead: { permanent: 1 },
    ends: "term",
  },
  {
    step: "attempt_recorded",
    requirements: "SETTLE-5",
    directive: "retryable;times=1",
    done: 5,
    dead: {},
    ends: "ack",
  },
] as const;

const neighbours = 120;

export const crash: Scenario[] = [
  ...kills.map(({ step, requirements, ...kill }) =>
    scenario(
      `crash-at-${step.replace("_", "-")}`,
      `${requirements} CONF-13`,
      `a kill at ${step} with neighbours in hand: the next member finishes, and the account closes`,
      async (lab) => {
        const group = await lab.group({ concurrency: 5, ack_wait_ms: 3000 });
        const tap = await lab.tap(group);
        const accepted: Accepted[] = [];
        for (let n = 0; n < 5; n++) {
          const eventId = `e.${n}`;
          const body = Buffer.from(JSON.stringify(order(eventId)));
          // Neighbours that take a moment are still in hand when the first one reaches the step.
          const directive = n === 0 ? kill.directive : "block;ms=150";
          const { seq } = await group.send({ eventId, body, directive });
          accepted.push({ seq, eventId, body });
        }
        const first = lab.join(group, { MUSTER_CONFORMANCE_KILL_AT: step });
        same("the end of the first member", await first.ended(), { code: null, signal: "SIGKILL" });
        await lab.nc.flush();
        same("what was said before the kill", tap.story(1), "");

        const second = lab.join(group);
        await group.quiet();
        has("the account", await accountOf(group, accepted), {
          ...closed,
          published: 5,
          done: kill.done,
          dead_by_reason: kill.dead,
        });
        same("messages left", await group.left(), 0);
        same("what was said of it", tap.story(1), `${kill.ends} 2`);
        const statuses = (await group.rowHistory("e.0")).map(({ status }) => status);
        same("revisions of its row", statuses, [kill.ends === "ack" ? "done" : "dead"]);
        const errors = (await group.deadLetters()).map(({ headers }) => headers["Muster-Dlq-Error"]);
        same("dead letters", errors, kill.ends === "ack" ? [] : ["no"]);
        await waitFor("no attempts record", async () => (await group.attempts(1)) === undefined);
        second.signal("SIGTERM");
        same("the second member leaves in order", await second.ended(), { code: 0, signal: null });
      },
    ),
  ),

  scenario(
    "crash-loop",
    "ADMIT-8 ADMIT-2 DLQ-3 CONF-9",
    "a message that kills its process every time dies as crash_loop",
    async (lab) => {
      const group = await lab.group({ ack_wait_ms: 3000 });
      const { seq } = await group.send({ eventId: "poison", directive: "exit" });
      // One crash in the first delivery leaves no record; then as many as the spec allows attempts.
      same("crashes", await crashUntilDead(lab, group), 1 + group.spec.retry.max_attempts);
      const [letter] = await group.died();
      has("the dead letter", letter?.headers, {
        "Muster-Dlq-Reason": "crash_loop",
        "Muster-Dlq-Seq": String(seq),
      });
      const history = JSON.parse(letter?.headers["Muster-Dlq-History"] ?? "[]") as { outcome: string }[];
      same(
        "its history",
        history.map(({ outcome }) => outcome),
        ["started", "started", "started"],
      );
    },
  ),

  scenario(
    "crash-neighbours",
    "ADMIT-4",
    "a message that kills its process takes none of 120 neighbours with it",
    async (lab) => {
      const group = await lab.group({ concurrency: 150, ack_wait_ms: 3000 });
      // Each neighbour takes a moment, so that more than a hundred are in flight when the process dies.
      for (let n = 0; n < neighbours; n++) {
        await group.send({ eventId: `n-${n}`, directive: "block;ms=30" });
        if (n === neighbours / 2) await group.send({ eventId: "poison", directive: "exit" });
      }
      await crashUntilDead(lab, group);
      await group.quiet();
      const letters = (await group.deadLetters()).map(({ headers }) => headers["Muster-Dlq-Event-Id"]);
      same("dead letters", letters, ["poison"]);
      for (let n = 0; n < neighbours; n++) {
        const rows = (await group.rowHistory(`n-${n}`)).map((row) => `${row.status} ${row.sequence}`);
        same(`rows of neighbour ${n}`, new Set(rows).size, 1);
        holds(`neighbour ${n} is done`, rows[0]?.startsWith("done") === true, rows);
      }
      await waitFor("an empty stream", async () => (await group.left()) === 0);
    },
    { timeoutMs: 120_000 },
  ),

  scenario(
    "crash-hundred",
    "ADMIT-8 RUN-1",
    "a process dies with 120 messages in hand, and all come back",
    async (lab) => {
      const group = await lab.group({ concurrency: 130 });
      for (let n = 0; n < 120; n++) await group.send({ eventId: `n.${n}`, directive: "block;ms=2000" });
      await group.send({ eventId: "poison", directive: "exit" });
      const member = lab.join(group);
      same("its end", (await member.ended()).signal, "SIGKILL");
      const { num_ack_pending } = await group.consumer();
      holds("in hand when it died", num_ack_pending >= 100, num_ack_pending);
      same("messages left", await group.left(), 121);
    },
  ),
];

/** Starts one member after the other until the poison is dead; gives the number of crashes. */
async function crashUntilDead(lab: Lab, group: Group): Promise<number> {
  for (let crashes = 0; ; crashes++) {
    holds("the poison ends in bounded time", crashes < 8, `${crashes} crashes`);
    const member = lab.join(group);
    const died = member.ended().then(() => "died" as const);
    const settled = group.settled("poison", "dead").then(() => "settled" as const);
    settled.catch(() => undefined);
    if ((await Promise.race([died, settled])) === "settled") return crashes;
    same("the end of the member", (await member.ended()).signal, "SIGKILL");
  }
}
