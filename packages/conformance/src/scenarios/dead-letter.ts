// The dead letter: what it says, what it keeps of the message, and that there is one of it.
import { jetstreamManager } from "@nats-io/jetstream";
import { createVerdict, deadLetterId, fingerprint, protocolSchemas } from "@muster/contracts";
import { has, holds, like, refused, same } from "../expect.ts";
import { publishRaw } from "../lab/publish-raw.ts";
import { type Scenario, scenario } from "../scenario.ts";

export const deadLetter: Scenario[] = [
  scenario("dlq-facts", "DLQ-9", "the headers say what died, where, why, when and by whom", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group);
    const before = Date.now() - 1000;
    const { seq } = await group.send({ eventId: "f.1", directive: "permanent;text=no customer 4711" }, "a.b");
    const [letter] = await group.died();
    const row = await group.settled("f.1", "dead");
    const record = await member.record();
    const { headers = {}, subject } = letter ?? {};
    same("the subject", subject, `muster.dlq.${group.stream}.g.permanent`);
    has("the headers", headers, {
      "Muster-Dlq-Stream": group.stream,
      "Muster-Dlq-Seq": String(seq),
      "Muster-Dlq-Store-Time": row.store_time,
      "Muster-Dlq-Subject": group.subject("a.b"),
      "Muster-Dlq-Group": "g",
      "Muster-Dlq-Reason": "permanent",
      "Muster-Dlq-Error": "no customer 4711",
      "Muster-Dlq-Attempts": "1",
      "Muster-Dlq-Member": member.id,
      "Muster-Dlq-Language": record?.language,
      "Muster-Dlq-Version": record?.app_version,
      "Muster-Dlq-Contract": "order.v1",
      "Muster-Dlq-Event-Id": "f.1",
      "Muster-Dlq-Replay-Number": "0",
      "Muster-Dlq-Fingerprint": fingerprint("permanent", "no customer 4711"),
    });
    like("the error class", headers["Muster-Dlq-Error-Class"], /^\w+$/);
    const [first, last] = ["First-At", "Last-At"].map((name) =>
      Date.parse(headers[`Muster-Dlq-${name}`] ?? ""),
    );
    holds("its times", before <= (first ?? 0) && (first ?? 0) <= (last ?? 0), headers);
  }),

  scenario("dlq-schema", "DLQ-9", "the headers pass the published JSON Schema", async (lab) => {
    const group = await lab.group({ retry: { max_attempts: 2 } });
    lab.join(group);
    await group.send({ eventId: "s.1", directive: "retryable" });
    const [letter] = await group.died();
    const verdict = createVerdict("dead-letter-headers", protocolSchemas["dead-letter-headers"]);
    has("the verdict", verdict(Buffer.from(JSON.stringify(letter?.headers))), { ok: true });
  }),

  scenario("dlq-bytes", "DLQ-2", "the body is the message's, byte for byte", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    const bytes = Buffer.from(' {"b":1.0,\t"a":"\\u00e9 é",\r\n"a":2e0 } ');
    await group.send({ eventId: "b.1", body: bytes });
    const [letter] = await group.died();
    same("the body", Buffer.from(letter?.body ?? []).toString("hex"), bytes.toString("hex"));
  }),

  scenario(
    "dlq-row-headers",
    "LEDGER-3",
    "the dead row carries the header set of its dead letter",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({ eventId: "r.1", directive: "permanent", headers: { "X-Own": "kept" } });
      const [letter] = await group.died();
      same("the headers of the row", (await group.row("r.1"))?.headers, letter?.headers);
    },
  ),

  scenario(
    "dlq-id",
    "DLQ-10 DLQ-9",
    "the id is made of group, event, sequence and store time",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const { seq } = await group.send({ eventId: "i.1", directive: "permanent" });
      const [letter] = await group.died();
      const storeTime = letter?.headers["Muster-Dlq-Store-Time"] ?? "";
      const id = deadLetterId("g", "i.1", seq, storeTime);
      has("the headers", letter?.headers, { "Muster-Dlq-Id": id, "Nats-Msg-Id": id });
    },
  ),

  scenario("dlq-history", "DLQ-9 ATTEMPT-1", "the history of all attempts goes with it", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group);
    await group.send({ eventId: "h.1", directive: "retryable;text=não" });
    const [letter] = await group.died();
    const json = letter?.headers["Muster-Dlq-History"] ?? "[]";
    like("the history is ASCII", json, /^[\x20-\x7e]*$/);
    const history = JSON.parse(json) as Record<string, unknown>[];
    same(
      "attempts",
      history.map((entry) => entry["attempt"]),
      [1, 2, 3],
    );
    for (const entry of history)
      has("an entry", entry, { outcome: "failed", member: member.id, error: "n\\u00e3o" });
  }),

  scenario("dlq-own-headers", "DLQ-7 VERSION-6", "the message's own headers are kept", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    const headers = { "X-Own": "kept", "x-own": "apart", "X-Empty": "", "Muster-Later": "own" };
    await group.send({ eventId: "o.1", directive: "permanent", headers });
    const [letter] = await group.died();
    has("the headers", letter?.headers, {
      "X-Own": "kept",
      "x-own": "apart",
      "Muster-Later": "own",
      "Muster-Event-Id": "o.1",
    });
  }),

  scenario(
    "dlq-nats-headers",
    "DLQ-5",
    "headers that the server would obey are renamed, in any case",
    async (lab) => {
      const group = await lab.group();
      const manager = await jetstreamManager(lab.nc);
      const { config } = await manager.streams.info(group.stream);
      await manager.streams.update(group.stream, { ...config, allow_rollup_hdrs: true });
      lab.join(group);
      await group.send({ eventId: "h.0", directive: "permanent" });
      await group.died();
      const headers = { "Nats-Expected-Stream": group.stream, "Nats-Rollup": "sub", "nats-own": "lower" };
      await group.send({ eventId: "h.1", directive: "permanent", headers }, "rolled");
      const elsewhere = { headers: { "Nats-Expected-Stream": "elsewhere" } };
      await refused("one for another stream", group.send(elsewhere), /expected stream does not match/i);
      const letters = await group.died(2);
      const ids = letters.map((letter) => letter.headers["Muster-Dlq-Event-Id"]);
      same("nothing was purged", ids, ["h.0", "h.1"]);
      has("the headers", letters[1]?.headers, {
        "Muster-Original-Nats-Expected-Stream": group.stream,
        "Muster-Original-Nats-Rollup": "sub",
        "Muster-Original-nats-own": "lower",
      });
      const names = Object.keys(letters[1]?.headers ?? {}).filter((name) => /^nats-/i.test(name));
      same("headers that begin with Nats-", names, ["Nats-Msg-Id"]);
    },
  ),

  scenario("dlq-forged", "DLQ-4", "forged dead-letter headers are dropped", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    const forged = { "Muster-Dlq-Reason": "forged", "muster-dlq-own": "x", "Muster-Dlq-Extra": "y" };
    await group.send({ eventId: "f.1", directive: "permanent", headers: forged });
    const [letter] = await group.died();
    same("the reason", letter?.headers["Muster-Dlq-Reason"], "permanent");
    const names = Object.keys(letter?.headers ?? {});
    same(
      "forged names",
      names.filter((name) => /^muster-dlq-(own|extra)$/i.test(name)),
      [],
    );
  }),

  scenario(
    "dlq-twice-given",
    "MSG-1 WIRE-4",
    "of a header given twice the last wins, also in the dead letter",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const head = "NATS/1.0\r\nMuster-Event-Id: one\r\nMuster-Event-Id: two\r\nX-Own: a\r\nX-Own: b\r\n\r\n";
      await publishRaw(lab.url, group.subject(), head, "{}");
      const [letter] = await group.died();
      has("the headers", letter?.headers, { "Muster-Dlq-Event-Id": "two", "X-Own": "b" });
      has("the row", await group.row("two"), { reason: "invalid" });
      same("a row of the other id", await group.row("one"), undefined);
    },
  ),

  scenario("dlq-text", "DLQ-8", "our own texts are escaped and cut", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    await group.send({ eventId: "t.1", directive: `permanent;text=très mal ${"x".repeat(2000)}` });
    const [letter] = await group.died();
    const error = letter?.headers["Muster-Dlq-Error"] ?? "";
    like("the error", error, /^tr\\u00e8s mal x+$/);
    same("its length", error.length, 1024);
  }),

  scenario(
    "dlq-odd-names",
    "DLQ-6 WIRE-4",
    "a header whose name no client would publish is dropped",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const head =
        "NATS/1.0\r\nMuster-Event-Id: n.1\r\nX Space: a\r\nA/b(c): d\r\nx_!#$%&'*+-.^`|~09: e\r\nX-Own: b\r\n\r\n";
      await publishRaw(lab.url, group.subject(), head, "{}");
      const [letter] = await group.died();
      has("kept", letter?.headers, { "X-Own": "b", "x_!#$%&'*+-.^`|~09": "e" });
      for (const odd of ["X Space", "A/b(c)"]) same(odd, letter?.headers[odd], undefined);
    },
  ),

  scenario(
    "dlq-fits",
    "DLQ-13",
    "headers that do not fit: the largest original ones go, ours stay",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const headers = { "X-Small": "kept", "X-Large": "l".repeat(64_600), "X-Middle": "m".repeat(500) };
      await group.send({ eventId: "l.1", directive: "permanent", headers });
      const [letter] = await group.died();
      same("the largest", letter?.headers["X-Large"], undefined);
      has("the others", letter?.headers, {
        "X-Small": "kept",
        "X-Middle": headers["X-Middle"],
        "Muster-Dlq-Event-Id": "l.1",
      });
    },
  ),

  scenario(
    "dlq-collapse",
    "DLQ-10",
    "a dead letter that is published twice is in the stream once",
    async (lab) => {
      const group = await lab.group({ ack_wait_ms: 2000 });
      const tap = await lab.tap(group);
      const { seq } = await group.send({ eventId: "c.1", directive: "permanent" });
      const first = lab.join(group, { MUSTER_CONFORMANCE_KILL_AT: "dead_lettered" });
      await first.ended();
      lab.join(group);
      await tap.tells(seq, "term 2");
      const letters = tap.order({ seq, eventId: "c.1" }).filter((step) => step === "letter");
      same("published", letters.length, 2);
      same("in the stream", (await group.deadLetters()).length, 1);
    },
  ),

  scenario(
    "dlq-fingerprint",
    "DLQ-11",
    "errors that differ in numbers and spaces have one fingerprint",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const texts = ["Order 4711  failed", "order 12 failed", "order failed"];
      for (const [n, text] of texts.entries())
        await group.send({ eventId: `f.${n}`, directive: `permanent;text=${text}` });
      const prints = new Map(
        (await group.died(3)).map(({ headers }) => [
          headers["Muster-Dlq-Event-Id"],
          headers["Muster-Dlq-Fingerprint"],
        ]),
      );
      same("alike", prints.get("f.0"), prints.get("f.1"));
      holds("apart", prints.get("f.2") !== prints.get("f.0"), prints);
    },
  ),
];
