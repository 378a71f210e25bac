// Where the rows of a group are: the bucket, or Postgres, as its spec says.
import { type GroupSpec, groupKey, type LedgerRow, MusterError } from "@muster/contracts";
import { fail } from "../errors.ts";
import { readSpec } from "../groups/specs.ts";
import { getEntry, leaderEntry } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import type { Database } from "./database.ts";
import { getKvRow, readKvRows } from "./kv.ts";

/** What the account needs of a row. */
export type SettledRow = Pick<
  LedgerRow,
  "event_id" | "status" | "sequence" | "store_time" | "sequences" | "more"
> & { group: string };

const unseen = new Set(["no_database", "database_down", "database_refused", "ledger_schema"]);

/** The ledgers of all groups, for one request: which group has which is looked up once. */
export class Ledgers {
  readonly #nats: Nats;
  readonly #database: Database | undefined;
  readonly #kinds = new Map<string, Promise<GroupSpec["ledger"]>>();
  #isUnseen = false;

  constructor(nats: Nats, database: Database | undefined) {
    this.#nats = nats;
    this.#database = database;
  }

  /** The row of an event, or nothing. Throws `no_database` where it is in Postgres and we have no `DATABASE_URL`. */
  async row(stream: string, group: string, eventId: string, read = getEntry): Promise<LedgerRow | undefined> {
    const kind = await this.kind(stream, group);
    if (kind === "postgres") return await this.#needDatabase(`group ${group}`).row(stream, group, eventId);
    return kind === "none" ? undefined : await getKvRow(this.#nats, stream, group, eventId, read);
  }

  /** As `row`, but of a row in the bucket the leader's word: for who says lost when there is none. */
  async leaderRow(stream: string, group: string, eventId: string): Promise<LedgerRow | undefined> {
    return await this.row(stream, group, eventId, leaderEntry);
  }

  /** As `row`, but nothing too where the database cannot be asked: for what is only good to know. */
  async rowIfSeen(stream: string, group: string, eventId: string): Promise<LedgerRow | undefined> {
    if (this.#isUnseen && (await this.kind(stream, group)) === "postgres") return undefined;
    try {
      return await this.row(stream, group, eventId);
    } catch (error) {
      if (!(error instanceof MusterError) || !unseen.has(error.code)) throw error;
      this.#isUnseen = true;
      return undefined;
    }
  }

  /** All rows of a stream's groups; of those named in `inPostgres` also the ones there, which come last. */
  async rows(stream: string, inPostgres: readonly string[]): Promise<SettledRow[]> {
    const rows = await readKvRows(this.#nats, stream);
    const [first] = inPostgres;
    if (first === undefined) return rows;
    const theirs = await this.#needDatabase(`group ${first}`).rows(stream);
    return [...rows, ...theirs.filter(({ group }) => inPostgres.includes(group))];
  }

  /** The ledger of a group; `kv`, the default, for one that is gone. */
  kind(stream: string, group: string): Promise<GroupSpec["ledger"]> {
    const key = groupKey(stream, group);
    const known = this.#kinds.get(key) ?? this.#read(stream, group);
    this.#kinds.set(key, known);
    return known;
  }

  async #read(stream: string, group: string): Promise<GroupSpec["ledger"]> {
    try {
      return (await readSpec(this.#nats, stream, group)).spec?.ledger ?? "kv";
    } catch (error) {
      if (error instanceof MusterError && (error.code === "no_bucket" || error.code === "bad_record"))
        return "kv";
      throw error;
    }
  }

  #needDatabase(who: string): Database {
    if (this.#database !== undefined) return this.#database;
    throw fail(
      "no_database",
      `${who} keeps its ledger in Postgres, and this control plane has no DATABASE_URL; start it with the one that the members have, or with a user that may only read`,
    );
  }
}
