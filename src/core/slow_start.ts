/**
 * How many connects may be under way after a recovery.
 *
 * @module
 */

/**
 * Lets a server that is back come to itself: one connect at a time at first, and for each that succeeds one more. So
 * their number doubles from round to round, whether the pool has ten connections or a hundred.
 */
export class SlowStart {
  readonly #sizes: { readonly max: number };
  #limit = Infinity;

  /** @param sizes Most connections of the pool: as many connects at a time are no limit. */
  constructor(sizes: { readonly max: number }) {
    this.#sizes = sizes;
  }

  /** Most connects that may be under way. */
  get limit(): number {
    return this.#limit;
  }

  /** The server was lost. */
  begin(): void {
    this.#limit = 1;
  }

  /** A connect succeeded. */
  succeeded(): void {
    if (this.#limit === Infinity) return;
    this.#limit++;
    if (this.#limit >= this.#sizes.max) this.#limit = Infinity;
  }

  /** What was before does not matter any more. */
  forget(): void {
    this.#limit = Infinity;
  }
}
