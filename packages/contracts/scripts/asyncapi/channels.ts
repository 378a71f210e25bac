/** Every subject of the protocol as a channel. Addresses come from the functions that make subjects. */
import {
  archiveSubject,
  buckets,
  DeadLetterReason,
  dlqSubject,
  groupKey,
  memberKey,
  memberSubject,
  orderEvents,
  replaySubject,
} from "../../src/index.ts";
import type { messages } from "./messages.ts";

/** A channel: an address with its parameters, and the messages that travel on it. */
export interface Channel {
  address: string | null;
  title: string;
  description: string;
  parameters?: Record<string, Parameter>;
  messages: Record<string, { $ref: string }>;
}

interface Parameter {
  description: string;
  enum?: readonly string[];
  default?: string;
  examples?: string[];
}

const parameters: Record<string, Parameter> = {
  event: { description: "What happened to the order", enum: orderEvents },
  stream: { description: "Name of the stream; core for queue groups", examples: ["ORDERS"] },
  group: { description: "Name of the group", examples: ["billing"] },
  member: { description: "Id of the member", examples: ["host-12"] },
  reason: { description: "Why the message was set aside", enum: DeadLetterReason.options },
  subject: { description: "The original subject, of one or more tokens", examples: ["orders.created"] },
  contract: { description: "Name of the contract", examples: ["order.v1"] },
  apiPrefix: { description: "MUSTER_API_PREFIX", default: "$JS.API" },
  delivered: { description: "How often the server handed the message out; no count of attempts" },
  seq: { description: "Sequence of the message in its stream" },
  consumerSeq: { description: "Sequence of the delivery" },
  storeTime: { description: "Nanoseconds since 1970, as text" },
  pending: { description: "Messages that wait behind it" },
  eventHash: { description: "SHA-256 of the event id, lower-case hex" },
};

const [stream, group, member] = ["{stream}", "{group}", "{member}"];

export const channels = {
  orders: channel("orders.{event}", "Orders", "What a group of the order contract takes.", ["order"]),
  replay: channel(
    replaySubject(stream, group, "{subject}"),
    "Replays",
    "Dead letters on their way back to the group that failed them, and no other (REPLAY-1).",
    ["replay"],
  ),
  push: channel(
    `muster.push.${stream}.${group}`,
    "Push delivery",
    "What the server pushes to a group of mode push; queue group {group} (PUSH-1).",
    ["order", "replay"],
  ),
  deadLetters: channel(
    dlqSubject(stream, group, "{reason}"),
    "Dead letters",
    "Kept by the stream {stream}_DLQ (DLQ-1).",
    ["deadLetter"],
  ),
  archive: channel(
    archiveSubject(stream, group, "{reason}"),
    "Archive",
    "Dead letters that an operator discarded (REPLAY-6).",
    ["deadLetter"],
  ),
  pull: channel(
    `{apiPrefix}.CONSUMER.MSG.NEXT.${stream}.${group}`,
    "Pull requests",
    "Messages come to the reply subject of the request (PULL-1).",
    ["pullRequest"],
  ),
  consumerInfo: channel(
    `{apiPrefix}.CONSUMER.INFO.${stream}.${group}`,
    "State of the consumer",
    "What the watchdog asks before it makes a pull again (WATCH-1).",
    ["empty"],
  ),
  acks: channel(
    `$JS.ACK.${stream}.${group}.{delivered}.{seq}.{consumerSeq}.{storeTime}.{pending}`,
    "Acks",
    "The reply subject of a delivered message; with domain and account before the stream on newer servers (ACK-1, ACK-2).",
    ["ack", "nak", "term", "inProgress"],
  ),
  drain: channel(
    memberSubject(stream, group, member, "drain"),
    "Drain a member",
    "A request to one member (MEMBER-10).",
    ["empty"],
  ),
  queueReplay: channel(
    memberSubject("core", group, member, "replay"),
    "Replay to a member of a queue group",
    "A request to one member, because no stream would keep it (QUEUE-10).",
    ["queueReplay"],
  ),
  ...keyValue("Groups", buckets.groups, groupKey(stream, group), "groupSpec", "SPEC-1"),
  ...keyValue("Contracts", buckets.contracts, "{contract}", "contractSchema", "SPEC-10"),
  ...keyValue("Members", buckets.members, memberKey(stream, group, member), "memberRecord", "MEMBER-1"),
  ...keyValue(
    "Attempts",
    buckets.attempts,
    `${groupKey(stream, group)}.{seq}`,
    "attemptsRecord",
    "ATTEMPT-1",
  ),
  ...keyValue("Ledger", buckets.ledger, `${groupKey(stream, group)}.{eventHash}`, "ledgerRow", "LEDGER-5"),
  inbox: channel(
    null,
    "Inbox of the requester",
    "Where answers come: a subject of the client's own, told with each request.",
    [
      "order",
      "replay",
      "pubAck",
      "status",
      "commandAnswer",
      "consumerState",
      "groupSpec",
      "contractSchema",
      "memberRecord",
      "attemptsRecord",
      "ledgerRow",
    ],
  ),
} satisfies Record<string, Channel>;

type MessageName = keyof typeof messages;

function channel(
  address: string | null,
  title: string,
  description: string,
  names: readonly MessageName[],
): Channel {
  const used = [...(address ?? "").matchAll(/\{([a-zA-Z]+)\}/g)].map(([, name]) => name ?? "");
  return {
    address,
    title,
    description,
    ...(used.length > 0 ? { parameters: Object.fromEntries(used.map((name) => [name, known(name)])) } : {}),
    messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
  };
}

function known(name: string): Parameter {
  const parameter = parameters[name];
  if (parameter === undefined) throw new Error(`no parameter {${name}} is described`);
  return parameter;
}

/** Both ways to a bucket: a get is a direct read of the stream behind it, a put an ordinary publish. */
function keyValue<Name extends string>(
  name: Name,
  bucket: string,
  key: string,
  message: MessageName,
  id: string,
) {
  const put = `$KV.${bucket}.${key}`;
  const says = `Bucket ${bucket}, key ${key} (${id}).`;
  const both = {
    [`put${name}`]: channel(put, `${name}: put`, `${says} Compare and set (KV-2).`, [message, "deleted"]),
    [`get${name}`]: channel(
      `{apiPrefix}.DIRECT.GET.KV_${bucket}.${put}`,
      `${name}: get`,
      `${says} Answered to the inbox (KV-1).`,
      ["empty"],
    ),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- computed keys widen to string
  return both as Record<`put${Name}` | `get${Name}`, Channel>;
}
