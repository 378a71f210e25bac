// A dead letter that comes back: to the group that failed it, as the message it was.
import { replayHeaders, replaySubject } from "@muster/contracts";
import { has, same } from "../expect.ts";
import type { DeadLetter, Group } from "../lab/group.ts";
import { publish } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

export const replay: Scenario[] = [
  scenario(
    "replay-subject",
    "MSG-5",
    "the handler sees the subject without the replay prefix",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({ eventId: "r.1", body: "{}" }, "some.subject");
      const [letter] = await group.died();
      const replayed = await send(group, letter, {
        body: '{"id":"r","customer":"c","amount":1,"status":"pending","created_at":"2026-01-01T00:00:00Z"}',
      });
      const row = await group.settled("r.1", "done");
      same("the sequence", row.sequence, replayed.seq);
      has("the result", row.result, { subject: group.subject("some.subject"), event_id: "r.1" });
    },
  ),

  scenario(
    "replay-directive",
    "CONF-2 REPLAY-1",
    "a directive for the first time only is done when replayed",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({ eventId: "r.1", directive: "permanent;replays=1" });
      const [letter] = await group.died();
      await send(group, letter);
      await group.settled("r.1", "done");
    },
  ),

  scenario(
    "replay-row",
    "LOOK-6 LEDGER-2",
    "a replay goes on over the dead row, and keeps its sequence",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const sent = await group.send({ eventId: "r.1", directive: "permanent" });
      const [letter] = await group.died();
      await send(group, letter, { directive: "return" });
      const row = await group.settled("r.1", "done");
      same("the sequences before", row.sequences, [sent.seq]);
      await group.quiet();
      same("dead letters", (await group.deadLetters()).length, 1);
    },
  ),

  scenario(
    "replay-number",
    "MSG-4 MSG-5",
    "a replay that dies again tells its number and the original subject",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({ eventId: "r.1", directive: "permanent" }, "some.subject");
      const [first] = await group.died();
      const replayed = await send(group, first);
      const [, second] = await group.died(2);
      has("the second dead letter", second?.headers, {
        "Muster-Dlq-Replay-Number": "1",
        "Muster-Dlq-Subject": group.subject("some.subject"),
        "Muster-Dlq-Event-Id": "r.1",
        "Muster-Dlq-Seq": String(replayed.seq),
      });
      has("the row", await group.row("r.1"), { status: "dead", sequence: replayed.seq });
    },
  ),

  scenario("replay-number-odd", "MSG-4", "a replay number that is none counts as 0", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    await group.send({ eventId: "r.1", directive: "permanent", headers: { "Muster-Replay-Number": "-1" } });
    const [letter] = await group.died();
    same("the number", letter?.headers["Muster-Dlq-Replay-Number"], "0");
  }),

  scenario("replay-nameless", "MSG-2", "a message that was known by its place keeps that id", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    const { seq } = await group.send({ directive: "permanent" });
    const [letter] = await group.died();
    const id = `${group.stream}.${seq}.${letter?.headers["Muster-Dlq-Store-Time"]}`;
    await send(group, letter, { directive: "return" });
    same("the sequences of its row", (await group.settled(id, "done")).sequences, [seq]);
  }),

  scenario("replay-one-prefix", "MSG-5", "one prefix of its own is taken off, and no other", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    const own = replaySubject(group.stream, "g", "a.b");
    const foreign = replaySubject(group.stream, "h", "a.b");
    for (const [n, inner] of [own, foreign].entries()) {
      await publish(lab.nc, replaySubject(group.stream, "g", inner), { eventId: `r.${n}` });
      has("the result", (await group.settled(`r.${n}`, "done")).result, { subject: inner });
    }
  }),

  scenario(
    "replay-one-group",
    "REPLAY-1 STORE-6",
    "on a shared stream the replay is seen by the group that failed, and by it alone",
    async (lab) => {
      const stream = "replay-one-group";
      // The first group fails what the second one takes: it accepts no contract of this name yet.
      const failing = await lab.group({
        stream,
        retention: "limits",
        group: "failing",
        contracts: ["other.v1"],
      });
      const other = await lab.group({ stream, retention: "limits", group: "other" });
      const first = lab.join(failing);
      lab.join(other);
      const named = { "Muster-Contract": "order.v1" };
      const sent = await failing.send({ eventId: "s.1", headers: named });
      const done = await other.settled("s.1", "done");
      const [letter] = await failing.died();
      same("dead letters of the other", await other.deadLetters(), []);

      await failing.change({ contracts: ["order.v1"] });
      await first.recorded("the live contract", ({ contracts }) => contracts.includes("order.v1"));
      const replayed = await send(failing, letter);
      const row = await failing.settled("s.1", "done");
      same("the sequence", row.sequence, replayed.seq);
      same("the sequences before", row.sequences, [sent.seq]);
      // A later event that both settle proves that the other group has passed the replay by.
      await failing.send({ eventId: "s.2", headers: named });
      await Promise.all([failing.settled("s.2", "done"), other.settled("s.2", "done")]);
      await other.quiet();
      same("the other's row", await other.row("s.1"), done);
    },
  ),
];

/** Sends a dead letter back to its group, as the control plane does. */
function send(
  group: Group,
  letter: DeadLetter | undefined,
  edit: { body?: string; directive?: string } = {},
): Promise<{ seq: number }> {
  const head = replayHeaders(letter?.headers ?? {});
  const subject = replaySubject(group.stream, group.group, letter?.headers["Muster-Dlq-Subject"] ?? "");
  if (edit.directive !== undefined) head["Muster-Conformance"] = edit.directive;
  return publish(group.nc, subject, { body: edit.body ?? letter?.body ?? "", headers: head });
}
