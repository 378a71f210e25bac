// One run for all who wait: whoever comes while it runs gets the next one, which began after they came.

/** Runs `run` for its callers, one at a time. */
export class SharedRun<T> {
  readonly #run: () => Promise<T>;
  #running: Promise<T> | undefined;
  #queued: Promise<T> | undefined;

  constructor(run: () => Promise<T>) {
    this.#run = run;
  }

  /** The result of a run that begins now or later, never of one that began before. */
  next(): Promise<T> {
    // First: it is still to begin also when the one before it has ended already.
    if (this.#queued !== undefined) return this.#queued;
    if (this.#running === undefined) return this.#begin();
    const begin = () => this.#begin();
    this.#queued = this.#running.then(begin, begin);
    return this.#queued;
  }

  #begin(): Promise<T> {
    this.#queued = undefined;
    const running = this.#run().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
