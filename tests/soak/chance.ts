/**
 * Chance from a seed, in the forms that the soak needs.
 *
 * @module
 */

import { seededRandom } from "../../src/testing/random.ts";

/** Draws from a seed: the same seed gives the same draws. */
export class Chance {
  readonly #random: () => number;

  /**
   * @param seed Of the run.
   * @param stream Which of its streams: each has draws of its own, whatever the others do.
   */
  constructor(seed: number, stream: number) {
    // The golden ratio keeps streams of neighbouring seeds apart.
    this.#random = seededRandom(Math.imul(stream + 1, 0x9e3779b1) ^ seed);
    // The first draws of similar seeds are similar.
    for (let i = 0; i < 4; i++) this.#random();
  }

  /** @returns From 0 (inclusive) to 1 (exclusive). */
  unit(): number {
    return this.#random();
  }

  /**
   * @param from The least.
   * @param to The most.
   * @returns An integer.
   */
  integer(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }

  /**
   * @param items At least one.
   * @returns One of them.
   */
  pick<T>(items: readonly [T, ...T[]]): T {
    return items[Math.floor(this.#random() * items.length)] ?? items[0];
  }

  /**
   * @param items With weights.
   * @returns One of them, more often the heavier.
   */
  weighted<T extends { readonly weight: number }>(items: readonly [T, ...T[]]): T {
    let rest = this.#random() * items.reduce((sum, { weight }) => sum + weight, 0);
    return items.find(({ weight }) => (rest -= weight) < 0) ?? items[0];
  }

  /**
   * @param items Anything.
   * @returns The same in another order.
   */
  shuffled<T>(items: readonly T[]): T[] {
    const keyed = items.map((item) => ({ item, key: this.#random() }));
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
  }
}
