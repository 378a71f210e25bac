import { randomUUID } from "node:crypto";
import type { Msg } from "@nats-io/transport-node";
import { MusterError } from "@muster/contracts";
import type { PostgresServer } from "@muster/testkit";
import { createLog } from "../src/log.ts";
import { Message } from "../src/message.ts";
import { unseen } from "../src/ledger/ledger.ts";
import type { LookUp, RowContent, RowWrite } from "../src/ledger/ledger.ts";
import { PostgresLedger } from "../src/ledger/postgres.ts";
import type { PostgresLedgerOptions } from "../src/ledger/postgres.ts";

export const group = { stream: "ORDERS", group: "g" };
export const done: RowContent = { status: "done", result: { ok: true } };
export const dead: RowContent = {
  status: "dead",
  reason: "permanent",
  headers: { "Nats-Msg-Id": "dl.g.x.1", "Muster-Dlq-Error": "no such product" },
};

const firstStoreTime = 1_700_000_000_000_000_000n;

/** A database of its own on a server, with the tables in it, and the ledgers of members on it. */
export class TestDatabase implements AsyncDisposable {
  readonly url: string;
  readonly #server: PostgresServer;
  readonly #ledgers: PostgresLedger[] = [];

  private constructor(server: PostgresServer, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async create(server: PostgresServer, options = ""): Promise<TestDatabase> {
    const name = `db_${randomUUID().replaceAll("-", "")}`;
    await server.psql(`create database ${name} ${options}`);
    const url = new URL(server.url);
    url.pathname = name;
    const database = new TestDatabase(server, url.href);
    await database.ledger().migrate();
    await database.sql("create table effects (event_id text, member text)");
    return database;
  }

  /** The ledger of a member; it waits long unless it is told otherwise. */
  ledger(change: Partial<PostgresLedgerOptions> = {}): PostgresLedger {
    const workerId = change.workerId ?? `w${this.#ledgers.length}`;
    const log = createLog({ ...group, workerId, logLevel: "error" });
    const options = { databaseUrl: this.url, ...group, workerId, ackWaitMs: () => 30_000, log };
    const ledger = new PostgresLedger({ ...options, ...change });
    this.#ledgers.push(ledger);
    return ledger;
  }

  async sql(text: string): Promise<string> {
    return this.#server.psql(text, this.url);
  }

  /** Event ids of the effects that were committed. */
  async effects(): Promise<string[]> {
    const lines = await this.sql("select event_id from effects order by 1");
    return lines === "" ? [] : lines.split("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#ledgers.map((ledger) => ledger.close()));
  }
}

/** A message as a delivery would bring it; a later sequence has a later store time. */
export function message(
  facts: { eventId?: string; sequence?: number; body?: string; delivered?: number } = {},
): Message {
  const { eventId = randomUUID(), sequence = 1, body = "{}", delivered = 1 } = facts;
  const msg = { data: Buffer.from(body), subject: "orders.created", reply: "", headers: undefined };
  const storeTime = String(firstStoreTime + BigInt(sequence));
  return new Message(msg as unknown as Msg, group, {
    reply: "",
    seq: sequence,
    storeTime,
    delivered,
    eventId,
  });
}

/** A row that says that a message is done, where nothing was found of it. */
export function write(of: Message, content: RowContent = done, lookUp: LookUp = unseen): RowWrite {
  return { message: of, content, lookUp };
}

/** The code of the MusterError that a promise rejects with; what it resolves to or throws else, as text. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    return `resolved: ${JSON.stringify(await promise)}`;
  } catch (error) {
    return error instanceof MusterError ? error.code : String(error);
  }
}
