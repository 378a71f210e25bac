// The dead letters of one stream in columns: some 60 bytes each, texts kept once.
import { fingerprintOf, MAX_ERROR, searchable } from "../normal-error.ts";
import { IdChains } from "./id-chains.ts";
import { Kinds } from "./kinds.ts";
import { larger, Texts } from "./texts.ts";

/** What the index keeps of a dead letter; everything else is read from its message. */
export type Entry = {
  /** Its sequence in the dead-letter stream. */
  seq: number;
  /** When it was stored there, in milliseconds since 1970. */
  storedAt: number;
  shelf: number;
  id: string;
  group: string;
  reason: string;
  language: string;
  version: string;
  subject: string;
  errorClass: string;
  error: string;
};

/** Where a row belongs, and, added to it, what it is. `OTHER`: no dead letter at all, which counts as a message only. */
export const [DEAD, ARCHIVED, OTHER, COPY, GONE] = [0, 1, 2, 4, 8];

/** Rows in the order of their sequences; a row keeps its number for as long as this object lives. */
export class Letters {
  /** All rows, also those that are gone. */
  size = 0;
  /** Messages that are there, copies and others' included. */
  live = 0;
  /** How often something was taken out. */
  removals = 0;

  flags = new Uint8Array(64);
  seqs = new Float64Array(64);
  times = new Float64Array(64);
  /** Group, reason, language and version. */
  kinds = new Uint32Array(64);
  subjects = new Uint32Array(64);
  errors = new Uint32Array(64);
  readonly #ids = new IdChains();
  /** Rows below it are gone. */
  #floor = 0;

  /** What the numbers of `kinds` say. */
  readonly kindTexts = new Kinds();
  readonly subjectTexts = new Texts();
  /** `<class>\n<message>`, as they are searched. */
  readonly errorTexts = new Texts();
  /** The two halves of each error text's fingerprint. */
  fingerprints = [new Uint32Array(64), new Uint32Array(64)] as [Uint32Array, Uint32Array];

  /** The last sequence that was added. */
  get lastSeq(): number {
    return this.size === 0 ? 0 : (this.seqs[this.size - 1] ?? 0);
  }

  /** Bytes of the columns and texts. */
  get bytes(): number {
    return (
      this.flags.length * 29 +
      this.#ids.bytes +
      this.kindTexts.bytes +
      this.subjectTexts.bytes +
      this.errorTexts.bytes +
      this.fingerprints[0].length * 8
    );
  }

  /** Adds what lies behind all that are there; a sequence that is known is left out. */
  add(entry: Entry): void {
    if (entry.seq <= this.lastSeq) return;
    if (this.size === this.flags.length) this.#grow();
    const row = this.size++;
    this.live++;
    this.flags[row] = entry.shelf;
    this.seqs[row] = entry.seq;
    this.times[row] = entry.storedAt;
    if (entry.shelf === OTHER) return;
    this.kinds[row] = this.kindTexts.add(entry);
    this.subjects[row] = this.subjectTexts.add(entry.subject);
    this.errors[row] = this.#addError(entry.errorClass, entry.error);
    this.#ids.add(row, entry.id);
    if (!this.#kin(row).next().done) this.flags[row] = entry.shelf | COPY;
  }

  /** Takes the row out; a copy of it takes its place. */
  remove(row: number): void {
    const flags = this.flags[row] ?? GONE;
    if ((flags & GONE) !== 0) return;
    this.flags[row] = flags | GONE;
    this.live--;
    this.removals++;
    if ((flags & (COPY | OTHER)) !== 0) return;
    const heir = Math.min(...this.#kin(row));
    if (Number.isFinite(heir)) this.flags[heir] = flags;
  }

  /** Takes out what lies below a sequence. */
  removeBelow(seq: number): void {
    while (this.#floor < this.size && (this.seqs[this.#floor] ?? 0) < seq) this.remove(this.#floor++);
  }

  /** The first row at or behind a sequence; `size` where there is none. */
  rowFrom(seq: number): number {
    let [low, high] = [0, this.size];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.seqs[middle] ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The row of a sequence, gone or not, or -1. */
  rowAt(seq: number): number {
    const row = this.rowFrom(seq);
    return this.seqs[row] === seq && row < this.size ? row : -1;
  }

  /** Messages up to a sequence that are there. */
  liveUpTo(seq: number): number {
    let live = this.live;
    for (let row = this.size - 1; row >= 0 && (this.seqs[row] ?? 0) > seq; row--)
      if (((this.flags[row] ?? GONE) & GONE) === 0) live--;
    return live;
  }

  /** The row and its copies that are there, in order. */
  withCopies(row: number): number[] {
    return [row, ...this.#kin(row)].sort((a, b) => a - b);
  }

  /** The rows that may be of an id (its message says whether), each first of its copies. */
  candidates(id: string): number[] {
    return [...this.#ids.of(id)]
      .filter((row) => ((this.flags[row] ?? GONE) & (COPY | GONE)) === 0)
      .sort((a, b) => a - b);
  }

  /** Whether the row was made from a message of this id. */
  isOf(row: number, id: string): boolean {
    return this.#ids.is(row, id);
  }

  /** The other rows of the same id, group and shelf that are there. */
  *#kin(row: number): Generator<number> {
    const shelf = (this.flags[row] ?? 0) & ARCHIVED;
    for (const other of this.#ids.like(row)) {
      const isSame =
        ((this.flags[other] ?? GONE) & (GONE | ARCHIVED)) === shelf &&
        this.#groupOf(other) === this.#groupOf(row);
      if (other !== row && isSame) yield other;
    }
  }

  #groupOf(row: number): number {
    return this.kindTexts.nameOf(this.kinds[row] ?? 0, "group");
  }

  #addError(errorClass: string, error: string): number {
    const [kind, message] = [errorClass.slice(0, MAX_ERROR), error.slice(0, MAX_ERROR)];
    const known = this.errorTexts.size;
    const id = this.errorTexts.add(`${searchable(kind)}\n${searchable(message)}`);
    if (id < known) return id;
    if (id >= this.fingerprints[0].length)
      this.fingerprints = [larger(this.fingerprints[0]), larger(this.fingerprints[1])];
    const fingerprint = fingerprintOf(kind, message);
    this.fingerprints[0][id] = Number.parseInt(fingerprint.slice(0, 8), 16);
    this.fingerprints[1][id] = Number.parseInt(fingerprint.slice(8), 16);
    return id;
  }

  #grow(): void {
    this.flags = larger(this.flags);
    this.seqs = larger(this.seqs);
    this.times = larger(this.times);
    for (const name of ["kinds", "subjects", "errors"] as const) this[name] = larger(this[name]);
  }
}
