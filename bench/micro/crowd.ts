/**
 * Many waiters at once.
 *
 * @module
 */

/** Counts waiters as they are settled. */
export class Crowd<L> {
  /** Fulfilled when the last waiter is settled. */
  readonly settled: Promise<void>;
  #open: number;
  #served = 0;
  #refused = 0;
  #finish: () => void = () => {};
  readonly #release: (lease: L) => void;

  /**
   * @param size How many will wait.
   * @param release Gives back what a waiter got.
   */
  constructor(size: number, release: (lease: L) => void) {
    this.#open = size;
    this.#release = release;
    this.settled = new Promise((resolve) => this.#finish = resolve);
  }

  /** How many got a connection. */
  get served(): number {
    return this.#served;
  }

  /** How many were rejected. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * Adds a waiter.
   *
   * @param acquired What `acquire` returned.
   */
  add(acquired: Promise<L>): void {
    acquired.then(this.#serve, this.#refuse);
  }

  readonly #serve = (lease: L): void => {
    this.#served++;
    this.#release(lease);
    if (--this.#open === 0) this.#finish();
  };

  readonly #refuse = (): void => {
    this.#refused++;
    if (--this.#open === 0) this.#finish();
  };
}
