/**
 * Work put off to the end of this turn of the event loop, so that what many messages want is done once:
 * acks and the next request then leave in one write, where one by one each would be a write of its own.
 */
export class Turn {
  readonly #work = new Set<() => void>();
  #isScheduled = false;

  /** Runs `work` once at the end of the turn, however often it is asked for. Same function, same work. */
  atEnd(work: () => void): void {
    this.#work.add(work);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(this.#run);
    }
  }

  readonly #run = (): void => {
    this.#isScheduled = false;
    const work = [...this.#work];
    this.#work.clear();
    for (const one of work) {
      one();
    }
  };
}
