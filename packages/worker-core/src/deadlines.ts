/** Something that has to end by a time. */
export interface Due {
  /** By `performance.now()`. */
  readonly dueAt: number;
  /** Called once when the time has come. */
  onDue(): void;
}

/** Deadlines of many runs on one timer: a timer for each message would cost more than most handlers. */
export class Deadlines {
  readonly #due = new Set<Due>();
  #timer: NodeJS.Timeout | undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  add(due: Due): void {
    this.#due.add(due);
    if (due.dueAt < this.#armedFor) {
      this.#arm(due.dueAt);
    }
  }

  /** Ends the watch over what has ended in time. */
  delete(due: Due): void {
    this.#due.delete(due);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#due.clear();
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#armedFor = at;
    this.#timer = setTimeout(this.#look, Math.max(1, Math.ceil(at - performance.now())));
  }

  readonly #look = (): void => {
    const time = performance.now();
    this.#armedFor = Number.POSITIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    for (const due of this.#due) {
      if (due.dueAt <= time) {
        this.#due.delete(due);
        due.onDue();
      } else {
        next = Math.min(next, due.dueAt);
      }
    }
    if (next < this.#armedFor) {
      this.#arm(next);
    }
  };
}
