/**
 * A clock that knows which of its timers are pending.
 *
 * A process that ends by itself shows that no timer holds it; a timer that holds nothing is found only by counting.
 *
 * @module
 */

import { type Clock, systemClock, type Timer } from "../../src/core/clock.ts";

/** The system's clock, with its timers counted. */
export class CountingClock implements Clock {
  readonly #pending = new Set<Timer>();

  /** How many timers are pending. */
  get pending(): number {
    return this.#pending.size;
  }

  now(): number {
    return systemClock.now();
  }

  wallNow(): number {
    return systemClock.wallNow();
  }

  random(): number {
    return systemClock.random();
  }

  schedule(delayMs: number, fn: () => void): Timer {
    const inner = systemClock.schedule(delayMs, () => {
      this.#pending.delete(timer);
      fn();
    });
    const timer: Timer = {
      cancel: () => {
        this.#pending.delete(timer);
        inner.cancel();
      },
      ref: () => inner.ref(),
      unref: () => inner.unref(),
    };
    this.#pending.add(timer);
    return timer;
  }
}
