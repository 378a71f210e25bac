// Rows by the id of their letter: 20 bytes each, for the ids themselves would take more than all the rest.
import { hash as digest, randomBytes } from "node:crypto";
import { larger } from "./texts.ts";

const NONE = 0xffffffff;

/** A hash table whose places are chains of the rows that share 64 bits of their id's hash. */
export class IdChains {
  #hashes = [new Uint32Array(64), new Uint32Array(64)] as [Uint32Array, Uint32Array];
  /** The next row of the same hash. */
  #next = new Uint32Array(64);
  /** Open addressing: the first row of a hash plus 1, or 0. */
  #heads = new Uint32Array(128);
  #used = 0;
  // Unknown to others, so that nobody can make two ids that look like one.
  readonly #salt = randomBytes(16).toString("hex");

  get bytes(): number {
    return this.#next.length * 12 + this.#heads.length * 4;
  }

  /** Adds a row behind all that were added. */
  add(row: number, id: string): void {
    while (row >= this.#next.length) {
      this.#hashes = [larger(this.#hashes[0]), larger(this.#hashes[1])];
      this.#next = larger(this.#next);
    }
    const [high, low] = this.#hash(id);
    this.#hashes[0][row] = high;
    this.#hashes[1][row] = low;
    this.#next[row] = NONE;
    const slot = this.#slot(high, low);
    const head = this.#heads[slot] ?? 0;
    if (head > 0) {
      // Right behind the head: no walk through the copies of one that has thousands.
      this.#next[row] = this.#next[head - 1] ?? NONE;
      this.#next[head - 1] = row;
      return;
    }
    this.#heads[slot] = row + 1;
    if (++this.#used * 2 > this.#heads.length) this.#rehash();
  }

  /** The rows of an id, in no order; another id is among them once in 2^64. */
  of(id: string): Generator<number> {
    return this.#chain(...this.#hash(id));
  }

  /** The rows that have the id of this one, itself too. */
  like(row: number): Generator<number> {
    return this.#chain(this.#hashes[0][row] ?? 0, this.#hashes[1][row] ?? 0);
  }

  /** Whether the row has this id. */
  is(row: number, id: string): boolean {
    const [high, low] = this.#hash(id);
    return this.#hashes[0][row] === high && this.#hashes[1][row] === low;
  }

  *#chain(high: number, low: number): Generator<number> {
    let row = (this.#heads[this.#slot(high, low)] ?? 0) - 1;
    while (row >= 0 && row !== NONE) {
      yield row;
      row = this.#next[row] ?? NONE;
    }
  }

  #hash(id: string): [number, number] {
    const bytes = digest("sha1", this.#salt + id, "buffer");
    return [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
  }

  #slot(high: number, low: number): number {
    const mask = this.#heads.length - 1;
    let slot = low & mask;
    for (;;) {
      const row = (this.#heads[slot] ?? 0) - 1;
      if (row < 0 || (this.#hashes[0][row] === high && this.#hashes[1][row] === low)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #rehash(): void {
    const heads = this.#heads;
    this.#heads = new Uint32Array(heads.length * 2);
    for (const head of heads)
      if (head > 0)
        this.#heads[this.#slot(this.#hashes[0][head - 1] ?? 0, this.#hashes[1][head - 1] ?? 0)] = head;
  }
}
