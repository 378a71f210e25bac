// Dead letters by the hundred, and jobs over them, for the tests of jobs.
import { deadLetterHeaders, dlqStream, dlqSubject } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import type { Nats } from "../src/nats/connection.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";
import { isEnded } from "../src/jobs/job.ts";
import { order, type startSystem } from "./system.ts";

type Client = Awaited<ReturnType<typeof startSystem>>["client"];

/** Where a dead letter comes from. */
export type Origin = {
  stream?: string;
  group?: string;
  seq?: number;
  body?: string;
  replays?: number;
  error?: string;
};

/** Puts a dead letter down as a member would have; gives its id. */
export async function putDead(nats: Nats, eventId: string, origin: Origin = {}): Promise<string> {
  const {
    stream = "ORDERS",
    group = "billing",
    seq = 1,
    replays = 0,
    error = "fraud check timeout",
  } = origin;
  const body = origin.body ?? JSON.stringify(order(eventId));
  const headers = deadLetterHeaders(
    { "Muster-Event-Id": eventId },
    {
      stream,
      seq,
      storeTime: "1700000000000000000",
      subject: "orders.created",
      group,
      reason: "exhausted",
      errorClass: "Error",
      error,
      attempts: 1,
      firstAt: "2026-01-02T03:04:05.000Z",
      lastAt: "2026-01-02T03:04:05.000Z",
      member: "m1",
      language: "ts",
      version: "1",
      contract: "order.v1",
      eventId,
      replayNumber: replays,
      history: [],
    },
    900_000,
  );
  await nats.js.publish(dlqSubject(stream, group, "exhausted"), body, { headers: toMsgHdrs(headers) });
  return headers["Muster-Dlq-Id"] ?? "";
}

/** Puts many down at once, `<prefix>0` and so on; gives their ids in order. */
export async function putManyDead(
  nats: Nats,
  n: number,
  prefix: string,
  origin: Origin = {},
): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < n; i += 100)
    ids.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(100, n - i) }, (_, j) => putDead(nats, `${prefix}${i + j}`, origin)),
      )),
    );
  return ids;
}

/** The job when it has come to where `isThere` says. */
export async function waitForJob(
  client: Client,
  id: string,
  isThere: (job: Awaited<ReturnType<Client["jobs"]["get"]["query"]>>) => boolean = isEnded,
  timeoutMs = 30_000,
) {
  return await waitFor(
    `job ${id}`,
    async () => {
      const job = await client.jobs.get.query({ id });
      return isThere(job) ? job : undefined;
    },
    { timeoutMs },
  );
}

/** The event ids of the messages of a stream, in order. */
export async function eventsIn(nats: Nats, stream = "ORDERS"): Promise<string[]> {
  const { state } = await nats.jsm.streams.info(stream);
  const events: string[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await nats.jsm.streams.getMessage(stream, { seq }).catch(() => null);
    if (message !== null) events.push(message.header.get("Muster-Event-Id"));
  }
  return events;
}

/** How many letters lie in the dead-letter stream. */
export async function deadCount(nats: Nats, stream = "ORDERS"): Promise<number> {
  return (await nats.jsm.streams.info(dlqStream(stream))).state.messages;
}
