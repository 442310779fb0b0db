/**
 * Waiting for what nothing holds the process for.
 *
 * @module
 */

/** Longer than any test: only the timer itself matters, not its ticks. */
const TICK_MS = 60_000;

/**
 * Holds the process while a promise is pending. Idle connections do not hold it, on purpose: a test that waits until one
 * of them is lost would end before it hears of it.
 *
 * @param promise What is waited for.
 * @returns What the promise resolves to.
 */
export async function held<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, TICK_MS);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
  }
}
