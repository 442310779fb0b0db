/**
 * Cleaning a connection between two borrowers.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { ConnectionStatus, Driver, ResetLevel } from "./driver.ts";
import { type SessionSetup, setUpSession } from "./session_setup.ts";
import type { SteadyConnection } from "./steady_connection.ts";

/** What a pool does at every return. */
export interface CleaningOptions<C> {
  /** How much of a session's state is cleaned. */
  readonly reset: ResetLevel;
  /** What every new session was set up with. */
  readonly session: SessionSetup<C> | undefined;
  /** Deadline of setting it up again. */
  readonly connectTimeoutMs: number;
  /** Source of timers. */
  readonly clock: Clock;
}

/**
 * Tells how much has to be cleaned when a connection comes back.
 *
 * @param reset The pool's level.
 * @param status What the connection is doing: idle, or in a transaction.
 * @param shared Whether it was lent for single statements, which leave no state.
 * @returns The level; `"none"` if nothing has to be done.
 */
export function cleaningNeeded(
  reset: ResetLevel,
  status: ConnectionStatus,
  shared: boolean,
): ResetLevel {
  const thorough = reset === "session" || reset === "discard";
  if (status === "idle") return thorough && !shared ? reset : "none";
  // Nobody is lent the middle of somebody else's transaction.
  return thorough ? reset : "rollback";
}

/**
 * Cleans a connection. A session that is cleaned thoroughly has lost what it was set up with, too, so that is done again.
 *
 * @param driver The connection's driver.
 * @param steady Its owner.
 * @param level How much.
 * @param options What sessions are set up with.
 * @param signal Ends it early: the connection was lost.
 * @returns Whether it is clean and idle. Never rejected.
 */
export async function clean<C>(
  driver: Driver<C>,
  steady: SteadyConnection<C>,
  level: ResetLevel,
  options: CleaningOptions<C>,
  signal: AbortSignal,
): Promise<boolean> {
  const { connection } = steady;
  if (!await steady.reset(level) || connection === undefined) return false;
  const { session, connectTimeoutMs, clock } = options;
  if (session === undefined || level === "rollback") return true;
  try {
    await setUpSession(driver, connection, session, {
      clock,
      timeoutMs: connectTimeoutMs,
      signal,
      isLost: () => signal.aborted,
    });
  } catch {
    // Whatever the reason: the next borrower shall have a session that is set up, or none.
    return false;
  }
  return !signal.aborted;
}
