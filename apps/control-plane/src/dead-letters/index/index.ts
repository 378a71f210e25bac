// The dead-letter index of a stream: built once, kept by a consumer, in line with the server whenever it is asked.
import { dlqStream } from "@muster/contracts";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "../../errors.ts";
import type { Nats } from "../../nats/connection.ts";
import { Build } from "./build.ts";
import type { Letters } from "./letters.ts";
import { SharedRun } from "../../shared-run.ts";
import type { IndexStatus } from "./status.ts";

/** How long an answer waits for an index that is being built, before it says so. */
const WAIT_MS = 3000;
/** Rows that are gone are kept until there are so many, and more than those that are there. */
const MANY_GONE = 100_000;

/** `manyGone`: rows that are gone before the stream is read anew, default 100,000. `onGone`: there is no such stream. */
export type IndexOptions = { manyGone?: number; onGone?: () => void };

/** What can be asked of the index now. `created`: of the stream, which may be made again under its name. */
export type View = { letters: Letters; created: string; status: IndexStatus };

/** One for each stream and connection; kept in memory only, so that any number of control planes may have theirs. */
export class DeadLetterIndex {
  readonly #nats: Nats;
  readonly #stream: string;
  readonly #options: Required<IndexOptions>;
  #build: Promise<Build> | undefined;
  #successor: Promise<void> | undefined;
  #asOf = 0;
  readonly #looks = { whole: this.#shared(false), exact: this.#shared(true) };

  constructor(nats: Nats, stream: string, options: IndexOptions = {}) {
    this.#nats = nats;
    this.#stream = stream;
    this.#options = { manyGone: MANY_GONE, onGone: () => undefined, ...options };
  }

  /**
   * The index with all letters that are there now, or as far as it is built after `waitMs` (default 3 s). `whole`: some
   * in it may be gone, each has to be read before it is shown; `exact`: none is. Throws `no_stream`, `nats_down`.
   */
  async view(need: "whole" | "exact", waitMs: number = WAIT_MS): Promise<View> {
    const until = Date.now() + waitMs;
    for (;;) {
      const build = await this.#begun();
      if (!(await this.#isReady(build, until - Date.now())))
        return viewOf(build, { state: "building", done: build.letters.size, of: build.of });
      const view = await this.#looks[need].next();
      // Without one the build was dropped, and another has begun.
      if (view !== undefined) return view;
    }
  }

  /**
   * As a `whole` view, waiting for as long as the building takes. Throws `nats_down` too where the end of the stream
   * does not come.
   */
  async complete(): Promise<View> {
    for (;;) {
      const view = await this.view("whole", 60_000);
      if (view.status.state === "ready") return view;
      if (view.status.state === "behind")
        throw fail("nats_down", `stream ${dlqStream(this.#stream)} does not give its messages; try again`);
    }
  }

  /** Takes out what this control plane has deleted itself. */
  forget(seq: number): void {
    void this.#build?.then(
      ({ letters }) => {
        const row = letters.rowAt(seq);
        if (row !== -1) letters.remove(row);
      },
      () => undefined,
    );
  }

  /** Has it built anew: a message was found to be another than the index has. */
  async distrust(letters: Letters): Promise<void> {
    const build = await this.#build?.catch(() => undefined);
    if (build?.letters === letters) await this.#drop(build);
  }

  #shared(isExact: boolean): SharedRun<View | undefined> {
    return new SharedRun(async () => {
      const build = await this.#begun();
      if (build.readyAt === 0) return undefined;
      const agreement = await build.agree(isExact).catch(async (error: unknown) => {
        if (isMissing(error)) {
          await this.#drop(build);
          this.#options.onGone();
        }
        throw error;
      });
      if (agreement.type === "stale") {
        await this.#drop(build);
        return undefined;
      }
      if (agreement.type === "agreed") this.#asOf = agreement.at;
      this.#renew(build);
      const as_of = new Date(Math.max(this.#asOf, build.readyAt)).toISOString();
      return viewOf(build, { state: agreement.type === "agreed" ? "ready" : "behind", as_of });
    });
  }

  #begun(): Promise<Build> {
    if (this.#build !== undefined) return this.#build;
    const build = Build.start(this.#nats, this.#stream);
    this.#build = build;
    build.catch((error: unknown) => {
      if (this.#build === build) this.#build = undefined;
      if (isMissing(error)) this.#options.onGone();
    });
    return build;
  }

  /** Whether it is built in the time; one that failed is begun anew by the next caller. */
  async #isReady(build: Build, waitMs: number): Promise<boolean> {
    if (build.readyAt > 0) return true;
    const waiting = new AbortController();
    const late = sleep(Math.max(0, waitMs), undefined, { signal: waiting.signal }).catch(() => undefined);
    try {
      await Promise.race([build.ready, late]);
    } catch (error) {
      await this.#drop(build);
      throw error;
    } finally {
      waiting.abort();
    }
    return build.readyAt > 0;
  }

  async #drop(build: Build): Promise<void> {
    if ((await this.#build?.catch(() => undefined)) === build) this.#build = undefined;
    await build.close();
  }

  /** Reads the stream anew where most rows are gone, and serves from the old ones meanwhile. */
  #renew(old: Build): void {
    const { size, live } = old.letters;
    if (size - live < Math.max(this.#options.manyGone, live) || this.#successor !== undefined) return;
    const renew = async () => {
      const build = await Build.start(this.#nats, this.#stream);
      if ((await build.ready) && (await this.#build) === old) {
        this.#build = Promise.resolve(build);
        await old.close();
      } else {
        await build.close();
      }
    };
    this.#successor = renew()
      .catch(() => undefined)
      .finally(() => (this.#successor = undefined));
  }
}

function viewOf({ letters, created }: Build, status: IndexStatus): View {
  return { letters, created, status };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "no_stream";
}
