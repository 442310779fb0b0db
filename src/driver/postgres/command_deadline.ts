/**
 * Deadlines of commands of the driver's own that begin and end transactions.
 *
 * @module
 */

import type { Clock } from "../../core/clock.ts";

/** Until when a command is to be over. */
export interface CommandDeadline {
  /** Source of timers. */
  readonly clock: Pick<Clock, "schedule">;
  /** How long it may take, what is sent before it included, in milliseconds. */
  readonly timeoutMs: number;
  /**
   * Makes the error of one that took longer.
   *
   * @param isSent Whether it left this process; if so its connection is closed.
   * @returns The error.
   */
  readonly error: (isSent: boolean) => Error;
}

/**
 * Starts a deadline.
 *
 * @param deadline Which, if there is any.
 * @param passed Called when it passes.
 * @returns Ends it.
 */
export function startDeadline(
  deadline: CommandDeadline | undefined,
  passed: (deadline: CommandDeadline) => void,
): () => void {
  if (deadline === undefined || deadline.timeoutMs === Infinity) return nothing;
  const { clock, timeoutMs } = deadline;
  const timer = clock.schedule(Math.max(0, timeoutMs), () => passed(deadline));
  return () => timer.cancel();
}

function nothing(): void {}
