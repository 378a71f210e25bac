/** The headers of a dead letter, from those of the message and the facts. */
import { sha256, type Vectors } from "./write.ts";

const facts = {
  stream: "ORDERS",
  seq: 42,
  store_time: "1767323045123456789",
  subject: "orders.created",
  group: "billing",
  reason: "permanent",
  error_class: "PermanentError",
  error: "missing customer",
  attempts: 1,
  first_at: "2026-01-02T03:04:05.000Z",
  last_at: "2026-01-02T03:04:06.000Z",
  member: "host-1",
  language: "go",
  version: "1.2.3",
  contract: "order.v1",
  event_id: "o-1.created",
  replay_number: 0,
  history: [] as Record<string, unknown>[],
};
type Facts = typeof facts;

const id = `dl.billing.${sha256("o-1.created").slice(0, 24)}.42.1767323045123456789`;
const print = (normal: string) => sha256(normal).slice(0, 16);

const own = {
  "Nats-Msg-Id": id,
  "Muster-Dlq-Id": id,
  "Muster-Dlq-Stream": "ORDERS",
  "Muster-Dlq-Seq": "42",
  "Muster-Dlq-Store-Time": "1767323045123456789",
  "Muster-Dlq-Subject": "orders.created",
  "Muster-Dlq-Group": "billing",
  "Muster-Dlq-Reason": "permanent",
  "Muster-Dlq-Error-Class": "PermanentError",
  "Muster-Dlq-Error": "missing customer",
  "Muster-Dlq-Attempts": "1",
  "Muster-Dlq-First-At": "2026-01-02T03:04:05.000Z",
  "Muster-Dlq-Last-At": "2026-01-02T03:04:06.000Z",
  "Muster-Dlq-Member": "host-1",
  "Muster-Dlq-Language": "go",
  "Muster-Dlq-Version": "1.2.3",
  "Muster-Dlq-Contract": "order.v1",
  "Muster-Dlq-Event-Id": "o-1.created",
  "Muster-Dlq-Replay-Number": "0",
  "Muster-Dlq-Fingerprint": print("permanent\nmissing customer"),
};

const attempt = (n: number, error: string) => ({
  attempt: n,
  outcome: "failed",
  member: "host-1",
  language: "go",
  version: "1.2.3",
  started_at: "2026-01-02T03:04:05.000Z",
  ended_at: "2026-01-02T03:04:05.500Z",
  error_class: "Error",
  error,
  delay_ms: 1000,
});
const json = (n: number, error: string) =>
  `{"attempt":${n},"outcome":"failed","member":"host-1","language":"go","version":"1.2.3","started_at":"2026-01-02T03:04:05.000Z","ended_at":"2026-01-02T03:04:05.500Z","error_class":"Error","error":"${error}","delay_ms":1000}`;

const PLENTY = 1_000_000;

// The bytes of a header block on the wire: a version line with two line ends, and per header a
// colon, a space and a line end.
function bytes(headers: Record<string, string>): number {
  return Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + 4, 12);
}

function letter(
  name: string,
  original: Record<string, string>,
  more: Record<string, string>,
  change: Partial<Facts> = {},
  limit_bytes = PLENTY,
) {
  return { name, original, facts: { ...facts, ...change }, limit_bytes, result: { ...own, ...more } };
}

const history = [attempt(1, "a"), attempt(2, "b"), attempt(3, "c")];
const threeEntries = { ...own, "Muster-Dlq-History": `[${json(1, "a")},${json(2, "b")},${json(3, "c")}]` };
const twoEntries = { ...own, "Muster-Dlq-History": `[${json(2, "b")},${json(3, "c")}]` };
const largest = "x".repeat(65_535 - bytes({ ...own, "X-Large": "", Small: "s" }));
const oneEntry = { ...own, "Muster-Dlq-History": `[${json(3, "c")}]` };

const copies = {
  Small: "s",
  "Z-Large": "z".repeat(100),
  "A-Large": "a".repeat(100),
  Larger: "l".repeat(200),
};
const sorted = { Small: "s", "A-Large": copies["A-Large"] };

export const headerVectors: Vectors = {
  description:
    "the headers of a dead letter. limit_bytes is max_payload - body - 1024; header names in result are a set, their order is free",
  cases: [
    letter("no headers", {}, {}),
    letter(
      "headers are copied",
      { "Muster-Event-Id": "o-1.created", traceparent: "00-1-2-01", "X-A": "b" },
      {
        "Muster-Event-Id": "o-1.created",
        traceparent: "00-1-2-01",
        "X-A": "b",
      },
    ),
    letter(
      "what begins Nats- is renamed, so that the server does not obey it",
      {
        "Nats-Msg-Id": "m-1",
        "Nats-Expected-Stream": "ELSEWHERE",
        "Nats-Rollup": "all",
        "Nats-TTL": "1s",
      },
      {
        "Muster-Original-Nats-Msg-Id": "m-1",
        "Muster-Original-Nats-Expected-Stream": "ELSEWHERE",
        "Muster-Original-Nats-Rollup": "all",
        "Muster-Original-Nats-TTL": "1s",
      },
    ),
    letter(
      "in any case of letters, which stays",
      { "nats-rollup": "all", "NATS-X": "1", "nAtS-": "2" },
      {
        "Muster-Original-nats-rollup": "all",
        "Muster-Original-NATS-X": "1",
        "Muster-Original-nAtS-": "2",
      },
    ),
    letter(
      "Nats without a dash is an ordinary name",
      { Nats: "1", NatsRollup: "2", "X-Nats-Rollup": "3" },
      {
        Nats: "1",
        NatsRollup: "2",
        "X-Nats-Rollup": "3",
      },
    ),
    letter(
      "a replayed message keeps the message id of the first time",
      {
        "Nats-Msg-Id": "replay.dl.x",
        "Muster-Original-Nats-Msg-Id": "m-1",
      },
      { "Muster-Original-Nats-Msg-Id": "m-1" },
    ),
    letter(
      "a kept name in another case is another name",
      {
        "Nats-Msg-Id": "m-2",
        "Muster-Original-nats-msg-id": "m-1",
      },
      { "Muster-Original-nats-msg-id": "m-1", "Muster-Original-Nats-Msg-Id": "m-2" },
    ),
    letter(
      "forged facts are dropped",
      {
        "Muster-Dlq-Reason": "invalid",
        "muster-dlq-id": "x",
        "MUSTER-DLQ-Anything": "x",
        "Muster-Dlq-": "x",
        "Muster-Original-Muster-Dlq-Reason": "kept",
      },
      { "Muster-Original-Muster-Dlq-Reason": "kept" },
    ),
    letter(
      "names that no client could send are dropped",
      {
        "a b": "1",
        "a:b": "2",
        "": "3",
        ü: "4",
        "a\tb": "5",
        "Nats-ü": "6",
        "a.b_c!~": "7",
      },
      { "a.b_c!~": "7" },
    ),
    letter(
      "names that not every client could send are dropped, renamed ones too",
      {
        "A/b(c)": "1",
        "Nats-a/b": "2",
        ...Object.fromEntries([...'"(),/:;<=>?@[]{}\\'].map((c) => [`a${c}b`, "3"])),
      },
      {},
    ),
    letter(
      "all other printable characters are kept, the first and the last too",
      {
        "!#$%&'*+-.^_`|~": "1",
        "0123456789": "2",
        ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz: "3",
        "-": "4",
        "Nats-~": "5",
      },
      {
        "!#$%&'*+-.^_`|~": "1",
        "0123456789": "2",
        ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz: "3",
        "-": "4",
        "Muster-Original-Nats-~": "5",
      },
    ),
    letter(
      "a name of every object in JavaScript",
      { constructor: "1", toString: "2" },
      { constructor: "1", toString: "2" },
    ),
    letter(
      "values become header text",
      { "X-Text": " é\t😀 ", "X-Injected": "a\r\nNats-Rollup: all" },
      {
        "X-Text": "\\u00e9\\u0009\\ud83d\\ude00",
        "X-Injected": "a\\u000d\\u000aNats-Rollup: all",
      },
    ),
    letter("copied values are not cut", { "X-Long": "x".repeat(5000) }, { "X-Long": "x".repeat(5000) }),
    letter(
      "our own are cut at 1,024 characters",
      {},
      {
        "Muster-Dlq-Error": "x".repeat(1024),
        "Muster-Dlq-Fingerprint": print(`permanent\n${"x".repeat(1024)}`),
      },
      { error: "x".repeat(3000) },
    ),
    letter(
      "an error with line ends, beyond ASCII",
      {},
      {
        "Muster-Dlq-Error": "boom\\u000aat f\\u00fc",
        "Muster-Dlq-Fingerprint": print("permanent\nboom\\u#t f\\u#"),
      },
      { error: "boom\nat fü" },
    ),
    letter(
      "an error class, a contract and a version from outside",
      { "Muster-Contract": "böse" },
      {
        "Muster-Contract": "b\\u00f6se",
        "Muster-Dlq-Error-Class": "My\\u000aError",
        "Muster-Dlq-Contract": "b\\u00f6se",
        "Muster-Dlq-Version": "1\\u00092",
      },
      { error_class: "My\nError", contract: "böse", version: "1\t2" },
    ),
    letter(
      "a long event id is cut in the header, not in the dead letter's id",
      { "Muster-Event-Id": "e".repeat(2000) },
      {
        "Muster-Event-Id": "e".repeat(2000),
        "Muster-Dlq-Event-Id": "e".repeat(1024),
        "Nats-Msg-Id": `dl.billing.${sha256("e".repeat(2000)).slice(0, 24)}.42.1767323045123456789`,
        "Muster-Dlq-Id": `dl.billing.${sha256("e".repeat(2000)).slice(0, 24)}.42.1767323045123456789`,
      },
      { event_id: "e".repeat(2000) },
    ),
    letter(
      "numbers of an exhausted, replayed message",
      { "Muster-Replay-Number": "2" },
      {
        "Muster-Replay-Number": "2",
        "Muster-Dlq-Replay-Number": "2",
        "Muster-Dlq-Reason": "exhausted",
        "Muster-Dlq-Attempts": "5",
        "Muster-Dlq-Error": "fraud check timeout after 1000 ms",
        "Muster-Dlq-Error-Class": "RetryableError",
        "Muster-Dlq-Fingerprint": print("exhausted\nfraud check timeout after # ms"),
      },
      {
        reason: "exhausted",
        attempts: 5,
        replay_number: 2,
        error_class: "RetryableError",
        error: "fraud check timeout after 1000 ms",
      },
    ),
    letter(
      "history as compact JSON",
      {},
      { "Muster-Dlq-History": `[${json(1, "a")}]` },
      { history: [attempt(1, "a")] },
    ),
    letter(
      "history in ASCII, and nothing escaped that JSON does not ask for",
      {},
      {
        "Muster-Dlq-History": `[${json(1, '<b>&amp; \\u00fc\\ud83d\\ude00\\u2028 \\"q\\" \\\\ \\n')}]`,
      },
      { history: [attempt(1, '<b>&amp; ü😀\u2028 "q" \\ \n')] },
    ),
    letter(
      "all of it fits to the byte",
      { Small: "s" },
      { ...threeEntries, Small: "s" },
      { history },
      bytes({ ...threeEntries, Small: "s" }),
    ),
    letter(
      "one byte less: the oldest entry goes",
      { Small: "s" },
      { ...twoEntries, Small: "s" },
      { history },
      bytes({ ...threeEntries, Small: "s" }) - 1,
    ),
    letter(
      "the second oldest goes",
      { Small: "s" },
      { ...oneEntry, Small: "s" },
      { history },
      bytes({ ...twoEntries, Small: "s" }) - 1,
    ),
    letter(
      "the last entry takes its header with it",
      { Small: "s" },
      { Small: "s" },
      { history },
      bytes({ ...oneEntry, Small: "s" }) - 1,
    ),
    letter(
      "then the largest copied header goes",
      copies,
      { Small: "s", "Z-Large": copies["Z-Large"], "A-Large": copies["A-Large"] },
      { history },
      bytes({ ...own, ...copies }) - 1,
    ),
    letter(
      "of two of one size the greater name goes",
      copies,
      sorted,
      {},
      bytes({ ...own, ...copies }) - 200 - 6 - 4 - 1,
    ),
    letter(
      "size is name and value together",
      { Aa: "x".repeat(10), A: "x".repeat(11), B: "y" },
      { A: "x".repeat(11), B: "y" },
      {},
      bytes({ ...own, Aa: "x".repeat(10), A: "x".repeat(11), B: "y" }) - 1,
    ),
    letter("the event id goes like any other", { "Muster-Event-Id": "o-1.created" }, {}, {}, bytes(own)),
    letter("our own stay, whatever the limit", { Small: "s" }, {}, { history }, 100),
    letter(
      "never more than JetStream stores: up to 65535 bytes",
      { "X-Large": largest, Small: "s" },
      { "X-Large": largest, Small: "s" },
      {},
      900_000,
    ),
    letter(
      "one byte more: the largest copied header goes",
      { "X-Large": `${largest}x`, Small: "s" },
      { Small: "s" },
      {},
      900_000,
    ),
    letter(
      "what is escaped counts as it is written",
      { "X-A": "é".repeat(10), "X-B": "b".repeat(59) },
      { "X-B": "b".repeat(59) },
      {},
      bytes({ ...own, "X-A": "x".repeat(60), "X-B": "b".repeat(59) }) - 1,
    ),
  ],
};
