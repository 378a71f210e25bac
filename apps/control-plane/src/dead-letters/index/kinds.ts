// What many dead letters share, as one number: group, reason, language and version.
import { larger, Texts } from "./texts.ts";

const parts = ["group", "reason", "language", "version"] as const;
type Part = (typeof parts)[number];

/** Distinct combinations, numbered in the order in which they first came. One number for each letter instead of four. */
export class Kinds {
  /** Each part's texts. */
  readonly names = new Texts();
  readonly #keys = new Texts();
  readonly #columns: Record<Part, Uint32Array> = {
    group: new Uint32Array(16),
    reason: new Uint32Array(16),
    language: new Uint32Array(16),
    version: new Uint32Array(16),
  };

  /** How many combinations there are. */
  get size(): number {
    return this.#keys.size;
  }

  /** Bytes that are held, for the figures. */
  get bytes(): number {
    return this.names.bytes + this.#keys.bytes + this.#columns.group.length * 16;
  }

  /** The number of a combination, new or known. */
  add(of: Readonly<Record<Part, string>>): number {
    const ids = parts.map((part) => this.names.add(of[part]));
    const known = this.#keys.size;
    const kind = this.#keys.add(ids.join());
    if (kind < known) return kind;
    for (const [i, part] of parts.entries()) {
      if (kind >= this.#columns[part].length) this.#columns[part] = larger(this.#columns[part]);
      this.#columns[part][kind] = ids[i] ?? 0;
    }
    return kind;
  }

  /** The number of a part's text in `names`. */
  nameOf(kind: number, part: Part): number {
    return this.#columns[part][kind] ?? 0;
  }

  /** Marks (1) the combinations that have these texts; parts that are not given may be any. */
  marks(wanted: { readonly [P in Part]?: string | undefined }): Uint8Array {
    const given = parts.filter((part) => wanted[part] !== undefined);
    const ids = given.map((part) => this.names.find(wanted[part] ?? ""));
    return Uint8Array.from({ length: this.size }, (_, kind) =>
      given.every((part, i) => this.nameOf(kind, part) === ids[i]) ? 1 : 0,
    );
  }
}
