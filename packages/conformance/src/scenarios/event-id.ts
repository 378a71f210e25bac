// How an event is known, and that no name of a publisher's makes trouble.
import { has, same } from "../expect.ts";
import { order } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

const body = JSON.stringify(order("o-1"));

export const eventId: Scenario[] = [
  scenario("event-id-header", "MSG-2", "the event id is the header, before the message id", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    await group.send({ eventId: "own", headers: { "Nats-Msg-Id": "m-1" } });
    has("the row", await group.settled("own", "done"), { event_id: "own", result: { event_id: "own" } });
    same("a row of the message id", await group.row("m-1"), undefined);
  }),

  scenario(
    "event-id-msg-id",
    "MSG-2 MSG-1",
    "without the header it is the message id; an empty one is none",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({ headers: { "Nats-Msg-Id": "m-1" } });
      has("the row", await group.settled("m-1", "done"), { event_id: "m-1" });
      await group.send({ eventId: "", body, headers: { "Nats-Msg-Id": "m-2" } });
      has("the row", await group.settled("m-2", "done"), { event_id: "m-2" });
    },
  ),

  scenario(
    "event-id-place",
    "MSG-2",
    "without both it is the place in the stream and its store time",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const { seq } = await group.send({ directive: "permanent" });
      const [letter] = await group.died();
      const storeTime = letter?.headers["Muster-Dlq-Store-Time"];
      const id = `${group.stream}.${seq}.${storeTime}`;
      same("the event id", letter?.headers["Muster-Dlq-Event-Id"], id);
      has("the row", await group.row(id), { status: "dead", sequence: seq, store_time: storeTime });
    },
  ),

  scenario(
    "event-id-odd",
    "MSG-2 LEDGER-5",
    "an id with dots, stars, spaces and 300 characters is an ordinary one",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const id = `a.*> ${"x y.".repeat(74)}!`;
      await group.send({ eventId: `${id}.created`, body: JSON.stringify(order(id)) });
      has("the row", await group.settled(`${id}.created`, "done"), { event_id: `${id}.created` });
    },
  ),

  scenario(
    "event-id-text",
    "MSG-2 DLQ-8",
    "an id beyond ASCII is known by its header text, whole",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const id = `très-${"x".repeat(2000)}`;
      await group.send({ eventId: id, body });
      const known = id.replace("è", "\\u00e8");
      has("the row", await group.settled(known, "done"), { event_id: known });
    },
  ),
];
