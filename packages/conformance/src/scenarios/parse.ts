// Which messages reach the handler: the verdict on the body, and the contract it is held against.
import { jetstreamManager } from "@nats-io/jetstream";
import { bucketOf } from "../lab/bucket.ts";
import { buckets } from "@muster/contracts";
import { waitFor } from "../lab/wait.ts";
import { has, like, refused, same } from "../expect.ts";
import { order } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const withAmount = (amount: string): Uint8Array =>
  text(JSON.stringify(order("a")).replace('"amount":10', `"amount":${amount}`));

/** Bodies that no contract accepts, and the error each is to die with. */
const bodies: [code: string, requirement: number, what: string, body: Uint8Array, error: RegExp][] = [
  ["empty", 3, "an empty payload", new Uint8Array(), /^empty payload$/],
  [
    "bom",
    4,
    "a byte order mark",
    Buffer.concat([Uint8Array.of(0xef, 0xbb, 0xbf), withAmount("1")]),
    /^byte order mark$/,
  ],
  ["utf8", 5, "bytes that are not UTF-8", Uint8Array.of(0x22, 0xff, 0xfe, 0x22), /^not UTF-8$/],
  ["depth", 6, "100,000 nested brackets", text("[".repeat(100_000)), /^nested deeper than 64$/],
  ["json", 7, "what is not JSON", text("{order"), /^not JSON$/],
  ["nan", 7, "the number NaN", withAmount("NaN"), /^not JSON$/],
  ["number", 8, "the number 1e400", withAmount("1e400"), /^number beyond a double$/],
  ["surrogate", 9, "a lone surrogate", withAmount('"\\ud800"'), /^lone surrogate$/],
  ["schema", 10, "an order without its fields", text('{"id":"a"}'), /^does not match order\.v1 at \/$/],
  ["large", 10, "a string of 900 KB", text(`"${"x".repeat(900_000)}"`), /^does not match order\.v1 at \/$/],
];

export const parse: Scenario[] = [
  ...bodies.map(([code, requirement, what, body, error]) =>
    scenario(
      `parse-${code}`,
      `PARSE-${requirement}`,
      `${what}: dead as invalid with its bytes, and the worker lives`,
      async (lab) => {
        const group = await lab.group();
        lab.join(group);
        const { seq } = await group.send({ eventId: "bad", body });
        const [letter] = await group.died();
        has("the dead letter", letter?.headers, {
          "Muster-Dlq-Reason": "invalid",
          "Muster-Dlq-Error-Class": "InvalidMessage",
          "Muster-Dlq-Seq": String(seq),
        });
        like("its error", letter?.headers["Muster-Dlq-Error"], error);
        same("its bytes are the message's", Buffer.from(letter?.body ?? []).equals(body), true);
        has("the row", await group.settled("bad", "dead"), { reason: "invalid", sequence: seq });
        await group.send({ eventId: "after" });
        await group.settled("after", "done");
      },
    ),
  ),

  scenario("parse-last-key", "PARSE-13", "of a key given twice the last value counts", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    const twice = (first: string, last: string): string =>
      JSON.stringify(order("a")).replace('"amount":10', `"amount":${first},"amount":${last}`);
    await group.send({ eventId: "good-last", body: twice('"no number"', "10") });
    await group.send({ eventId: "bad-last", body: twice("10", '"no number"') });
    await group.settled("good-last", "done");
    has("the other", await group.settled("bad-last", "dead"), { reason: "invalid" });
  }),

  ...(
    [
      ["hidden-number", '"amount":1e400,"amount":10', "number beyond a double"],
      ["hidden-surrogate", '"amount":"\\ud800","amount":10', "lone surrogate"],
      ["number-first", '"amount":"\\ud800","amount":1e400', "number beyond a double"],
    ] as const
  ).map(([name, amounts, error]) =>
    scenario(`parse-${name}`, "PARSE-12", `${amounts} dies as ${error}`, async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({
        eventId: "bad",
        body: JSON.stringify(order("a")).replace('"amount":10', amounts),
      });
      const [letter] = await group.died();
      same("the error", letter?.headers["Muster-Dlq-Error"], error);
    }),
  ),

  scenario("parse-depth-text", "PARSE-11", "brackets inside strings are no depth", async (lab) => {
    const contracts = await bucketOf(lab.nc, buckets.contracts);
    await contracts.put("depth.v1", "{}");
    const group = await lab.group({ contracts: ["depth.v1"] });
    lab.join(group);
    await group.send({ eventId: "text", body: JSON.stringify(["[".repeat(100), '\\"[[']) });
    await group.send({ eventId: "64", body: "[".repeat(64) + "]".repeat(64) });
    await group.send({ eventId: "65", body: "[".repeat(65) + "]".repeat(65) });
    await group.settled("text", "done");
    await group.settled("64", "done");
    has("one deeper", await group.settled("65", "dead"), { reason: "invalid" });
  }),

  scenario("parse-large-valid", "PARSE-10", "a valid order of 900 KB is done", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    await group.send({ eventId: "large", body: JSON.stringify(order("large")) + " ".repeat(900_000) });
    await group.settled("large", "done");
    same("dead letters", await group.deadLetters(), []);
  }),

  scenario("parse-largest", "DLQ-2 STORE-4", "a message at the stream's limit dies whole", async (lab) => {
    const group = await lab.group();
    const manager = await jetstreamManager(lab.nc);
    const { config } = await manager.streams.info(group.stream);
    const most = config.max_msg_size - "NATS/1.0\r\nMuster-Event-Id: big.1\r\n\r\n".length;
    const send = (size: number) => group.send({ eventId: "big.1", body: new Uint8Array(size).fill(0x20) });
    await refused("one byte more", send(most + 1), /size exceeds|maximum/i);
    await send(most);
    lab.join(group);
    const [letter] = await group.died();
    same("bytes of the dead letter", letter?.body.length, most);
  }),

  scenario("contract-default", "MSG-3", "without a header the spec's first contract counts", async (lab) => {
    const contracts = await bucketOf(lab.nc, buckets.contracts);
    await contracts.put("anything.v1", "{}");
    const group = await lab.group({ contracts: ["anything.v1", "order.v1"] });
    lab.join(group);
    await group.send({ eventId: "first", body: "[]" });
    await group.send({ eventId: "named", body: "[]", headers: { "Muster-Contract": "order.v1" } });
    await group.settled("first", "done");
    has("the named one", await group.settled("named", "dead"), { reason: "invalid" });
  }),

  scenario(
    "contract-not-accepted",
    "PARSE-1",
    "a contract that the spec does not accept is dead, by name",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({ eventId: "e.1", headers: { "Muster-Contract": "invoice.v9" } });
      has("the row", await group.settled("e.1", "dead"), { reason: "unknown_contract" });
      const [letter] = await group.died();
      has("the dead letter", letter?.headers, {
        "Muster-Dlq-Error-Class": "UnknownContract",
        "Muster-Dlq-Error": "unknown contract invoice.v9",
        "Muster-Dlq-Contract": "invoice.v9",
      });
    },
  ),

  scenario(
    "contract-missing",
    "PARSE-2",
    "an accepted contract that cannot be had: given back, uncounted",
    async (lab) => {
      const contracts = await bucketOf(lab.nc, buckets.contracts);
      const group = await lab.group({ contracts: ["order.v1", "late.v1"] });
      const tap = await lab.tap(group);
      const member = lab.join(group);
      await member.joined();
      const { seq } = await group.send({
        eventId: "e.1",
        headers: { "Muster-Contract": "late.v1" },
        body: "[]",
      });
      await tap.tells(seq, "nak 1");
      same("the attempts record", await group.attempts(seq), undefined);
      same("its delay", tap.of(seq).find(({ kind }) => kind === "nak")?.delayMs, 5000);
      await contracts.put("late.v1", "{}");
      await group.settled("e.1", "done");
    },
  ),

  scenario(
    "contract-changed",
    "SPEC-10 SPEC-1",
    "a contract that changes in flight holds for the next message",
    async (lab) => {
      const contracts = await bucketOf(lab.nc, buckets.contracts);
      await contracts.put("growing.v1", JSON.stringify({ type: "object", required: ["new"] }));
      const group = await lab.group({ contracts: ["growing.v1"] });
      lab.join(group);
      await group.send({ eventId: "before", body: '{"old":1}' });
      has("the old one", await group.settled("before", "dead"), { reason: "invalid" });
      await contracts.put("growing.v1", JSON.stringify({ type: "object", required: ["old"] }));
      let tries = 0;
      await waitFor("an old one to be done", async () => {
        tries += 1;
        await group.send({ eventId: `after.${tries}`, body: '{"old":1}' });
        return (await group.ended(`after.${tries}`)).status === "done";
      });
    },
  ),

  scenario(
    "contract-bad",
    "PARSE-14",
    "what is no JSON Schema does not replace a loaded contract",
    async (lab) => {
      const contracts = await bucketOf(lab.nc, buckets.contracts);
      await contracts.put("broken.v1", JSON.stringify({ type: "object", required: ["a"] }));
      const group = await lab.group({ contracts: ["broken.v1"] });
      const member = lab.join(group);
      await member.joined();
      await contracts.put("broken.v1", JSON.stringify({ type: "nonsense" }));
      await member.said(/"bad_contract"/);
      await member.beats(3);
      await group.send({ eventId: "good", body: '{"a":1}' });
      await group.send({ eventId: "bad", body: "{}" });
      await group.settled("good", "done");
      has("the other", await group.settled("bad", "dead"), { reason: "invalid" });
      same("said", member.lines.filter((line) => line.includes('"bad_contract"')).length, 1);
    },
  ),
];
