/**
 * Finds out by trying on how many connections single statements are served soonest.
 *
 * @module
 */

/** Fewest statements whose mean response time is one measurement; more, if more than half as many are in hand. */
const MEASURED = 192;
/** Fewest statements before them that are left out, as they were sent under the last setting; more, if so many are. */
const SETTLING = 64;
/** A setting is better when it takes at most this part of the time. */
const BETTER = 0.93;
/** The statements have changed when twice in a row they take this many times as long as they did. */
const CHANGED = 3;
/** Most measurements between two trials. */
const LONGEST_PAUSE = 64;

/**
 * Settles on the width with the shortest mean response time: 0 stands for a connection for each statement, a number for
 * that many connections shared by all.
 *
 * By trial, because no single measurement tells what is best: how long a statement takes on a connection depends on how
 * many others are served at the same time, and on who is the slowest of server, network and this process. Each trial
 * lasts a few hundred statements; those that fail become rarer.
 */
export class PipelineSearch {
  /** Widths from a connection for each statement to one for all. */
  readonly #ladder: readonly number[];
  #current = 0;
  /** Mean response time at `#current`, once measured. */
  #currentMs: number | undefined;
  /** The one under trial. */
  #trial: number | undefined;
  /** Which trial is next: one step narrower, two steps, one step wider. */
  #next = 0;
  /** Trials in a row that found nothing better. */
  #failures = 0;
  #untilTrial = 1;
  /** How often in a row statements took much longer than before. */
  #changes = 0;
  #completed = 0;
  #areaMs = 0;
  /** Ends of settling and of the measurement, counted in statements. */
  #settled = SETTLING;
  #end = SETTLING + MEASURED;

  /** @param max Most connections. */
  constructor(max: number) {
    const ladder = [0];
    for (let width = max; width >= 1; width = Math.floor(width / 2)) ladder.push(width);
    this.#ladder = ladder;
  }

  /** On how many connections to serve; 0 for one each. */
  get width(): number {
    return this.#ladder[this.#trial ?? this.#current] ?? 0;
  }

  /**
   * A statement is over.
   *
   * @param areaMs Time since the last call, times the number of statements in hand meanwhile (Little's law: summed up
   * and divided by the number of statements, that is the mean response time).
   * @param inHand How many statements are sent or wait.
   */
  completed(areaMs: number, inHand: number): void {
    const count = ++this.#completed;
    if (count <= this.#settled) return;
    this.#areaMs += areaMs;
    if (count < this.#end) return;
    const meanMs = this.#areaMs / (count - this.#settled);
    this.#completed = this.#areaMs = 0;
    if (this.#trial === undefined) this.#measured(meanMs);
    else this.#tried(this.#trial, meanMs);
    this.#settled = Math.max(SETTLING, inHand);
    this.#end = this.#settled + Math.max(MEASURED, 2 * inHand);
  }

  #measured(meanMs: number): void {
    const knownMs = this.#currentMs ?? meanMs;
    this.#changes = meanMs > CHANGED * knownMs ? this.#changes + 1 : 0;
    if (this.#changes === 1) return;
    if (this.#changes === 2) return this.#startOver();
    this.#currentMs = (knownMs + meanMs) / 2;
    if (--this.#untilTrial <= 0) this.#startTrial();
  }

  #startOver(): void {
    this.#current =
      this.#changes =
      this.#next =
      this.#failures =
        0;
    this.#currentMs = undefined;
    this.#untilTrial = 1;
  }

  #startTrial(): void {
    for (let turn = 0; turn < 3 && this.#trial === undefined; turn++) {
      const step = [1, 2, -1][this.#next % 3] ?? 1;
      this.#next++;
      const rung = this.#current + step;
      if (this.#ladder[rung] !== undefined) this.#trial = rung;
    }
  }

  #tried(rung: number, meanMs: number): void {
    this.#trial = undefined;
    if (meanMs < BETTER * (this.#currentMs ?? Infinity)) {
      this.#current = rung;
      this.#currentMs = meanMs;
      this.#failures = 0;
      // On in the same direction.
      this.#next--;
    } else this.#failures++;
    this.#untilTrial = Math.min(LONGEST_PAUSE, 2 ** (this.#failures >> 1));
  }
}
