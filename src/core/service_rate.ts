/**
 * How fast those who wait are served.
 *
 * @module
 */

import type { Clock } from "./clock.ts";

/** How many make half a window. */
const HALF = 64;
/** From how few nothing is concluded. */
const FEWEST = 32;
/** How many times too long an estimate has to be: those ahead may give up, and the pool may get faster. */
const MARGIN = 1.25;

/**
 * Measures how fast waiters are served while there are always some: the last 64 to 128 of them count. When nobody waits
 * any more all is forgotten, as then nobody knows how fast it could be.
 */
export class ServiceRate {
  readonly #clock: Pick<Clock, "now">;
  #before: { readonly since: number; readonly count: number } | undefined;
  #since: number | undefined;
  #count = 0;

  /** @param clock Source of time. */
  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /**
   * Somebody who waited was served.
   *
   * @param waiting How many still wait.
   */
  served(waiting: number): void {
    if (waiting === 0) return this.forget();
    // The first one may have waited for anything: it only starts the watch.
    if (this.#since === undefined) {
      this.#since = this.#clock.now();
      return;
    }
    if (++this.#count < HALF) return;
    this.#before = { since: this.#since, count: this.#count };
    this.#since = this.#clock.now();
    this.#count = 0;
  }

  /** What was measured is no measure any more. */
  forget(): void {
    this.#before = this.#since = undefined;
    this.#count = 0;
  }

  /**
   * Tells how long a newcomer will wait, if that is surely too long.
   *
   * @param ahead How many are served before.
   * @param timeoutMs Its deadline, in milliseconds from now.
   * @returns The time in milliseconds; `undefined` if it may make its deadline, or nobody knows.
   */
  tooLongMs(ahead: number, timeoutMs: number): number | undefined {
    const since = this.#before?.since ?? this.#since;
    const count = this.#count + (this.#before?.count ?? 0);
    if (since === undefined || ahead === 0 || count < FEWEST) return undefined;
    const waitMs = (this.#clock.now() - since) / count * (ahead + 1);
    return waitMs > MARGIN * timeoutMs ? Math.round(waitMs) : undefined;
  }
}
