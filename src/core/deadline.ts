/**
 * A deadline around one asynchronous operation, for operations that may never answer.
 *
 * @module
 */

import type { Clock } from "./clock.ts";

/** How {@linkcode withDeadline} runs an operation. */
export interface DeadlineOptions<T> {
  /** Source of timers. */
  readonly clock: Clock;
  /** Deadline in milliseconds. */
  readonly timeoutMs: number;
  /** Ends the operation early; its reason becomes the rejection. */
  readonly signal?: AbortSignal | undefined;
  /** Makes the error for a passed deadline. */
  readonly timeoutError: () => Error;
  /** Receives a result that came after the deadline, so that it can be disposed of. */
  readonly onLate?: (value: T) => void;
}

/**
 * Runs `operation` and settles at the deadline at the latest, whether the operation heeds its signal or not.
 *
 * @param operation What to run; its signal aborts at the deadline.
 * @param options Deadline, outer signal, what to do with a late result.
 * @returns The operation's result; rejects with the timeout error, or the outer signal's reason.
 */
export function withDeadline<T>(
  operation: (signal: AbortSignal) => Promise<T>,
  options: DeadlineOptions<T>,
): Promise<T> {
  const { clock, signal, onLate } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    let settled = false;
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
      return true;
    };
    const giveUp = (reason: unknown): void => {
      if (!settle()) return;
      // Rejected first: an operation that heeds its signal at once must not win with its own error.
      reject(reason);
      controller.abort(reason);
    };
    const onAbort = (): void => giveUp(signal?.reason);
    const timer = clock.schedule(options.timeoutMs, () => giveUp(options.timeoutError()));
    signal?.addEventListener("abort", onAbort, { once: true });
    let running: Promise<T>;
    try {
      running = operation(controller.signal);
    } catch (error) {
      running = Promise.reject(error);
    }
    running.then(
      (value) => settle() ? resolve(value) : onLate?.(value),
      (error) => {
        if (settle()) reject(error);
      },
    );
  });
}
