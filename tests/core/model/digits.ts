/**
 * A number, read digit by digit.
 *
 * @module
 */

/** Draws from a number's digits: 0 draws the first of everything. */
export class Digits {
  #rest: number;

  /** @param number The number; whole, not negative. */
  constructor(number: number) {
    this.#rest = number;
  }

  /**
   * Draws a number.
   *
   * @param limit What it is below.
   * @returns The number, from 0.
   */
  below(limit: number): number {
    const digit = this.#rest % limit;
    this.#rest = Math.floor(this.#rest / limit);
    return digit;
  }

  /**
   * Draws one of several.
   *
   * @param list The several.
   * @returns One of them.
   */
  of<T>(...list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }
}
