// What a member writes: documents by their schemas, logs by their fields.
import { bucketOf } from "../lab/bucket.ts";
import {
  attemptsKey,
  buckets,
  createVerdict,
  ledgerKey,
  memberKey,
  protocolSchemas,
} from "@muster/contracts";
import { waitFor } from "../lab/wait.ts";
import { has, holds, like, same } from "../expect.ts";
import type { Group } from "../lab/group.ts";
import { order } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

type Line = Record<string, unknown>;

const always = ["time", "level", "msg", "stream", "group", "member", "language"];
const perEvent = ["seq", "event_id", "delivery", "attempt", "outcome", "reason", "code", "error"];
const further = ["delay_ms", "revision", "state", "contract", "limit", "http_host", "http_port"];
const aDelivery = ["seq", "event_id", "delivery", "attempt", "outcome"];
/** What is told of each outcome, beside what is always there. */
const outcomes = {
  done: { level: "debug", fields: aDelivery },
  retry: { level: "debug", fields: [...aDelivery, "error", "delay_ms"] },
  snoozed: { level: "debug", fields: [...aDelivery, "delay_ms"] },
  repeat: { level: "debug", fields: aDelivery },
  dead: { level: "warn", fields: [...aDelivery, "reason", "error"] },
};

export const documents: Scenario[] = [
  scenario("document-rows", "LEDGER-1 NAME-1", "ledger rows pass the published JSON Schema", async (lab) => {
    const group = await lab.group();
    lab.join(group);
    await group.send({ eventId: "done" });
    await group.send({ eventId: "dead", directive: "permanent;text=très mal" });
    await group.settled("done", "done");
    await group.settled("dead", "dead");
    for (const eventId of ["done", "dead"])
      await checkDocument(group, "ledger-row", buckets.ledger, ledgerKey(group.stream, group.group, eventId));
  }),

  scenario(
    "document-attempts",
    "ATTEMPT-1",
    "attempts records pass the published JSON Schema",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const failed = await group.send({
        eventId: "failed",
        directive: "retryable;delay_ms=600000;text=no ☃",
      });
      const snoozed = await group.send({ eventId: "snoozed", directive: "snooze;delay_ms=60000" });
      for (const { seq } of [failed, snoozed]) {
        await waitFor("its record", () => group.attempts(seq));
        const key = attemptsKey(group.stream, group.group, seq);
        await checkDocument(group, "attempts-record", buckets.attempts, key);
      }
    },
  ),

  scenario(
    "document-member",
    "MEMBER-1",
    "the member record passes the published JSON Schema",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group);
      await group.send({ eventId: "snoozed", directive: "snooze;delay_ms=60000" });
      await group.send({ eventId: "hangs", directive: "hang" });
      await member.recorded(
        "all of it",
        (now) => now.in_flight === 1 && now.counts.snoozed === 1 && now.oldest !== undefined,
      );
      const key = memberKey(group.stream, group.group, member.id);
      await checkDocument(group, "member-record", buckets.members, key);
    },
  ),

  scenario("log-life", "LOG-2", "a life is told in constant messages", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group);
    await group.send({ eventId: "done" });
    await group.settled("done", "done");
    member.signal("SIGTERM");
    await member.ended();
    const messages = member.lines.map(parseLine).map(({ msg }) => msg);
    same("the messages at info", messages, ["spec changed", "joined", "draining", "left"]);
  }),

  scenario(
    "log-fields",
    "LOG-1",
    "every line is one object with the fields that the protocol names",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group, { LOG_LEVEL: "debug" });
      await group.send({ eventId: "done" });
      await group.settled("done", "done");
      await group.send({ eventId: "done" });
      await group.send({ eventId: "retry", directive: "retryable;times=1" });
      await group.send({ eventId: "dead", directive: "permanent;text=no" });
      await group.settled("retry", "done");
      await group.settled("dead", "dead");
      await group.send({ eventId: "snoozed", directive: "snooze;delay_ms=60000" });
      await member.said(/"snoozed"/);
      const language = (await member.record())?.language;
      member.signal("SIGTERM");
      await member.ended();
      const known = [...always, ...perEvent, ...further];
      for (const text of member.lines) {
        const line = parseLine(text);
        same(
          `fields that are always there, in ${text}`,
          always.filter((name) => !(name in line)),
          [],
        );
        same(
          `fields that the protocol does not name, in ${text}`,
          Object.keys(line).filter((name) => !known.includes(name)),
          [],
        );
        like("the time", String(line["time"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        holds("the level", ["debug", "info", "warn", "error"].includes(String(line["level"])), line);
        has("the line", line, { stream: group.stream, group: group.group, member: member.id, language });
      }
    },
  ),

  scenario("log-outcomes", "LOG-3", "outcomes are told at debug, a dead letter at warn", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group, { LOG_LEVEL: "debug" });
    await group.send({ eventId: "done" });
    await group.settled("done", "done");
    await group.send({ eventId: "done" });
    await group.send({ eventId: "retry", directive: "retryable;times=1" });
    const { seq } = await group.send({ eventId: "dead", directive: "permanent;text=no" });
    await group.settled("retry", "done");
    await group.send({ eventId: "snoozed", directive: "snooze;delay_ms=60000" });
    for (const [outcome, { level, fields }] of Object.entries(outcomes)) {
      const line = parseLine(await member.said((text) => parseLine(text)["outcome"] === outcome));
      same(`the level of ${outcome}`, line["level"], level);
      same(`the fields of ${outcome}`, new Set(Object.keys(line)), new Set([...always, ...fields]));
    }
    const dead = member.lines.map(parseLine).find((line) => line["outcome"] === "dead");
    has("the line of the dead letter", dead, { seq, event_id: "dead", reason: "permanent", error: "no" });
  }),

  scenario("log-secrets", "LOG-4", "payloads are never logged", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group, { LOG_LEVEL: "debug" });
    await group.send({ eventId: "good", body: JSON.stringify({ ...order("s"), customer: "secret-4711" }) });
    await group.send({ eventId: "bad", body: '{"customer":"secret-4711"' });
    await group.send({ eventId: "odd", body: '{"customer":"secret-4711"}' });
    await group.settled("good", "done");
    await group.died(2);
    same(
      "lines with it",
      member.lines.filter((line) => line.includes("secret-4711")),
      [],
    );
  }),
];

/** The line's object; a line that is none fails the scenario. */
function parseLine(text: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch {
    holds("every line is a JSON object", false, text);
    return {};
  }
}

async function checkDocument(group: Group, schema: string, bucket: string, key: string): Promise<void> {
  const entry = await (await bucketOf(group.nc, bucket)).get(key);
  const verdict = createVerdict(schema, protocolSchemas[schema] ?? {})(entry?.value ?? new Uint8Array());
  same(`the verdict of ${schema} on ${entry?.string()}`, verdict.ok ? "" : verdict.error, "");
}
