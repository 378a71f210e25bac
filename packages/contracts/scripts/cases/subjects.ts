/** Subjects, keys, ids and ack replies. */
import { sha256, type Vectors } from "./write.ts";

const call = (
  fn: string,
  args: unknown[],
  result: string,
  name = `${fn} ${args.map((a) => JSON.stringify(a)).join(" ")}`,
) => ({
  name,
  fn,
  args,
  result,
});

export const subjectVectors: Vectors = {
  description:
    "fn replay(stream, group, original), strip(stream, group, subject), dlq and archive(stream, group, reason), member(stream, group, member, command)",
  cases: [
    call("replay", ["ORDERS", "billing", "orders.created"], "muster.replay.ORDERS.billing.orders.created"),
    call("replay", ["A-1", "g_2", "a"], "muster.replay.A-1.g_2.a"),
    call("strip", ["ORDERS", "billing", "muster.replay.ORDERS.billing.orders.created"], "orders.created"),
    call("strip", ["ORDERS", "billing", "orders.created"], "orders.created"),
    call(
      "strip",
      ["ORDERS", "billing", "muster.replay.ORDERS.audit.orders.created"],
      "muster.replay.ORDERS.audit.orders.created",
      "another group's prefix stays",
    ),
    call(
      "strip",
      ["ORDERS", "billing", "muster.replay.OTHER.billing.orders.created"],
      "muster.replay.OTHER.billing.orders.created",
      "another stream's prefix stays",
    ),
    call(
      "strip",
      ["ORDERS", "billing", "muster.replay.ORDERS.billing2.orders.created"],
      "muster.replay.ORDERS.billing2.orders.created",
      "a group that begins alike is another group",
    ),
    call(
      "strip",
      ["ORDERS", "billing", "muster.replay.ORDERS.billing"],
      "muster.replay.ORDERS.billing",
      "nothing behind the prefix",
    ),
    call(
      "strip",
      ["ORDERS", "billing", "x.muster.replay.ORDERS.billing.orders.created"],
      "x.muster.replay.ORDERS.billing.orders.created",
      "the prefix in the middle stays",
    ),
    call(
      "strip",
      ["ORDERS", "billing", "MUSTER.replay.ORDERS.billing.orders.created"],
      "MUSTER.replay.ORDERS.billing.orders.created",
      "upper case is another subject",
    ),
    call(
      "strip",
      ["ORDERS", "billing", "muster.replay.ORDERS.billing.muster.replay.ORDERS.billing.a"],
      "muster.replay.ORDERS.billing.a",
      "the prefix twice is taken off once",
    ),
    call("dlq", ["ORDERS", "billing", "crash_loop"], "muster.dlq.ORDERS.billing.crash_loop"),
    call("dlq", ["A-1", "g_2", "invalid"], "muster.dlq.A-1.g_2.invalid"),
    call("archive", ["ORDERS", "billing", "permanent"], "muster.archive.ORDERS.billing.permanent"),
    call("member", ["ORDERS", "billing", "host-12", "drain"], "muster.member.ORDERS.billing.host-12.drain"),
  ],
};

export const keyVectors: Vectors = {
  description:
    "fn group(stream, group), member(stream, group, member), attempts(stream, group, seq), ledger(stream, group, event id)",
  cases: [
    call("group", ["ORDERS", "billing"], "ORDERS.billing"),
    call("member", ["ORDERS", "billing", "host-12"], "ORDERS.billing.host-12"),
    call("attempts", ["ORDERS", "billing", 1], "ORDERS.billing.1"),
    call("attempts", ["ORDERS", "billing", 9007199254740991], "ORDERS.billing.9007199254740991"),
    // echo -n o-1.created | sha256sum
    call("ledger", ["ORDERS", "billing", "o-1.created"], `ORDERS.billing.${sha256("o-1.created")}`),
    call("ledger", ["ORDERS", "audit", "o-1.created"], `ORDERS.audit.${sha256("o-1.created")}`),
    call("ledger", ["ORDERS", "billing", "a.*.> b"], `ORDERS.billing.${sha256("a.*.> b")}`),
    call(
      "ledger",
      ["ORDERS", "billing", "x".repeat(2000)],
      `ORDERS.billing.${sha256("x".repeat(2000))}`,
      "ledger of a long event id",
    ),
    call(
      "ledger",
      ["ORDERS", "billing", "ü😀"],
      `ORDERS.billing.${sha256("ü😀")}`,
      "an event id is hashed as UTF-8",
    ),
    call(
      "ledger",
      ["ORDERS", "billing", "abc"],
      "ORDERS.billing.ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "the hash of the standard's example",
    ),
  ],
};

const event = (name: string, headers: Record<string, string>, result: string, seq = 42) => ({
  name,
  fn: "event_id",
  headers,
  stream: "ORDERS",
  seq,
  store_time: "1767323045123456789",
  result,
});

export const idVectors: Vectors = {
  description:
    "fn event_id (of headers, stream, seq, store_time), dead_letter_id(group, event id, seq, store time), replay_msg_id(dead letter id)",
  cases: [
    event("its own header", { "Muster-Event-Id": "o-1.created" }, "o-1.created"),
    event("its own header before the message id", { "Nats-Msg-Id": "m", "Muster-Event-Id": "e" }, "e"),
    event("the message id", { "Nats-Msg-Id": "m-1" }, "m-1"),
    event("an empty header is absent", { "Muster-Event-Id": "", "Nats-Msg-Id": "m-1" }, "m-1"),
    event("a header of spaces is absent", { "Muster-Event-Id": "  ", "Nats-Msg-Id": "m-1" }, "m-1"),
    event("both empty", { "Muster-Event-Id": "", "Nats-Msg-Id": "" }, "ORDERS.42.1767323045123456789"),
    event("no headers", {}, "ORDERS.42.1767323045123456789"),
    event(
      "headers are case-sensitive",
      { "muster-event-id": "e", "NATS-MSG-ID": "m" },
      "ORDERS.42.1767323045123456789",
    ),
    event("a large sequence", {}, "ORDERS.9007199254740991.1767323045123456789", 9007199254740991),
    event(
      "spaces around are trimmed, those inside stay",
      { "Muster-Event-Id": "  o 1.created " },
      "o 1.created",
    ),
    event("dots, stars and 300 characters", { "Muster-Event-Id": "a.*>".repeat(75) }, "a.*>".repeat(75)),
    event("2,000 characters are not cut", { "Muster-Event-Id": "x".repeat(2000) }, "x".repeat(2000)),
    event(
      "beyond ASCII: in the text form that a dead letter's headers keep",
      { "Muster-Event-Id": "ü😀" },
      "\\u00fc\\ud83d\\ude00",
    ),
    event(
      "that text form stays as it is, so a replay is the same event",
      { "Muster-Event-Id": "\\u00fc\\ud83d\\ude00" },
      "\\u00fc\\ud83d\\ude00",
    ),
    event("a message id beyond ASCII", { "Nats-Msg-Id": "é\t1" }, "\\u00e9\\u00091"),
    call(
      "dead_letter_id",
      ["billing", "o-1.created", 42, "1767323045123456789"],
      `dl.billing.${sha256("o-1.created").slice(0, 24)}.42.1767323045123456789`,
    ),
    call(
      "dead_letter_id",
      ["audit", "o-1.created", 42, "1767323045123456789"],
      `dl.audit.${sha256("o-1.created").slice(0, 24)}.42.1767323045123456789`,
    ),
    call(
      "dead_letter_id",
      ["billing", "o-1.created", 42, "1767323045123456790"],
      `dl.billing.${sha256("o-1.created").slice(0, 24)}.42.1767323045123456790`,
      "the same event at the same sequence of a stream made again is another dead letter",
    ),
    call("dead_letter_id", ["billing", "abc", 1, "1"], "dl.billing.ba7816bf8f01cfea414140de.1.1"),
    call(
      "replay_msg_id",
      ["dl.billing.ba7816bf8f01cfea414140de.1.1"],
      "replay.dl.billing.ba7816bf8f01cfea414140de.1.1",
    ),
  ],
};

const read = (delivered: number, seq: number, storeTime: string, pending: number) => ({
  stream: "ORDERS",
  consumer: "billing",
  delivered,
  seq,
  store_time: storeTime,
  pending,
});

const reply = (name: string, subject: string, result: unknown) => ({ name, subject, result });

export const replyVectors: Vectors = {
  description: "what an ack reply subject says; null: it is none. store_time is text",
  cases: [
    reply(
      "nine tokens",
      "$JS.ACK.ORDERS.billing.1.42.7.1767323045123456789.99",
      read(1, 42, "1767323045123456789", 99),
    ),
    reply(
      "delivered again",
      "$JS.ACK.ORDERS.billing.30.42.7.1767323045123456789.0",
      read(30, 42, "1767323045123456789", 0),
    ),
    reply(
      "a sequence of 16 digits",
      "$JS.ACK.ORDERS.billing.1.9007199254740991.7.1.0",
      read(1, 9007199254740991, "1", 0),
    ),
    reply(
      "eleven tokens: domain and account",
      "$JS.ACK._.ACCT.ORDERS.billing.2.42.7.1767323045123456789.99",
      read(2, 42, "1767323045123456789", 99),
    ),
    reply(
      "twelve tokens: one more at the end",
      "$JS.ACK.hub.ACCT.ORDERS.billing.2.42.7.1767323045123456789.99.rnd",
      read(2, 42, "1767323045123456789", 99),
    ),
    reply(
      "fourteen tokens",
      "$JS.ACK.hub.ACCT.ORDERS.billing.2.42.7.1767323045123456789.99.a.b.c",
      read(2, 42, "1767323045123456789", 99),
    ),
    reply(
      "an account and a stream that look like numbers",
      "$JS.ACK.1.2.ORDERS.billing.2.42.7.3.99",
      read(2, 42, "3", 99),
    ),
    reply("ten tokens", "$JS.ACK.ORDERS.billing.1.42.7.1767323045123456789.99.x", null),
    reply("eight tokens", "$JS.ACK.ORDERS.billing.1.42.7.1767323045123456789", null),
    reply("nothing", "", null),
    reply("an inbox", "_INBOX.abc.1", null),
    reply("another root of nine tokens", "$JS.NAK.ORDERS.billing.1.42.7.1767323045123456789.99", null),
    reply("lower case", "$js.ack.ORDERS.billing.1.42.7.1767323045123456789.99", null),
    reply("a count that is no number", "$JS.ACK.ORDERS.billing.x.42.7.1767323045123456789.99", null),
    reply("an empty sequence", "$JS.ACK.ORDERS.billing.1..7.1767323045123456789.99", null),
    reply("a negative pending count", "$JS.ACK.ORDERS.billing.1.42.7.1767323045123456789.-1", null),
    reply("a store time with an exponent", "$JS.ACK.ORDERS.billing.1.42.7.1e18.99", null),
    reply("a store time in other digits", "$JS.ACK.ORDERS.billing.1.42.7.１.99", null),
    reply("an empty stream", "$JS.ACK..billing.1.42.7.1767323045123456789.99", null),
  ],
};
