import type { Dead } from "./dead.ts";
import type { Ready, Steps } from "./delivery.ts";
import type { SettleParts } from "./ends.ts";
import { changing } from "./ends.ts";
import { isUnreachable } from "./errors.ts";
import type { LedgerTransaction, RowWrite } from "./ledger/ledger.ts";
import { encodeResult } from "./result.ts";
import type { Settlement } from "./settle.ts";

/**
 * Ends the messages of a batch, each by its own outcome. With a transaction the rows of all that are done go in
 * with it: where one of them stands in the way everything is undone, and the handler runs again without that one.
 */
export class BatchSettlement {
  /** How often a batch whose transaction was undone is run before its messages are given back. */
  readonly rounds = 3;
  readonly #parts: SettleParts & {
    readonly steps: Steps;
    readonly dead: Dead;
    readonly settlement: Settlement;
  };

  constructor(
    parts: SettleParts & { readonly steps: Steps; readonly dead: Dead; readonly settlement: Settlement },
  ) {
    this.#parts = parts;
  }

  /** Settles by outcomes; gives back those whose handler has to run again. Never throws. */
  async settle(
    ready: readonly Ready[],
    outcomes: readonly unknown[],
    tx: LedgerTransaction | undefined,
  ): Promise<readonly Ready[]> {
    const { settlement, ledger } = this.#parts;
    const good: Ready[] = [];
    const writes: RowWrite[] = [];
    const others: Promise<void>[] = [];
    const plain = ledger.kind !== "postgres";
    for (const [i, one] of ready.entries()) {
      const { delivery } = one;
      const outcome = outcomes[i];
      if (tx !== undefined && isUnreachable(outcome)) {
        // The ledger's own database is away: no fault of the handler, no attempt.
        this.#parts.steps.broken(delivery.held, outcome);
        continue;
      }
      if (outcome instanceof Error) {
        // The transaction is the batch's: it is not undone for one message that failed.
        delivery.tx = undefined;
        others.push(this.#guard(one, settlement.threw(delivery, outcome)));
        continue;
      }
      const result = encodeResult(outcome);
      if (plain || !result.ok) {
        delivery.tx = undefined;
        const settled = settlement.returned(delivery, outcome);
        if (settled !== undefined) {
          others.push(this.#guard(one, settled));
        }
        continue;
      }
      good.push(one);
      const { message, lookUp } = delivery;
      writes.push({ message, lookUp, content: { status: "done", result: result.value } });
    }
    const again = good.length > 0 ? await this.#commit(good, writes, tx) : [];
    if (good.length === 0) {
      await tx?.rollback();
    }
    await Promise.all(others);
    return again;
  }

  /** The handler missed its deadline: every message of the batch has failed once. Never throws. */
  async deadline(ready: readonly Ready[], timeoutMs: number): Promise<void> {
    const cause = { errorClass: "DeadlineExceeded", error: `handler exceeded ${timeoutMs} ms` };
    await Promise.all(
      ready.map((one) => this.#guard(one, this.#parts.settlement.retry(one.delivery, cause))),
    );
  }

  /** The handler ended after its deadline: what it still committed is honoured. Never throws. */
  async settleLate(
    ready: readonly Ready[],
    outcomes: readonly unknown[] | undefined,
    tx: LedgerTransaction | undefined,
  ): Promise<readonly Ready[]> {
    const { settlement, ledger, steps } = this.#parts;
    const done = ready.filter((_, i) => {
      const outcome = outcomes?.[i];
      return outcomes !== undefined && !(outcome instanceof Error) && encodeResult(outcome).ok;
    });
    if (tx?.isOpen !== true) {
      await Promise.all(
        done.map((one) =>
          this.#guard(one, settlement.returnedLate(one.delivery, outcomes?.[ready.indexOf(one)])),
        ),
      );
      return [];
    }
    try {
      const writes = done.map((one): RowWrite => {
        const result = encodeResult(outcomes?.[ready.indexOf(one)]);
        const { message, lookUp } = one.delivery;
        return { message, lookUp, content: { status: "done", result: result.ok ? result.value : null } };
      });
      const written = done.length > 0 ? await ledger.writeAll(writes, tx) : [];
      if (done.length === 0) {
        await tx.rollback();
      } else if (written.every(Boolean)) {
        await Promise.all(done.map((one) => this.#guard(one, settlement.written(one.delivery))));
      }
    } catch (error) {
      for (const one of done) {
        steps.broken(one.delivery.held, error);
      }
    }
    return [];
  }

  /** Gives back what was undone too often. */
  giveUp(ready: readonly Ready[]): void {
    for (const { delivery } of ready) {
      this.#parts.steps.broken(delivery.held, changing(delivery));
    }
  }

  async #commit(
    good: readonly Ready[],
    writes: readonly RowWrite[],
    tx: LedgerTransaction | undefined,
  ): Promise<readonly Ready[]> {
    const { ledger, settlement } = this.#parts;
    try {
      const written = await ledger.writeAll(writes, tx);
      if (written.every(Boolean)) {
        await Promise.all(good.map((one) => this.#guard(one, settlement.written(one.delivery))));
        return [];
      }
      return await this.#withoutThoseInTheWay(good, written);
    } catch (error) {
      await Promise.all(good.map((one) => this.#notCommitted(one, error)));
      return [];
    }
  }

  /** An outage counts nothing; what the handler did and could not be committed is its failure. */
  async #notCommitted(one: Ready, error: unknown): Promise<void> {
    const { settlement, steps } = this.#parts;
    if (isUnreachable(error)) {
      steps.broken(one.delivery.held, error);
    } else {
      one.delivery.tx = undefined;
      await this.#guard(one, settlement.threw(one.delivery, error));
    }
  }

  /** Everything was undone. What the ledger has by now is settled by its row; the rest runs again. */
  async #withoutThoseInTheWay(
    good: readonly Ready[],
    written: readonly boolean[],
  ): Promise<readonly Ready[]> {
    const { dead } = this.#parts;
    const again: Ready[] = [];
    await Promise.all(
      good.map(async (one, i) => {
        if (written[i] === true) {
          again.push(one);
          return;
        }
        const decided = dead.isDecidedElsewhere(one.delivery).then((isDecided) => {
          if (!isDecided) {
            again.push(one);
          }
        });
        await this.#guard(one, decided);
      }),
    );
    return again;
  }

  /** Waits for an end; an outage gives the message back. */
  async #guard(one: Ready, settled: Promise<unknown> | undefined): Promise<void> {
    try {
      await settled;
    } catch (error) {
      this.#parts.steps.broken(one.delivery.held, error);
    }
  }
}
