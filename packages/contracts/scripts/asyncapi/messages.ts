/** Every message of the protocol: its headers and its payload. */

const text = (description: string) => ({ type: "string", description });
const schema = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const object = (
  properties: Record<string, unknown>,
  required: readonly string[] = Object.keys(properties),
) => ({
  type: "object",
  properties,
  ...(required.length > 0 ? { required } : {}),
});

const traceHeaders = {
  traceparent: text("W3C trace context, exactly in lower case (TRACE-1)"),
  tracestate: text("W3C trace context"),
};
const eventHeaders = {
  "Muster-Event-Id": text("Business identity of the event (MSG-2)"),
  "Muster-Contract": text("Contract of the body; absent: the group's first (MSG-3)"),
  "Nats-Msg-Id": text("Id for the stream's dedupe window (PUB-2)"),
  ...traceHeaders,
};
const replayHeaders = {
  ...eventHeaders,
  "Nats-Msg-Id": text("replay.<dead letter id>"),
  "Muster-Replay-Number": {
    type: "string",
    pattern: "^[0-9]{1,9}$",
    description: "How often it was replayed",
  },
};
const revision = {
  "Nats-Expected-Last-Subject-Sequence": {
    type: "string",
    pattern: "^[0-9]{1,19}$",
    description: "Revision to compare with; 0: the key must not exist",
  },
};
const bytes = { contentType: "application/octet-stream" };
const plain = { contentType: "text/plain" };

const order = {
  id: "o-1",
  customer: "c-7",
  amount: 12.5,
  status: "pending",
  created_at: "2026-01-02T03:04:05.000Z",
};

export const messages = {
  order: {
    title: "Order",
    headers: object(eventHeaders, []),
    payload: schema("order.v1"),
    examples: [
      {
        name: "created",
        headers: { "Muster-Event-Id": "o-1.created", "Muster-Contract": "order.v1" },
        payload: order,
      },
    ],
  },
  replay: {
    title: "Replay",
    description: "The dead letter's bytes, which may be of any contract (REPLAY-2).",
    ...bytes,
    headers: object(replayHeaders, ["Nats-Msg-Id", "Muster-Event-Id", "Muster-Replay-Number"]),
    payload: { description: "The original bytes" },
  },
  queueReplay: {
    title: "Replay to a member",
    ...bytes,
    headers: object({ ...replayHeaders, "Muster-Replay-Subject": text("The original subject") }, [
      "Muster-Event-Id",
      "Muster-Replay-Number",
      "Muster-Replay-Subject",
    ]),
    payload: { description: "The original bytes" },
  },
  deadLetter: {
    title: "Dead letter",
    description: "The original headers and bytes, and why the message was set aside (section 10).",
    ...bytes,
    headers: schema("dead-letter-headers"),
    payload: { description: "The original bytes" },
  },
  pullRequest: {
    title: "Pull request",
    payload: object({
      batch: { type: "integer", minimum: 1, description: "Messages wanted" },
      expires: { type: "integer", minimum: 1, maximum: 5_000_000_000, description: "Nanoseconds (PULL-6)" },
    }),
    examples: [{ name: "twenty", payload: { batch: 20, expires: 5_000_000_000 } }],
  },
  ack: answer("Ack", "The message is done.", "^[+]ACK$", "+ACK"),
  nak: answer(
    "Nak",
    "The message comes again, after the delay in nanoseconds.",
    '^-NAK( [{]"delay":[0-9]+[}])?$',
    '-NAK {"delay":1000000000}',
  ),
  term: answer("Term", "The message is gone for good.", "^[+]TERM [ -~]+$", "+TERM permanent"),
  inProgress: answer("In progress", "The message is still in hand (HOLD-2).", "^[+]WPI$", "+WPI"),
  pubAck: {
    title: "PubAck",
    description: "What a stream answers to a publish (KV-2, DLQ-1, PUB-3).",
    payload: object(
      {
        stream: { type: "string" },
        seq: { type: "integer", minimum: 0, description: "Sequence; of a bucket the revision" },
        duplicate: { type: "boolean", description: "It was there already, inside the dedupe window" },
        error: object(
          {
            code: { type: "integer" },
            err_code: { type: "integer", description: "10071: the revision is another (conflict)" },
            description: { type: "string" },
          },
          [],
        ),
      },
      [],
    ),
    examples: [{ name: "stored", payload: { stream: "ORDERS", seq: 42 } }],
  },
  status: {
    title: "Status",
    description:
      "A message with a status line and no ack reply: the end of a pull request, or a key that is absent (PULL-5, KV-1).",
    ...plain,
    payload: { type: "string", maxLength: 0 },
  },
  empty: { title: "Empty request", ...plain, payload: { type: "string", maxLength: 0 } },
  deleted: {
    title: "Deletion of a key",
    ...plain,
    headers: object({ ...revision, "KV-Operation": { type: "string", enum: ["DEL", "PURGE"] } }),
    payload: { type: "string", maxLength: 0 },
  },
  commandAnswer: {
    title: "Answer to a command",
    payload: object({ ok: { type: "boolean" }, error: { type: "string" } }, ["ok"]),
    examples: [
      { name: "taken", payload: { ok: true } },
      { name: "refused", payload: { ok: false, error: "draining" } },
    ],
  },
  consumerState: {
    title: "State of the consumer",
    description: "The part that the watchdog reads (WATCH-2).",
    payload: object(
      {
        config: object({ max_ack_pending: { type: "integer" } }, []),
        num_pending: { type: "integer" },
        num_ack_pending: { type: "integer" },
        paused: { type: "boolean" },
      },
      ["num_pending", "num_ack_pending"],
    ),
  },
  groupSpec: document("Group spec", "group-spec"),
  contractSchema: {
    title: "JSON Schema of a contract",
    headers: object(revision, []),
    payload: { type: ["object", "boolean"], description: "JSON Schema 2020-12" },
  },
  memberRecord: document("Member record", "member-record"),
  attemptsRecord: document("Attempts record", "attempts-record"),
  ledgerRow: document("Ledger row", "ledger-row"),
};

function answer(title: string, summary: string, pattern: string, example: string) {
  return {
    title,
    summary,
    ...plain,
    payload: { type: "string", pattern },
    examples: [{ name: "example", payload: example }],
  };
}

/** A document of the protocol: put with the revision to compare with, read with its own. */
function document(title: string, schemaName: string) {
  return {
    title,
    headers: object(
      { ...revision, "Nats-Sequence": text("Of an answer: the revision that was read (KV-1)") },
      [],
    ),
    payload: schema(schemaName),
  };
}
