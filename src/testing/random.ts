/**
 * Chance that can be had again: numbers from a seed.
 *
 * @module
 */

/**
 * Makes a generator of pseudo-random numbers (mulberry32): fast, well spread, the same for the same seed.
 *
 * @param seed Any number; its lowest 32 bits count.
 * @returns A function that gives numbers from 0 (inclusive) to 1 (exclusive).
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
