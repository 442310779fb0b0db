/**
 * How long things took, in fixed memory.
 *
 * @module
 */

/** What is known of many durations, in milliseconds. */
export interface DurationStats {
  /** How many there were. */
  readonly count: number;
  /** All of them together. */
  readonly sum: number;
  /** The longest. */
  readonly max: number;
  /** Half of them were no longer, within an eighth or so. */
  readonly p50: number;
  /** Nine in ten were no longer. */
  readonly p90: number;
  /** Ninety-nine in a hundred were no longer. */
  readonly p99: number;
}

/** Buckets of each power of two: the bounds of a bucket are at most a quarter apart. */
const PARTS = 4;
/** Durations below are buckets of their own, 0 left out. */
const EXACT = 4;
/** The longest that is told from longer ones: 2^31 ms, 24 days. */
const HIGHEST = 2 ** 31 - 1;
const SIZE = EXACT + PARTS * 29;

/**
 * Counts durations of whole milliseconds in buckets that grow with the duration: one kilobyte, however many there are. It
 * is cheap enough for every lease; a duration of 0, as most are, costs an increment.
 */
export class Histogram {
  #zeros = 0;
  #sum = 0;
  #max = 0;
  readonly #buckets = new Float64Array(SIZE);

  /** All durations together, in milliseconds. */
  get sum(): number {
    return this.#sum;
  }

  /**
   * Counts one.
   *
   * @param ms The duration, a whole number of milliseconds; a negative one counts as 0.
   */
  record(ms: number): void {
    if (ms <= 0) this.#zeros++;
    else this.#count(ms);
  }

  #count(ms: number): void {
    this.#sum += ms;
    if (ms > this.#max) this.#max = ms;
    const index = indexOf(Math.min(ms, HIGHEST));
    this.#buckets[index] = (this.#buckets[index] ?? 0) + 1;
  }

  /**
   * Sums up.
   *
   * @param more How many durations of 0 there were besides, which nobody recorded.
   * @returns What is known of all.
   */
  stats(more = 0): DurationStats {
    const zeros = this.#zeros + more;
    const count = zeros + this.#long();
    const at = (share: number): number => this.#quantile(share * count - zeros);
    return {
      count,
      sum: this.#sum,
      max: this.#max,
      p50: at(0.5),
      p90: at(0.9),
      p99: at(0.99),
    };
  }

  /** How many were not 0. */
  #long(): number {
    let count = 0;
    const last = indexOf(Math.min(this.#max, HIGHEST));
    for (let index = 0; index <= last; index++) count += this.#buckets[index] ?? 0;
    return count;
  }

  /** The duration that so many are no longer than, between the bounds of its bucket. */
  #quantile(rank: number): number {
    let left = rank;
    if (left <= 0) return 0;
    const last = indexOf(Math.min(this.#max, HIGHEST));
    for (let index = 0; index <= last; index++) {
      const count = this.#buckets[index] ?? 0;
      if (left <= count) {
        const low = lowerBound(index);
        const high = Math.min(lowerBound(index + 1) - 1, this.#max);
        return low + Math.max(0, high - low) * left / count;
      }
      left -= count;
    }
    return this.#max;
  }
}

/** Which bucket counts a duration from 1 to {@linkcode HIGHEST}. */
function indexOf(ms: number): number {
  if (ms < EXACT) return ms;
  const power = 31 - Math.clz32(ms);
  return EXACT + PARTS * (power - 2) + ((ms >> (power - 2)) & (PARTS - 1));
}

/** The shortest duration that a bucket counts. */
function lowerBound(index: number): number {
  if (index < EXACT) return index;
  const power = Math.floor((index - EXACT) / PARTS) + 2;
  return (PARTS + (index - EXACT) % PARTS) * 2 ** (power - 2);
}
