/**
 * Runs work again that failed, after a pause.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";

/** Longest pause after the first failure, in milliseconds; it doubles with each. */
const FIRST_PAUSE_MS = 10;
/** Longest pause of all, in milliseconds. */
const LONGEST_PAUSE_MS = 1_000;

/** How work is run again. */
export interface RetryOptions {
  /** Source of timers and chance. */
  readonly clock: Clock;
  /** Ends a pause; the rejection is its own reason. */
  readonly signal: AbortSignal | undefined;
  /** How often at most. */
  readonly retries: number;
  /** Whether an error is worth another attempt. */
  readonly mayRetry: (error: unknown) => boolean;
}

/**
 * Runs work, and again as long as it fails of what may pass. Pauses are of random length, so that those who were in each
 * other's way are not again.
 *
 * @param work What to run.
 * @param options How.
 * @returns What the work returns; rejects with the last error.
 */
export async function retrying<R>(work: () => Promise<R>, options: RetryOptions): Promise<R> {
  const { clock, signal, retries, mayRetry } = options;
  for (let failures = 0;; failures++) {
    try {
      return await work();
    } catch (error) {
      if (failures >= retries || !mayRetry(error)) throw error;
      const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
      await pause(clock, longest * clock.random(), signal);
    }
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.schedule(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
