/**
 * A clock whose timers belong to nobody.
 *
 * @module
 */

import type { Clock, Timer } from "./clock.ts";
import type { Runtime } from "./runtime.ts";

/**
 * Sets its timers in nobody's context. A timer keeps the context in which it was set, and with it the store of whichever
 * caller came by, for as long as it waits; and all that it does later would be done in the name of that caller.
 */
export class RootClock implements Clock {
  readonly #clock: Clock;
  readonly #runtime: Pick<Runtime, "root">;

  /**
   * @param clock Source of time, timers and randomness.
   * @param runtime Knows the way out of every context.
   */
  constructor(clock: Clock, runtime: Pick<Runtime, "root">) {
    this.#clock = clock;
    this.#runtime = runtime;
  }

  now(): number {
    return this.#clock.now();
  }

  wallNow(): number {
    return this.#clock.wallNow();
  }

  random(): number {
    return this.#clock.random();
  }

  schedule(delayMs: number, fn: () => void): Timer {
    return this.#runtime.root(() => this.#clock.schedule(delayMs, fn));
  }
}
