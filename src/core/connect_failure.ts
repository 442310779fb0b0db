/**
 * What a failed connect says to who waits for one.
 *
 * @module
 */

import type { Driver } from "./driver.ts";
import { ConnectError, messageOf } from "./errors.ts";
import type { PoolCounts } from "./stats.ts";

/**
 * Tells where a connect failed.
 *
 * @param error Why it failed.
 * @returns Whether the connection was not to be had, or its session not to be set up.
 */
export function phaseOf(error: unknown): "connect" | "session" {
  return error instanceof ConnectError && error.phase === "session" ? "session" : "connect";
}

/**
 * Tells whether the next attempt would fail alike, until somebody changes something.
 *
 * @param driver Knows the server's errors.
 * @param error Why the connect failed.
 * @returns Whether waiting is no use.
 */
export function isRejected<C>(driver: Pick<Driver<C>, "classify">, error: unknown): boolean {
  if (phaseOf(error) === "session") return error instanceof ConnectError && !error.retryable;
  return driver.classify(error) === "rejected";
}

/**
 * Makes the error for one of those who wait; each gets an object of its own.
 *
 * @param cause Why the connect failed.
 * @param retryable Whether the next attempt may fare better.
 * @param stats The pool's counts.
 * @returns The error.
 */
export function connectError(cause: unknown, retryable: boolean, stats: PoolCounts): ConnectError {
  if (phaseOf(cause) === "session" && cause instanceof ConnectError) {
    const { code, message, phase } = cause;
    return new ConnectError(message, { cause: cause.cause, code, phase, retryable, stats });
  }
  return new ConnectError(`Cannot connect: ${messageOf(cause)}`, { cause, retryable, stats });
}
