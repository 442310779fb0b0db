/**
 * The limit on every wait of a conformance kit: a promise that never settles must become a message.
 *
 * @module
 */

import { systemClock } from "../core/clock.ts";
import { ConformanceError } from "./expect.ts";

/**
 * Waits for something that a contract promises.
 *
 * @param promise What to wait for.
 * @param limitMs How long, in milliseconds of real time.
 * @param clause The clause that is broken if it never settles.
 * @returns Its result.
 * @throws {ConformanceError} If it does not settle within the limit.
 */
export function within<T>(promise: PromiseLike<T>, limitMs: number, clause: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = systemClock.schedule(limitMs, () => {
      reject(new ConformanceError(`${clause}: nothing happened within ${limitMs} ms`));
    });
    promise.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error) => {
        timer.cancel();
        reject(error);
      },
    );
  });
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
