// A real nats-server, a control plane on it, and what a worker would do, for the tests.
import {
  buckets,
  type DeadLetterReason,
  dlqStream,
  dlqSubject,
  doneRow,
  deadRow,
  eventIdOf,
  GroupSpec,
  type GroupSpecInput,
  ledgerKey,
  type LedgerRow,
  parseAckReply,
  sha256Hex,
  stripReplayPrefix,
} from "@muster/contracts";
import { jetstream, jetstreamManager, type JsMsg } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { startNats, startProcess, waitFor, workerCommand } from "@muster/testkit";
import { createTRPCClient, httpLink } from "@trpc/client";
import { createLog } from "../src/log.ts";
import { putEntry, getEntry } from "../src/nats/bucket.ts";
import type { Nats } from "../src/nats/connection.ts";
import { toMsgHdrs, toRecord } from "../src/nats/headers.ts";
import type { AppRouter } from "../src/router.ts";
import { startControlPlane } from "../src/server.ts";
import { letterHeaders } from "./dead-letters.ts";

/** A client of the control plane at `url`. */
export function clientOf(url: string) {
  return createTRPCClient<AppRouter>({ links: [httpLink({ url })] });
}

/** A control plane of its own on a free port, ready for work. */
export async function startPlane(natsUrl: string, databaseUrl?: string, auth: "off" | "tokens" = "off") {
  const controlPlane = await startControlPlane(
    { natsUrls: [natsUrl], host: "127.0.0.1", port: 0, auth, databaseUrl, logLevel: "error" },
    createLog("error"),
  );
  await waitFor("the control plane to be ready", async () => (await fetch(`${controlPlane.url}/readyz`)).ok);
  return { ...controlPlane, client: clientOf(controlPlane.url) };
}

/** Starts NATS and a control plane; both end with the scope. */
export async function startSystem(natsConfig?: string) {
  const server = await startNats(natsConfig === undefined ? {} : { config: natsConfig });
  const controlPlane = await startPlane(server.url);
  const nc = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const nats: Nats = { nc, js: jetstream(nc), jsm: await jetstreamManager(nc, { checkAPI: false }) };
  const { client } = controlPlane;
  return {
    server,
    controlPlane,
    nats,
    client,
    async [Symbol.asyncDispose]() {
      await nc.close();
      await controlPlane.close();
      await server.stop();
    },
  };
}

/** Code and message of the error that a procedure answers with. */
export async function refusalOf(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await call;
  } catch (error) {
    const { data, message } = error as { data?: { muster_code?: string }; message: string };
    return { code: data?.muster_code ?? "none", message };
  }
  throw new Error("it was not refused");
}

/** The order worker in TypeScript as a process that has joined the group. */
export async function startWorker(natsUrl: string, spec: GroupSpec, env: Record<string, string> = {}) {
  const command = workerCommand("ts");
  const worker = startProcess(`worker ${spec.group}`, command.argv, {
    ...command.env,
    NATS_URL: natsUrl,
    MUSTER_STREAM: spec.stream,
    MUSTER_GROUP: spec.group,
    WORKER_ID: "w1",
    MUSTER_HEARTBEAT_MS: "250",
    MUSTER_HTTP_PORT: "",
    DATABASE_URL: "",
    LOG_LEVEL: "info",
    ...env,
  });
  await worker.waitForLine(/"joined"/, 25_000);
  return worker;
}

/** A spec for the tests' group. */
export function specOf(over: Partial<GroupSpecInput> = {}): GroupSpec {
  return GroupSpec.parse({
    v: 1,
    stream: "ORDERS",
    group: "billing",
    subjects: ["orders.>"],
    contracts: ["order.v1"],
    ack_wait_ms: 2000,
    ...over,
  });
}

/** A valid order. */
export function order(id: string, amount = 10) {
  return { id, customer: "ada", amount, status: "pending" as const, created_at: "2026-01-02T03:04:05Z" };
}

/** Counts of a member that has done nothing. */
export const noCounts = { done: 0, retry: 0, snoozed: 0, returned: 0, dead: 0 };

/** A member's record, as one that tells little writes it. */
export function memberOf(over: object) {
  return {
    v: 1,
    id: "m1",
    instance: "i",
    language: "go",
    core_version: "1",
    app_version: "1",
    host: "h",
    pid: 1,
    started_at: "2026-01-02T03:04:05Z",
    state: "running",
    delivery: "pull",
    concurrency: 10,
    in_flight: 0,
    counts: noCounts,
    spec_revision: 1,
    contracts: [],
    ...over,
  };
}

/** One message of the group, as a member would get it. */
export async function take(nats: Nats, stream = "ORDERS", group = "billing"): Promise<JsMsg> {
  const consumer = await nats.js.consumers.get(stream, group);
  const message = await consumer.next({ expires: 3000 });
  if (message === null) throw new Error(`nothing for ${group}`);
  return message;
}

/** Settles a message as done: row, then ack. */
export async function settleDone(nats: Nats, message: JsMsg, group = "billing"): Promise<void> {
  const facts = factsOf(message);
  await writeRow(nats, message.info.stream, group, facts.eventId, (before) =>
    doneRow(facts.row, { ok: true }, before),
  );
  await message.ackAck();
}

/** Settles a message as dead: row, dead letter, term. `kill` leaves out what comes after the row. */
export async function settleDead(
  nats: Nats,
  message: JsMsg,
  reason: DeadLetterReason = "exhausted",
  group = "billing",
): Promise<string> {
  const { stream } = message.info;
  const facts = factsOf(message);
  const headers = letterHeaders({
    stream,
    group,
    reason,
    seq: message.seq,
    storeTime: facts.row.storeTime,
    subject: stripReplayPrefix(stream, group, message.subject),
    eventId: facts.eventId,
    replayNumber: Number(message.headers?.get("Muster-Replay-Number") || 0),
    headers: toRecord(message.headers),
  });
  if (reason !== "conflict")
    await writeRow(nats, message.info.stream, group, facts.eventId, (before) =>
      deadRow(facts.row, { reason, headers }, before),
    );
  await nats.js.publish(dlqSubject(stream, group, reason), message.data, { headers: toMsgHdrs(headers) });
  message.term();
  await nats.nc.flush();
  return headers["Muster-Dlq-Id"] ?? "";
}

/** Publishes a copy of a dead letter, as one that outlived the dedupe window. */
export async function copyDeadLetter(nats: Nats, seq: number, stream = "ORDERS"): Promise<void> {
  const message = await nats.jsm.streams.getMessage(dlqStream(stream), { seq });
  if (message === null) throw new Error(`no dead letter at ${seq}`);
  const { "Nats-Msg-Id": _, ...headers } = toRecord(message.header);
  await nats.js.publish(message.subject, message.data, { headers: toMsgHdrs(headers) });
}

/** How many messages a stream holds. */
export async function count(nats: Nats, stream: string): Promise<number> {
  return (await nats.jsm.streams.info(stream)).state.messages;
}

// The library's own parser rounds the store time to a double.
function replyOf(message: JsMsg): string {
  return (message as unknown as { msg: { reply: string } }).msg.reply;
}

function factsOf(message: JsMsg) {
  const storeTime = parseAckReply(replyOf(message))?.storeTime ?? "";
  const eventId = eventIdOf(toRecord(message.headers), message.info.stream, message.seq, storeTime);
  return {
    eventId,
    row: {
      eventId,
      bodySha256: sha256Hex(message.data),
      sequence: message.seq,
      storeTime,
      member: "m1",
      language: "ts" as const,
      at: new Date().toISOString(),
    },
  };
}

async function writeRow(
  nats: Nats,
  stream: string,
  group: string,
  eventId: string,
  make: (before: LedgerRow | undefined) => LedgerRow,
): Promise<void> {
  const key = ledgerKey(stream, group, eventId);
  const entry = await getEntry(nats, buckets.ledger, key);
  const before =
    entry?.value === undefined ? undefined : (JSON.parse(new TextDecoder().decode(entry.value)) as LedgerRow);
  const written = await putEntry(
    nats,
    buckets.ledger,
    key,
    JSON.stringify(make(before)),
    entry?.revision ?? 0,
  );
  if (written === "conflict") throw new Error("the row changed");
}
