/**
 * The limit on every wait of a conformance kit: a promise that never settles must become a message.
 *
 * @module
 */

import { systemClock, type Timer } from "../core/clock.ts";
import { ConformanceError } from "./expect.ts";

/** A limit on waits, and those that are under way. */
export class Limit {
  readonly #ms: number;
  readonly #timers: Set<Timer> = new Set();

  /** @param ms How long each wait may take, in milliseconds of real time. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /**
   * Waits for something that a contract promises.
   *
   * @param promise What to wait for.
   * @param clause The clause that is broken if it never settles.
   * @returns Its result.
   * @throws {ConformanceError} If it does not settle within the limit.
   */
  wait<T>(promise: PromiseLike<T>, clause: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = systemClock.schedule(this.#ms, () => {
        this.#timers.delete(timer);
        reject(new ConformanceError(`${clause}: nothing happened within ${this.#ms} ms`));
      });
      this.#timers.add(timer);
      const stop = (): void => {
        this.#timers.delete(timer);
        timer.cancel();
      };
      promise.then((value) => {
        stop();
        resolve(value);
      }, (error) => {
        stop();
        reject(error);
      });
    });
  }

  /** Nobody waits any more: the limits of what has not settled are forgotten. */
  end(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}

/**
 * A wait whose limit is settled already.
 *
 * @param promise What to wait for.
 * @param clause The clause that is broken if it never settles.
 * @returns Its result.
 */
export type Wait = <T>(promise: PromiseLike<T>, clause: string) => Promise<T>;

/**
 * Lets everything run that waits for nothing but its turn.
 *
 * @param count How many turns of the event loop.
 * @returns Resolved afterwards.
 */
export function turns(count = 3): Promise<void> {
  let left = count;
  return new Promise((resolve) => {
    const next = (): void => {
      if (left-- === 0) resolve();
      else systemClock.schedule(0, next);
    };
    next();
  });
}
