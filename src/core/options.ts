/**
 * The pool's options: defaults and checks.
 *
 * @module
 */

import { type Clock, systemClock } from "./clock.ts";
import type { ResetLevel } from "./driver.ts";
import { checkObserver, type PoolObserver } from "./observer.ts";
import type { Runtime } from "./runtime.ts";
import { checkSession, type SessionSetup } from "./session_setup.ts";
import {
  checkAtMost,
  checkDuration,
  checkInteger,
  checkNames,
  checkSignal,
  checkWord,
  show,
} from "./validate.ts";

/** Options of a pool of connections of type `C`. Durations are milliseconds. */
export interface PoolOptions<C = unknown> {
  /**
   * Most connections at any instant; those being opened, cleaned or closed count. Integer, at least 1; 1 for a driver
   * whose `sharing` is `"single"`.
   *
   * @default {10, or 1 for a driver whose sharing is "single"}
   */
  readonly max?: number;
  /**
   * Connections that are kept idle beside those that are lent, as far as `max` allows: opened in the background, from the
   * start, and again when one is lost, closed or lent. Integer, at least 0, at most `maxIdle` and `max`.
   *
   * @default {0}
   */
  readonly minIdle?: number;
  /**
   * Most connections that are kept idle: one that comes back beyond it, while nobody waits, is closed. Integer, at least
   * `minIdle`, at most `max`.
   *
   * @default {max, and follows it when that is changed}
   */
  readonly maxIdle?: number;
  /**
   * Most connects under way at any instant, those that are being given up included. Integer, at least 1.
   *
   * @default {max, and follows it when that is changed}
   */
  readonly maxPendingConnects?: number;
  /**
   * Most acquires that may wait in the queue, not counting those that a connect under way will serve. Integer, at
   * least 0, or `Infinity`.
   *
   * @default {Infinity}
   */
  readonly maxWaiters?: number;
  /**
   * Most connections that are shared by leases of `acquireShared()`, within {@linkcode PoolOptions.max}: at any instant no
   * more of them take such leases. Counted is also one that is busy or being asked for a sign of life; not one that takes no
   * more, as it is to be replaced, gave no sign of life, or was left in a transaction by somebody: those who have it keep
   * it, another is shared in its place, and it takes leases again only when that makes no more. Integer, at least 0. `0`:
   * none is, and each of these leases has a connection of its own; so it is also with drivers whose `sharing` is not
   * `"multiplex"`, as `stats().sharing` tells.
   *
   * @default {0}
   */
  readonly maxShared?: number;
  /**
   * Connections of {@linkcode PoolOptions.max} that only acquires with `priority: "high"` may take, so that a health check
   * gets through when all others wait. Integer, at least 0 and less than `max`.
   *
   * @default {0}
   */
  readonly reserved?: number;
  /**
   * What becomes of an acquire that cannot make its deadline at the rate at which those before it are served: `"queue"`:
   * it waits all the same, as the rate may change; `"refuse"`: it is rejected at once with an `AcquireTimeoutError` of
   * phase `"queue"` that says how long it would have to wait. Never where that is not sure, as when few were served.
   *
   * @default {"queue"}
   */
  readonly lateWaiters?: "queue" | "refuse";
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
   * Done on every new connection before anybody is lent it, and again after every cleaning of level `"session"` or
   * `"discard"`, which undoes it: statements in the database's language, or a function, which must leave no transaction
   * open. If it fails, acquires are rejected with a `ConnectError` of phase `"session"` and that error as its cause.
   */
  readonly session?: SessionSetup<C>;
  /**
   * How much of a session's state is cleaned when a connection comes back, off the caller's path: `"rollback"`: only an
   * open transaction is rolled back, so that **the next borrower gets whatever was SET, temporary tables, session-level
   * locks and LISTEN**; `"session"`: all of that is cleaned, too, prepared statements are kept; `"discard"`: all. With
   * `"none"` no connection is lent in the middle of a transaction either. Only exclusive leases are cleaned after:
   * **what a single statement leaves on a connection is not cleaned after it, at any level**, be it a `SET`, a
   * `set_config(…)` for the session, or a session-level advisory lock (`select pg_advisory_lock(…)`), and whoever gets or
   * shares the connection next finds it. Use a lease for them.
   *
   * @default {"rollback"}
   */
  readonly reset?: ResetLevel;
  /**
   * How long a connection may be idle and be lent without asking the server for a sign of life, in milliseconds. `0`: it
   * is always asked. `Infinity`: never because of idleness; after a loss, and when the machine slept, it is still asked.
   *
   * @default {1_000}
   */
  readonly checkAfterIdleMs?: number;
  /**
   * Deadline of such a check, greater than 0; a connection that gives no answer is destroyed.
   *
   * @default {2_000}
   */
  readonly checkTimeoutMs?: number;
  /**
   * How long a connection may be idle and unused before it is closed, in milliseconds, but for as many as `minIdle`;
   * greater than 0, `Infinity` allowed. While the server cannot be had none is closed for that.
   *
   * @default {300_000}
   */
  readonly idleTimeoutMs?: number;
  /**
   * How long a connection may be idle without a sign of life from the server, in milliseconds, before it is asked for one;
   * it is destroyed if none comes within `checkTimeoutMs`. That is no use: `idleTimeoutMs` runs on. One is asked at a time;
   * greater than 0, `Infinity`: never.
   *
   * @default {Infinity}
   */
  readonly keepaliveMs?: number;
  /**
   * Age at which a connection is replaced when nobody uses it, less 0–10 % by chance; greater than 0, `Infinity` allowed.
   * While the server cannot be had old ones are better than none, and are kept.
   *
   * @default {1_800_000}
   */
  readonly maxLifetimeMs?: number;
  /**
   * Uses after which a connection is replaced: leases, and single statements that share it. Integer, at least 1, or
   * `Infinity`. Kept like {@linkcode PoolOptions.maxLifetimeMs}.
   *
   * @default {Infinity}
   */
  readonly maxUses?: number;
  /**
   * What becomes of acquires while the server cannot be had and no connection is left that could come back: `"wait"`: they
   * wait within their deadline; `"fail-fast"`: they are rejected at once with a retryable `ConnectError` whose cause is the
   * last failure, but for one after each pause, which waits for the attempt that it starts.
   *
   * @default {"wait"}
   */
  readonly unavailable?: "wait" | "fail-fast";
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
   * @default {256}
   */
  readonly maxPipeline?: number;
  /** Watches the pool: an object of callbacks, one for each kind of event. One that throws hurts nobody. */
  readonly observer?: PoolObserver;
  /**
   * Name of the pool, for people: not empty. Where another pool of this process has it, a number is added.
   *
   * @default {"pool-1", "pool-2", …}
   */
  readonly name?: string;
  /**
   * A lease that is held for longer is told to the observer as `leaked`, once, with its label and, if one was taken, the
   * stack of its acquire: at most one is taken in a millisecond, and a hundredth of the time goes into them. Greater than 0,
   * `Infinity` allowed.
   *
   * @default {Infinity}
   */
  readonly leakAfterMs?: number;
  /**
   * What the runtime knows of control flow; the entries of the runtimes give their own. With it acquires that can never be
   * served are refused (`DeadlockError`), and timers, connects, the session's set-up and observers are in nobody's context.
   */
  readonly context?: Pick<Runtime, "contextVariable" | "root">;
  /**
   * Source of time, timers and randomness.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
}

/** A pool's options, checked and complete. */
export type ResolvedPoolOptions<C = unknown> =
  & Required<
    Omit<
      PoolOptions<C>,
      "session" | "observer" | "context" | "name" | "maxIdle" | "maxPendingConnects"
    >
  >
  & {
    readonly observer: PoolObserver | undefined;
    readonly context: PoolOptions["context"];
    readonly session: SessionSetup<C> | undefined;
    /** `undefined`: the next number. */
    readonly name: string | undefined;
    /** `undefined`: as many as `max`, whatever that is. */
    readonly maxIdle: number | undefined;
    /** `undefined`: as many as `max`, whatever that is. */
    readonly maxPendingConnects: number | undefined;
  };

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
  /** Who asks, in a word or two: events, `inspect()` and messages of time-outs tell it. Any text without a secret. */
  readonly label?: string;
  /**
   * `"high"`: it is served before all that are `"normal"`, and may take connections that are `reserved`.
   *
   * @default {"normal"}
   */
  readonly priority?: "normal" | "high";
}

/** Options of `Pool.ready`. */
export interface PoolReadyOptions {
  /** Ends the wait; the rejection is the signal's own reason. */
  readonly signal?: AbortSignal;
  /**
   * Deadline in milliseconds from the call; `0`: none, but the first connect that fails ends the wait; `Infinity` allowed.
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
  "minIdle",
  "maxIdle",
  "maxPendingConnects",
  "maxWaiters",
  "maxShared",
  "reserved",
  "lateWaiters",
  "acquireTimeoutMs",
  "connectTimeoutMs",
  "session",
  "reset",
  "checkAfterIdleMs",
  "checkTimeoutMs",
  "idleTimeoutMs",
  "keepaliveMs",
  "maxLifetimeMs",
  "maxUses",
  "unavailable",
  "multiplex",
  "maxPipeline",
  "observer",
  "leakAfterMs",
  "context",
  "name",
  "clock",
]);

const RESET_LEVELS = ["none", "rollback", "session", "discard"] as const;
const UNAVAILABLE = ["wait", "fail-fast"] as const;
const MULTIPLEX = ["auto", "off"] as const;
const LATE_WAITERS = ["queue", "refuse"] as const;
const PRIORITIES = ["normal", "high"] as const;

const ACQUIRE_OPTION_NAMES: ReadonlySet<string> = new Set<keyof AcquireOptions>([
  "signal",
  "timeoutMs",
  "label",
  "priority",
]);

const READY_OPTION_NAMES: ReadonlySet<string> = new Set<keyof PoolReadyOptions>([
  "signal",
  "timeoutMs",
]);

const CLOSE_OPTION_NAMES: ReadonlySet<string> = new Set<keyof CloseOptions>(["timeoutMs"]);

/**
 * Checks a pool's options and fills in the defaults. An option that is `undefined` counts as not given.
 *
 * @param options What was received.
 * @param most How many connections of the driver there may be: 1, or `Infinity`.
 * @returns All of them.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 * @throws {RangeError} If an option is out of range.
 */
export function resolvePoolOptions<C>(
  options: PoolOptions<C> = {},
  most = Infinity,
): ResolvedPoolOptions<C> {
  const action = "create pool";
  checkNames(action, options, POOL_OPTION_NAMES);
  const {
    max = Math.min(10, most),
    minIdle = 0,
    maxIdle,
    maxPendingConnects,
    maxWaiters = Infinity,
    maxShared = 0,
    reserved = 0,
    lateWaiters = "queue",
    acquireTimeoutMs = 10_000,
    connectTimeoutMs = 10_000,
    session,
    reset = "rollback",
    checkAfterIdleMs = 1_000,
    checkTimeoutMs = 2_000,
    idleTimeoutMs = 300_000,
    keepaliveMs = Infinity,
    maxLifetimeMs = 1_800_000,
    maxUses = Infinity,
    unavailable = "wait",
    multiplex = "auto",
    maxPipeline = 256,
    observer,
    leakAfterMs = Infinity,
    context,
    name,
    clock = systemClock,
  } = options;
  if (!isClock(clock)) {
    throw new TypeError(`Cannot ${action} as clock must be a Clock: received ${show(clock)}`);
  }
  checkSession(action, session);
  checkSizes(action, checkMax(action, max, most), minIdle, maxIdle);
  return {
    max,
    minIdle,
    maxIdle,
    maxPendingConnects: maxPendingConnects === undefined
      ? undefined
      : checkInteger(action, "maxPendingConnects", maxPendingConnects, 1, false),
    maxWaiters: checkInteger(action, "maxWaiters", maxWaiters, 0, true),
    maxShared: checkInteger(action, "maxShared", maxShared, 0, false),
    reserved: checkReserved(action, reserved, max),
    lateWaiters: checkWord(action, "lateWaiters", lateWaiters, LATE_WAITERS),
    acquireTimeoutMs: checkDuration(action, "acquireTimeoutMs", acquireTimeoutMs, {
      zero: true,
      infinity: true,
    }),
    connectTimeoutMs: checkDuration(action, "connectTimeoutMs", connectTimeoutMs, {
      zero: false,
      infinity: false,
    }),
    // A copy: what is done on connections to come must not change with the caller's list.
    session: Array.isArray(session) ? [...session] : session,
    reset: checkWord(action, "reset", reset, RESET_LEVELS),
    checkAfterIdleMs: checkDuration(action, "checkAfterIdleMs", checkAfterIdleMs, {
      zero: true,
      infinity: true,
    }),
    checkTimeoutMs: checkDuration(action, "checkTimeoutMs", checkTimeoutMs, {
      zero: false,
      infinity: false,
    }),
    idleTimeoutMs: checkDuration(action, "idleTimeoutMs", idleTimeoutMs, {
      zero: false,
      infinity: true,
    }),
    keepaliveMs: checkDuration(action, "keepaliveMs", keepaliveMs, { zero: false, infinity: true }),
    maxLifetimeMs: checkDuration(action, "maxLifetimeMs", maxLifetimeMs, {
      zero: false,
      infinity: true,
    }),
    maxUses: checkInteger(action, "maxUses", maxUses, 1, true),
    unavailable: checkWord(action, "unavailable", unavailable, UNAVAILABLE),
    multiplex: checkWord(action, "multiplex", multiplex, MULTIPLEX),
    maxPipeline: checkInteger(action, "maxPipeline", maxPipeline, 1, false),
    observer: checkObserver(action, observer),
    context: checkContext(action, context),
    leakAfterMs: checkDuration(action, "leakAfterMs", leakAfterMs, { zero: false, infinity: true }),
    name: checkName(action, name),
    clock,
  };
}

/**
 * Checks how many connections a pool may have.
 *
 * @param action What is being done, for the message.
 * @param max What was received.
 * @param most How many connections of the driver there may be: 1, or `Infinity`.
 * @returns The limit.
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is a number out of range.
 */
export function checkMax(action: string, max: unknown, most: number): number {
  const checked = checkInteger(action, "max", max, 1, false);
  if (checked <= most) return checked;
  throw new RangeError(
    `Cannot ${action} as max must be 1 for a driver whose sharing is "single": received ${checked}`,
  );
}

/**
 * Checks how many connections are reserved: somebody of normal priority must be able to get one, too.
 *
 * @param action What is being done, for the message.
 * @param reserved What was received.
 * @param max The limit.
 * @returns How many.
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is a number out of range.
 */
export function checkReserved(action: string, reserved: unknown, max: number): number {
  const count = checkInteger(action, "reserved", reserved, 0, false);
  if (count < max) return count;
  throw new RangeError(
    `Cannot ${action} as reserved must be less than max, which is ${max}: received ${count}`,
  );
}

/** Refuses limits that contradict each other: raising one in silence would exceed a budget. */
function checkSizes(action: string, max: number, minIdle: unknown, maxIdle: unknown): void {
  const least = checkInteger(action, "minIdle", minIdle, 0, false);
  checkAtMost(action, "minIdle", least, "max", max);
  if (maxIdle === undefined) return;
  const most = checkInteger(action, "maxIdle", maxIdle, 0, false);
  checkAtMost(action, "minIdle", least, "maxIdle", most);
  checkAtMost(action, "maxIdle", most, "max", max);
}

function checkName(action: string, name: unknown): string | undefined {
  if (name === undefined || typeof name === "string" && name !== "") return name;
  throw new TypeError(
    `Cannot ${action} as name must be a string that is not empty: received ${show(name)}`,
  );
}

function checkContext(
  action: string,
  context: PoolOptions["context"],
): PoolOptions["context"] {
  if (context === undefined) return undefined;
  const { contextVariable, root } = Object(context) as Partial<Runtime>;
  if (typeof contextVariable === "function" && typeof root === "function") return context;
  throw new TypeError(`Cannot ${action} as context must be a Runtime: received ${show(context)}`);
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
  if (options.label !== undefined && typeof options.label !== "string") {
    throw new TypeError(
      `Cannot ${action} as label must be a string: received ${show(options.label)}`,
    );
  }
  if (options.priority !== undefined) checkWord(action, "priority", options.priority, PRIORITIES);
}

/**
 * Checks the options of waiting for a pool to be ready.
 *
 * @param options What was received.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 * @throws {RangeError} If an option is out of range.
 */
export function checkReadyOptions(options: PoolReadyOptions): void {
  const action = "get the pool ready";
  checkNames(action, options, READY_OPTION_NAMES);
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
