/**
 * The pool's options: defaults and checks.
 *
 * @module
 */

import { type Clock, systemClock } from "./clock.ts";
import { checkDuration, checkInteger, checkNames, checkSignal, show } from "./validate.ts";

/** Options of a pool. Durations are milliseconds. */
export interface PoolOptions {
  /**
   * Most connections at any instant; those being opened, cleaned or closed count. Integer, at least 1.
   *
   * @default {10}
   */
  readonly max?: number;
  /**
   * Most acquires that may wait in the queue, not counting those that a connect under way will serve. Integer, at
   * least 0, or `Infinity`.
   *
   * @default {Infinity}
   */
  readonly maxWaiters?: number;
  /**
   * Deadline of an acquire over all its phases: queue, connect, session, check. `0`: never queue. `Infinity` allowed.
   *
   * @default {10_000}
   */
  readonly acquireTimeoutMs?: number;
  /**
   * Deadline of opening one connection, greater than 0.
   *
   * @default {10_000}
   */
  readonly connectTimeoutMs?: number;
  /**
   * Whether single statements may share a connection: `"auto"` pipelines them on few connections while they are short,
   * by measured service time; `"off"` gives each a connection of its own. Only where the driver can.
   *
   * @default {"auto"}
   */
  readonly multiplex?: "auto" | "off";
  /**
   * Most single statements in flight on one connection. Integer, at least 1.
   *
   * @default {64}
   */
  readonly maxPipeline?: number;
  /**
   * Source of time, timers and randomness.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
}

/** A pool's options, checked and complete. */
export type ResolvedPoolOptions = Required<PoolOptions>;

/** Options of one acquire. */
export interface AcquireOptions {
  /** Ends the wait; the rejection is the signal's own reason. */
  readonly signal?: AbortSignal;
  /**
   * Deadline of this acquire in milliseconds; `0`: never queue; `Infinity` allowed.
   *
   * @default {acquireTimeoutMs of the pool}
   */
  readonly timeoutMs?: number;
}

/** Options of closing a pool. */
export interface CloseOptions {
  /**
   * How long to wait for what is lent before it is destroyed, in milliseconds; at least 0, `Infinity` allowed.
   *
   * @default {5_000}
   */
  readonly timeoutMs?: number;
}

/** Default of {@linkcode CloseOptions.timeoutMs}. */
export const CLOSE_TIMEOUT_MS = 5_000;

/** Deadline of cleaning a connection after use, in milliseconds. */
export const RESET_TIMEOUT_MS = 2_000;

/** Names of {@linkcode PoolOptions}, so that drivers' entries can tell the pool's options from their own. */
export const POOL_OPTION_NAMES: ReadonlySet<string> = new Set<keyof PoolOptions>([
  "max",
  "maxWaiters",
  "acquireTimeoutMs",
  "connectTimeoutMs",
  "multiplex",
  "maxPipeline",
  "clock",
]);

const ACQUIRE_OPTION_NAMES: ReadonlySet<string> = new Set<keyof AcquireOptions>([
  "signal",
  "timeoutMs",
]);

const CLOSE_OPTION_NAMES: ReadonlySet<string> = new Set<keyof CloseOptions>(["timeoutMs"]);

/**
 * Checks a pool's options and fills in the defaults. An option that is `undefined` counts as not given.
 *
 * @param options What was received.
 * @returns All of them.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 * @throws {RangeError} If an option is out of range.
 */
export function resolvePoolOptions(options: PoolOptions = {}): ResolvedPoolOptions {
  const action = "create pool";
  checkNames(action, options, POOL_OPTION_NAMES);
  const {
    max = 10,
    maxWaiters = Infinity,
    acquireTimeoutMs = 10_000,
    connectTimeoutMs = 10_000,
    multiplex = "auto",
    maxPipeline = 64,
    clock = systemClock,
  } = options;
  if (!isClock(clock)) {
    throw new TypeError(`Cannot ${action} as clock must be a Clock: received ${show(clock)}`);
  }
  if (multiplex !== "auto" && multiplex !== "off") {
    throw new TypeError(
      `Cannot ${action} as multiplex must be "auto" or "off": received ${show(multiplex)}`,
    );
  }
  return {
    max: checkInteger(action, "max", max, 1, false),
    maxWaiters: checkInteger(action, "maxWaiters", maxWaiters, 0, true),
    acquireTimeoutMs: checkDuration(action, "acquireTimeoutMs", acquireTimeoutMs, {
      zero: true,
      infinity: true,
    }),
    connectTimeoutMs: checkDuration(action, "connectTimeoutMs", connectTimeoutMs, {
      zero: false,
      infinity: false,
    }),
    multiplex,
    maxPipeline: checkInteger(action, "maxPipeline", maxPipeline, 1, false),
    clock,
  };
}

function isClock(value: unknown): value is Clock {
  const clock = value as Partial<Clock> | null | undefined;
  return [clock?.now, clock?.wallNow, clock?.random, clock?.schedule]
    .every((method) => typeof method === "function");
}

/**
 * Checks the options of one acquire.
 *
 * @param options What was received.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 * @throws {RangeError} If an option is out of range.
 */
export function checkAcquireOptions(options: AcquireOptions): void {
  const action = "acquire a connection";
  checkNames(action, options, ACQUIRE_OPTION_NAMES);
  checkSignal(action, options.signal);
  if (options.timeoutMs !== undefined) {
    checkDuration(action, "timeoutMs", options.timeoutMs, { zero: true, infinity: true });
  }
}

/**
 * Checks the options of closing.
 *
 * @param options What was received.
 * @returns The time to wait, in milliseconds.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 * @throws {RangeError} If an option is out of range.
 */
export function resolveCloseTimeout(options: CloseOptions = {}): number {
  const action = "close pool";
  checkNames(action, options, CLOSE_OPTION_NAMES);
  const { timeoutMs = CLOSE_TIMEOUT_MS } = options;
  return checkDuration(action, "timeoutMs", timeoutMs, { zero: true, infinity: true });
}
