// Many texts in few bytes: each distinct one is kept once, as UTF-8 in blocks, and known by a number.
import { setImmediate as breathe } from "node:timers/promises";

const BLOCK_BYTES = 64 * 1024;
/** Bytes of one text; what is longer is cut. */
const MAX_BYTES = 4096;
const SLICE_MS = 8;
const SEPARATOR = 0;

/** Texts numbered in the order in which they first came. A plain Map of strings takes three times the memory. */
export class Texts {
  readonly #blocks: Buffer[] = [];
  #at = 0;
  #size = 0;
  /** Where each text begins, counted through all blocks, and how many bytes it has. */
  #starts = new Uint32Array(64);
  #lengths = new Uint16Array(64);
  #hashes = new Uint32Array(64);
  /** Open addressing: the number of a text plus 1, or 0. */
  #table = new Uint32Array(256);

  /** How many distinct texts there are. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that are held, for the figures. */
  get bytes(): number {
    return this.#blocks.length * BLOCK_BYTES + this.#starts.length * 10 + this.#table.length * 4;
  }

  /** The number of a text, new or known. */
  add(text: string): number {
    const block = this.#room();
    const length = block.write(
      text.length > MAX_BYTES ? text.slice(0, MAX_BYTES) : text,
      this.#at,
      MAX_BYTES,
    );
    const hash = hashOf(block, this.#at, length);
    const slot = this.#slot(hash, block, this.#at, length);
    const known = this.#table[slot] ?? 0;
    if (known > 0) return known - 1;
    const id = this.#size++;
    if (id >= this.#starts.length) this.#grow();
    this.#starts[id] = (this.#blocks.length - 1) * BLOCK_BYTES + this.#at;
    this.#lengths[id] = length;
    this.#hashes[id] = hash;
    this.#table[slot] = id + 1;
    this.#at += length;
    block[this.#at++] = SEPARATOR;
    if (this.#size * 2 > this.#table.length) this.#rehash();
    return id;
  }

  /** The number of a text, or -1 where it never came. */
  find(text: string): number {
    const bytes = Buffer.from(text).subarray(0, MAX_BYTES);
    const slot = this.#slot(hashOf(bytes, 0, bytes.length), bytes, 0, bytes.length);
    return (this.#table[slot] ?? 0) - 1;
  }

  /** The text of a number. */
  text(id: number): string {
    const start = this.#starts[id] ?? 0;
    const block = this.#blocks[Math.floor(start / BLOCK_BYTES)];
    const at = start % BLOCK_BYTES;
    return block?.toString("utf8", at, at + (this.#lengths[id] ?? 0)) ?? "";
  }

  /** Marks (1) the texts from number `from` on that hold `part`; lets others run in between. */
  async markContaining(part: string, marks: Uint8Array, from: number): Promise<void> {
    const needle = Buffer.from(part);
    let breakAt = performance.now() + SLICE_MS;
    for (let id = from; id < marks.length; ) {
      const start = this.#starts[id] ?? 0;
      const index = Math.floor(start / BLOCK_BYTES);
      const block = this.#blocks[index];
      if (block === undefined) return;
      const end = Math.min((index + 1) * BLOCK_BYTES, this.#endOf(marks.length - 1));
      const hit = block.indexOf(needle, start % BLOCK_BYTES);
      const place = index * BLOCK_BYTES + hit;
      if (hit === -1 || place >= end) {
        id = this.#firstFrom(end, id);
      } else {
        id = this.#firstFrom(place + 1, id) - 1;
        if (place + needle.length <= this.#endOf(id)) marks[id] = 1;
        id++;
      }
      if (performance.now() > breakAt) {
        await breathe();
        breakAt = performance.now() + SLICE_MS;
      }
    }
  }

  #endOf(id: number): number {
    return (this.#starts[id] ?? 0) + (this.#lengths[id] ?? 0);
  }

  /** The first text that begins at `place` or behind it; it is not before `from`. */
  #firstFrom(place: number, from: number): number {
    // Mostly it is one of the next; the search is for parts that few texts hold.
    for (let id = from; id < from + 8; id++)
      if (id >= this.#size || (this.#starts[id] ?? 0) >= place) return Math.min(id, this.#size);
    let [low, high] = [from, this.#size];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #room(): Buffer {
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#at + MAX_BYTES < BLOCK_BYTES) return last;
    const block = Buffer.allocUnsafe(BLOCK_BYTES);
    this.#blocks.push(block);
    this.#at = 0;
    return block;
  }

  #slot(hash: number, bytes: Buffer, at: number, length: number): number {
    const mask = this.#table.length - 1;
    let slot = hash & mask;
    for (;;) {
      const known = this.#table[slot] ?? 0;
      if (known === 0 || this.#isSame(known - 1, hash, bytes, at, length)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #isSame(id: number, hash: number, bytes: Buffer, at: number, length: number): boolean {
    if (this.#hashes[id] !== hash || this.#lengths[id] !== length) return false;
    const start = this.#starts[id] ?? 0;
    const block = this.#blocks[Math.floor(start / BLOCK_BYTES)];
    const from = start % BLOCK_BYTES;
    return block?.compare(bytes, at, at + length, from, from + length) === 0;
  }

  #grow(): void {
    this.#starts = larger(this.#starts);
    this.#lengths = larger(this.#lengths);
    this.#hashes = larger(this.#hashes);
  }

  #rehash(): void {
    this.#table = new Uint32Array(this.#table.length * 2);
    const mask = this.#table.length - 1;
    for (let id = 0; id < this.#size; id++) {
      let slot = (this.#hashes[id] ?? 0) & mask;
      while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
      this.#table[slot] = id + 1;
    }
  }
}

/** The same numbers in an array half as large again. */
export function larger<T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(array: T): T {
  const grown = new (array.constructor as new (length: number) => T)(Math.ceil(array.length * 1.5));
  grown.set(array);
  return grown;
}

// Seeded, so that nobody can choose texts that all fall into one place.
const seed = Math.floor(Math.random() * 0xffffffff);

function hashOf(bytes: Buffer, at: number, length: number): number {
  let hash = seed;
  for (let i = at; i < at + length; i++) {
    hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}
