/**
 * What is done on every new physical connection before anybody may use it.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { Driver } from "./driver.ts";
import { ConnectError, messageOf } from "./errors.ts";
import { show } from "./validate.ts";

/**
 * Set-up of a session: statements in the database's language, executed in order; or a function that does what it likes
 * with the connection, as long as it leaves no transaction open.
 */
export type SessionSetup<C> =
  | string
  | readonly string[]
  | ((connection: C) => void | PromiseLike<void>);

/** What a set-up runs with. */
export interface SessionSetupContext {
  /** Source of timers. */
  readonly clock: Clock;
  /** Deadline in milliseconds. */
  readonly timeoutMs: number;
  /** Ends it early: the connection was lost, or is wanted no more; then its reason becomes the rejection. */
  readonly signal: AbortSignal;
  /** Whether the connection was lost meanwhile. */
  readonly isLost: () => boolean;
}

/**
 * Checks a set-up.
 *
 * @param action What is being done, for the message.
 * @param value What was received.
 * @throws {TypeError} If it is neither text, nor a list of texts, nor a function.
 */
export function checkSession(action: string, value: unknown): void {
  if (value === undefined || typeof value === "string" || typeof value === "function") return;
  if (Array.isArray(value) && value.every((text) => typeof text === "string")) return;
  throw new TypeError(
    `Cannot ${action} as session must be a string, an array of strings, or a function: received ${
      show(value)
    }`,
  );
}

/**
 * Sets a new connection up. The caller destroys the connection when this rejects.
 *
 * @param driver The connection's driver.
 * @param connection New, and idle.
 * @param setup What to do.
 * @param context Deadline and signal.
 * @throws {ConnectError} Of phase `"session"`, with the error as its cause; retryable only if another attempt may end
 * otherwise.
 */
export async function setUpSession<C>(
  driver: Driver<C>,
  connection: C,
  setup: SessionSetup<C>,
  context: SessionSetupContext,
): Promise<void> {
  const { clock, timeoutMs, signal, isLost } = context;
  const timeoutError = (): ConnectError =>
    new ConnectError(`Cannot set the session up as it took longer than ${timeoutMs} ms`, {
      code: "CONNECT_TIMEOUT",
      phase: "session",
      retryable: true,
    });
  try {
    await withDeadline((signal) => run(driver, connection, setup, signal), {
      clock,
      timeoutMs,
      signal,
      timeoutError,
    });
  } catch (error) {
    if (signal.aborted && !isLost()) throw signal.reason;
    if (error instanceof ConnectError && error.phase === "session") throw error;
    throw failed(error, isLost() || (typeof setup !== "function" && mayPass(driver, error)));
  }
  const status = driver.status(connection);
  if (status === "idle") return;
  throw failed(new Error(`it left the connection ${JSON.stringify(status)}`), isLost());
}

async function run<C>(
  driver: Driver<C>,
  connection: C,
  setup: SessionSetup<C>,
  signal: AbortSignal,
): Promise<void> {
  if (typeof setup === "function") return await setup(connection);
  const texts = typeof setup === "string" ? [setup] : setup;
  for (const text of texts) {
    await driver.execute(connection, { verb: "session", text }, { signal });
    // Given up in this very turn: the next statement must not leave any more.
    signal.throwIfAborted();
  }
}

/** Whether the next attempt may fare better: not when the server refused the statement itself. */
function mayPass<C>(driver: Driver<C>, error: unknown): boolean {
  const meaning = driver.classify(error);
  return meaning !== "statement" && meaning !== "rejected";
}

function failed(cause: unknown, retryable: boolean): ConnectError {
  return new ConnectError(`Cannot set the session up: ${messageOf(cause)}`, {
    cause,
    phase: "session",
    retryable,
  });
}
