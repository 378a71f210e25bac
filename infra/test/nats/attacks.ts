// What each role tries that it must not, as data: one publish each, or one request whose answer would tell something.

/** The group that the workers of billing attack, on the same stream. */
export const shipping = { stream: "ORDERS", group: "shipping" };

export type Attack = {
  /** `<who> <what it tries>`. */
  name: string;
  as: "worker" | "publisher";
  /** Under JetStream's own API prefix. */
  subject: string;
  body?: string;
  reply?: string;
  header?: [name: string, value: string];
  /** It wants an answer, and does harm by getting one. */
  isRead?: true;
  /** The publish itself is permitted, also on the secured server: what it brings about besides must not be. */
  isPermitted?: true;
  /**
   * Where it works, so that the test could fail: a server without permissions; or one with a single account, where each
   * role may publish no more than on the secured one.
   */
  worksOn: "open" | "one account";
};

/** A reply of a message that was delivered to the other group, as anybody can guess it. */
const othersReply = "$JS.ACK.ORDERS.shipping.1.2.1.1.0";
const ownReply = "$JS.ACK.ORDERS.billing.1.1.1.1.0";
const othersRow = "$KV.MUSTER_LEDGER.ORDERS.shipping.row";
const ownRow = "$KV.MUSTER_LEDGER.ORDERS.billing.row";
const get = (subject: string): string => `$JS.API.DIRECT.GET.KV_MUSTER_LEDGER.${subject}`;
const spy = { stream_name: "ORDERS_DLQ", config: { durable_name: "spy", ack_policy: "explicit" } };

const direct: Attack[] = [
  ["deletes the stream", "$JS.API.STREAM.DELETE.ORDERS"],
  ["purges the stream", "$JS.API.STREAM.PURGE.ORDERS"],
  ["purges the ledger", "$JS.API.STREAM.PURGE.KV_MUSTER_LEDGER"],
  ["deletes a message", "$JS.API.STREAM.MSG.DELETE.ORDERS", JSON.stringify({ seq: 2 })],
  ["deletes its own consumer", "$JS.API.CONSUMER.DELETE.ORDERS.billing"],
  ["deletes another group's consumer", "$JS.API.CONSUMER.DELETE.ORDERS.shipping"],
  ["makes a consumer", "$JS.API.CONSUMER.CREATE.ORDERS_DLQ.spy", JSON.stringify(spy)],
  [
    "takes another group's messages",
    "$JS.API.CONSUMER.MSG.NEXT.ORDERS.shipping",
    JSON.stringify({ batch: 1 }),
  ],
  ["acks another group's message", othersReply, "+ACK"],
  ["overwrites another group's row", othersRow, "{}"],
  ["overwrites another group's attempts", "$KV.MUSTER_ATTEMPTS.ORDERS.shipping.2", "{}"],
  ["writes another group's heartbeat", "$KV.MUSTER_MEMBERS.ORDERS.shipping.victim", "{}"],
  ["rewrites its own spec", "$KV.MUSTER_GROUPS.ORDERS.billing", "{}"],
  ["rewrites a contract", "$KV.MUSTER_CONTRACTS.order.v1", "{}"],
  ["injects a dead letter into another group", "muster.dlq.ORDERS.shipping.permanent", "{}"],
  ["forges an archived letter", "muster.archive.ORDERS.billing.permanent", "{}"],
  ["publishes an order", "orders.created", "{}"],
  ["replays by itself", "muster.replay.ORDERS.billing.orders.created", "{}"],
].map(
  ([what, subject = "", body = ""]): Attack => ({
    name: `a worker ${what}`,
    as: "worker",
    subject,
    body,
    worksOn: "open",
  }),
);

const reads: Attack[] = [
  ["a message of the stream", "$JS.API.STREAM.MSG.GET.ORDERS", JSON.stringify({ seq: 2 })],
  ["another group's row", get(othersRow)],
  ["another group's consumer", "$JS.API.CONSUMER.INFO.ORDERS.shipping"],
  ["another group's spec", "$JS.API.DIRECT.GET.KV_MUSTER_GROUPS.$KV.MUSTER_GROUPS.ORDERS.shipping"],
  ["the names of streams", "$JS.API.STREAM.NAMES"],
].map(
  ([what, subject = "", body = ""]): Attack => ({
    name: `a worker reads ${what}`,
    as: "worker",
    subject,
    body,
    isRead: true,
    worksOn: "open",
  }),
);

const rollups: Attack[] = [
  { as: "worker" as const, what: "its row and empties the ledger", subject: ownRow },
  {
    as: "worker" as const,
    what: "its heartbeat and empties the members",
    subject: "$KV.MUSTER_MEMBERS.ORDERS.billing.m",
  },
  {
    as: "worker" as const,
    what: "its attempts and empties the bucket",
    subject: "$KV.MUSTER_ATTEMPTS.ORDERS.billing.1",
  },
  {
    as: "worker" as const,
    what: "a dead letter and empties the stream",
    subject: "muster.dlq.ORDERS.billing.permanent",
  },
  { as: "publisher" as const, what: "an order and empties the stream", subject: "orders.created" },
].map(
  ({ as, what, subject }): Attack => ({
    name: `a ${as} rolls up ${what}`,
    as,
    subject,
    body: "{}",
    header: ["Nats-Rollup", "all"],
    isPermitted: true,
    worksOn: "one account",
  }),
);

const replies: Attack[] = [
  {
    what: "acks and has a stream deleted",
    subject: ownReply,
    body: "+WPI",
    reply: "$JS.API.STREAM.DELETE.ORDERS_DLQ",
  },
  {
    what: "acks and has the ledger purged",
    subject: ownReply,
    body: "+WPI",
    reply: "$JS.API.STREAM.PURGE.KV_MUSTER_LEDGER",
  },
  {
    what: "pulls an order into another group's dead letters",
    subject: "$JS.API.CONSUMER.MSG.NEXT.ORDERS.billing",
    body: JSON.stringify({ batch: 1, no_wait: true }),
    reply: "muster.dlq.ORDERS.shipping.permanent",
  },
  { what: "has its row copied over another group's", subject: get(ownRow), body: "", reply: othersRow },
  {
    what: "has its consumer's state written into a spec",
    subject: "$JS.API.CONSUMER.INFO.ORDERS.billing",
    body: "",
    reply: "$KV.MUSTER_GROUPS.ORDERS.shipping",
  },
  {
    what: "has a PubAck replayed",
    subject: ownRow,
    body: "{}",
    reply: "muster.replay.ORDERS.shipping.orders.shipped",
  },
  {
    what: "has a PubAck stored as another group's heartbeat",
    subject: "muster.dlq.ORDERS.billing.permanent",
    body: "{}",
    reply: "$KV.MUSTER_MEMBERS.ORDERS.shipping.victim",
  },
].map(
  (one): Attack => ({
    name: `a worker ${one.what}`,
    as: "worker",
    subject: one.subject,
    body: one.body,
    reply: one.reply,
    isPermitted: true,
    worksOn: "one account",
  }),
);

const byPublishers: Attack[] = [
  { name: "a publisher has a PubAck written into a spec", reply: "$KV.MUSTER_GROUPS.ORDERS.billing" },
  { name: "a publisher has a PubAck dead-lettered", reply: "muster.dlq.ORDERS.billing.permanent" },
].map(
  ({ name, reply }): Attack => ({
    name,
    as: "publisher",
    subject: "orders.updated",
    body: "{}",
    reply,
    isPermitted: true,
    worksOn: "one account",
  }),
);

const traces: Attack[] = [
  {
    name: "a worker has a trace dead-lettered",
    as: "worker",
    subject: ownRow,
    body: "{}",
    header: ["Nats-Trace-Dest", "muster.dlq.ORDERS.shipping.permanent"],
    isPermitted: true,
    worksOn: "open",
  },
];

export const attacks: readonly Attack[] = [
  ...direct,
  ...direct,
  ...reads,
  // An order is what a publisher is there for.
  ...[...direct, ...reads].filter(({ subject }) => subject !== "orders.created").map(byPublisher),
  ...rollups,
  ...replies,
  ...byPublishers,
  ...traces,
];

function byPublisher(attack: Attack): Attack {
  return { ...attack, as: "publisher", name: attack.name.replace("worker", "publisher") };
}
