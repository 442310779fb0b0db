/**
 * How many connections are needed.
 *
 * @module
 */

/** Shortest span that is looked at, in milliseconds; a shorter one tells of chance. */
const SPAN_MS = 10_000;
/** Spans that ended longer ago are forgotten, in milliseconds. */
const MEMORY_MS = 60_000;

/** What a pool has done so far. */
export interface Work {
  /** Time, in the clock's monotonic milliseconds. */
  readonly at: number;
  /** For how long connections were in use, all together, in milliseconds. */
  readonly usedMs: number;
  /** How many asked for one: those who got one, those who got none, those who wait. */
  readonly asked: number;
  /** How many got one. */
  readonly served: number;
}

/**
 * Suggests a size by Little's law. In each of the last spans of ten seconds or more, λ is the number of acquires per
 * second, served or not, and W the mean time for which one has a connection: L = λ·W connections would be in use on
 * average if nobody had to wait. As arrivals come by chance, so many are in use at an instant within L ± 2·√L, nearly
 * always. Of the busiest span of the last minute the upper end of that is suggested.
 */
export class Suggestion {
  readonly #marks: Work[] = [];

  /**
   * Looks at what was done; to be called every now and then.
   *
   * @param work Sums since the pool was made.
   */
  look(work: Work): void {
    const marks = this.#marks;
    const last = marks.at(-1);
    if (last !== undefined && work.at - last.at < SPAN_MS) return;
    marks.push(work);
    // The mark before the first that is recent enough is where a recent span began.
    while ((marks[1]?.at ?? Infinity) < work.at - MEMORY_MS) marks.shift();
  }

  /** The size; `undefined` before the first ten seconds are over. */
  get size(): number | undefined {
    const marks = this.#marks;
    if (marks.length < 2) return undefined;
    let most = 0;
    for (const [index, end] of marks.entries()) {
      const begin = marks[index - 1];
      if (begin !== undefined) most = Math.max(most, meanInUse(begin, end));
    }
    return Math.max(1, Math.ceil(most + 2 * Math.sqrt(most)));
  }
}

/** How many connections would have been in use on average if all had been served. */
function meanInUse(begin: Work, end: Work): number {
  const inUse = (end.usedMs - begin.usedMs) / (end.at - begin.at);
  const served = end.served - begin.served;
  // Who waited at the beginning was served within: more may have been served than asked.
  return served === 0 ? inUse : inUse * Math.max(1, (end.asked - begin.asked) / served);
}
