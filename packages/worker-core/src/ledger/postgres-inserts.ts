import { Turn } from "../turn.ts";
import { isOfOneRow } from "./postgres-errors.ts";
import type { RowToWrite } from "./postgres-rows.ts";

/** Makes the rows that are not there yet; resolves to the hashes of those it made. */
export type Insert = (rows: readonly RowToWrite[]) => Promise<ReadonlySet<string>>;

interface Entry {
  readonly row: RowToWrite;
  readonly resolve: (isMade: boolean) => void;
  readonly reject: (error: unknown) => void;
}

const maxRows = 100;
const maxUnderWay = 3;
const maxFailedApart = 2;

/**
 * New rows of messages that end together, written in one statement: one by one each would wait for a commit of its
 * own. While three statements are under way the next rows gather.
 */
export class Inserts {
  readonly #insert: Insert;
  readonly #turn = new Turn();
  /** Hashes under way: two copies of one event never meet in a statement, the second finds the first's row. */
  readonly #hashes = new Set<string>();
  #waiting: Entry[] = [];
  #underWay = 0;

  constructor(insert: Insert) {
    this.#insert = insert;
  }

  /** True when the row was made, false when there is one. Throws what the statement does. */
  add(row: RowToWrite): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.#waiting.push({ row, resolve, reject });
    this.#turn.atEnd(this.#pump);
    return promise;
  }

  readonly #pump = (): void => {
    while (this.#underWay < maxUnderWay) {
      const entries = this.#take();
      if (entries.length === 0) {
        return;
      }
      void this.#write(entries);
    }
  };

  #take(): Entry[] {
    const taken: Entry[] = [];
    const left: Entry[] = [];
    let seen = 0;
    for (const entry of this.#waiting) {
      if (taken.length === maxRows) {
        break;
      }
      seen += 1;
      if (this.#hashes.has(entry.row.hash)) {
        left.push(entry);
      } else {
        this.#hashes.add(entry.row.hash);
        taken.push(entry);
      }
    }
    this.#waiting = left.concat(this.#waiting.slice(seen));
    return taken;
  }

  async #write(entries: readonly Entry[]): Promise<void> {
    this.#underWay += 1;
    try {
      await this.#settle(entries);
    } catch (error) {
      await this.#writeApart(entries, error);
    }
    for (const { row } of entries) {
      this.#hashes.delete(row.hash);
    }
    this.#underWay -= 1;
    this.#pump();
  }

  async #settle(entries: readonly Entry[]): Promise<void> {
    const made = await this.#insert(entries.map(({ row }) => row));
    for (const { row, resolve } of entries) {
      resolve(made.has(row.hash));
    }
  }

  /** One row may have failed them all, with a lock that somebody holds on it; two, and it is the table. */
  async #writeApart(entries: readonly Entry[], cause: unknown): Promise<void> {
    let error = cause;
    let failed = entries.length > 1 && isOfOneRow(cause) ? 0 : maxFailedApart;
    for (const entry of entries) {
      if (failed === maxFailedApart) {
        entry.reject(error);
        continue;
      }
      try {
        await this.#settle([entry]);
      } catch (thrown) {
        error = thrown;
        failed += 1;
        entry.reject(error);
      }
    }
  }
}
