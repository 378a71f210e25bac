import type { Language } from "@muster/contracts";

/** A member as the demo shows it. */
export type MemberLine = { id: string; language: Language; state: string; inFlight: number };

/** The group at one moment. */
export type Snapshot = {
  members: MemberLine[];
  published: number;
  ready: number;
  inFlight: number;
  backingOff: number;
  done: number;
  /** Failed attempts that are tried again, so far. */
  retried: number;
  dead: number;
};

/** Where progress goes: stdout, or a test's list. */
export type Output = {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
};

const LINE_EVERY_MS = 1000;

/** Prints lines and, below them, the live state: redrawn in place on a terminal, else a line per second. */
export class Progress {
  readonly #out: Output;
  readonly #now: () => number;
  readonly #startedAt: number;
  #drawn = 0;
  #lastLineAt = Number.NEGATIVE_INFINITY;

  constructor(out: Output, now: () => number = () => performance.now()) {
    this.#out = out;
    this.#now = now;
    this.#startedAt = now();
  }

  /** Prints what stays. */
  say(text = ""): void {
    this.#erase();
    this.#out.write(`${text}\n`);
  }

  /** Shows the state now, in the place of the last one. */
  show(snapshot: Snapshot): void {
    const now = this.#now();
    const seconds = `${((now - this.#startedAt) / 1000).toFixed(0).padStart(4)}s`;
    if (!this.#out.isTTY) {
      if (now - this.#lastLineAt < LINE_EVERY_MS) return;
      this.#lastLineAt = now;
      const members = snapshot.members.map(shortText).join(", ") || "no members yet";
      this.#out.write(`${seconds}  ${figures(snapshot)} | ${members}\n`);
      return;
    }
    const width = this.#out.columns ?? 80;
    const lines = [
      `${seconds}  ${figures(snapshot)}`,
      ...snapshot.members.map((member) => `       ${memberText(member)}`),
    ];
    this.#erase();
    this.#out.write(lines.map((line) => `${line.slice(0, width - 1)}\n`).join(""));
    this.#drawn = lines.length;
  }

  #erase(): void {
    if (this.#drawn > 0) this.#out.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }
}

/** The figures in one line; also what a failed wait says it saw. */
export function figures(snapshot: Snapshot): string {
  const { published, ready, inFlight, backingOff, done, retried, dead } = snapshot;
  return `published ${published}, ready ${ready}, in flight ${inFlight}, backing off ${backingOff}, done ${done}, retried ${retried}, dead ${dead}`;
}

// Lines of a log are read side by side: a running member is its number in flight.
function shortText({ id, state, inFlight }: MemberLine): string {
  return `${id} ${state === "running" ? inFlight : state}`;
}

function memberText({ id, language, state, inFlight }: MemberLine): string {
  return `${id} (${language}) ${state}, in flight ${inFlight}`;
}
