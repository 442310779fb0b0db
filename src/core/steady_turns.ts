/**
 * One unit of work at a time, in the order in which they were asked for.
 *
 * @module
 */

interface TurnWaiter {
  readonly serve: () => void;
  readonly refuse: (error: unknown) => void;
}

/** A right that one has at a time, and others wait for in order. */
export class Turns {
  readonly #waiting = new Set<TurnWaiter>();
  #taken = false;

  /** Whether somebody has the turn. */
  get taken(): boolean {
    return this.#taken;
  }

  /**
   * Takes the turn if nobody has it.
   *
   * @returns Whether it was taken. Who took it has to pass it on.
   */
  tryTake(): boolean {
    if (this.#taken) return false;
    this.#taken = true;
    return true;
  }

  /**
   * Waits for the turn.
   *
   * @param signal Ends the wait; the rejection is its own reason.
   * @returns Resolved when it is the caller's turn, who has to pass it on.
   */
  take(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.tryTake()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiting.delete(waiter);
        signal?.removeEventListener("abort", onAbort);
      };
      const waiter: TurnWaiter = {
        serve: () => (done(), resolve()),
        refuse: (error) => (done(), reject(error)),
      };
      const onAbort = (): void => waiter.refuse(signal?.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }

  /** Passes the turn on to who waits longest. */
  pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#taken = false;
    else next.serve();
  }

  /**
   * Sends away all who wait.
   *
   * @param makeError Makes an error for each.
   */
  refuse(makeError: () => Error): void {
    for (const waiter of [...this.#waiting]) waiter.refuse(makeError());
  }
}
