/**
 * Options of a steady connection: defaults and checks.
 *
 * @module
 */

import { type Clock, systemClock } from "./clock.ts";
import type { Runtime } from "./runtime.ts";
import { checkSession, type SessionSetup } from "./session_setup.ts";
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkNames,
  checkWord,
  show,
} from "./validate.ts";

/**
 * When a steady connection asks the server for a sign of life by itself: never; when `ready()` asks for the connection;
 * before a `run()`; before a transaction; or at each of these. Never inside of a transaction.
 */
export type CheckPolicy = "never" | "request" | "statement" | "transaction" | "always";

/**
 * Why a physical connection was replaced: it was lost; a check found it dead; it was worn by uses or by age; or nobody
 * could know any more what it was doing (given up by its user, or left busy).
 */
export type ReopenReason = "lost" | "dead" | "worn" | "doubt";

/** A physical connection that took the place of another one. */
export interface ReopenedEvent {
  /** Number of the new one. What was set, prepared, locked or created for the session of the old one is gone. */
  readonly epoch: number;
  /** Why the old one was replaced. */
  readonly reason: ReopenReason;
}

/** Options of a {@linkcode SteadyConnection} over connections of type `C`. Durations are milliseconds. */
export interface SteadyConnectionOptions<C = unknown> {
  /**
   * Done on every new physical connection before anybody may use it, outside of any transaction: statements in the
   * database's language, or a function. If it fails the connection is destroyed and the opening fails. A function must
   * use the connection it is given: this steady connection would wait for itself.
   */
  readonly session?: SessionSetup<C>;
  /**
   * Uses after which a physical connection is worn, and replaced between two units of work. Integer, at least 1, or
   * `Infinity`. While no other can be opened the old one is used on.
   *
   * @default {Infinity}
   */
  readonly maxUses?: number;
  /**
   * Age at which a physical connection is worn, less 0–10 % by chance; greater than 0, `Infinity` allowed.
   *
   * @default {1_800_000}
   */
  readonly maxLifetimeMs?: number;
  /**
   * When the server is asked for a sign of life. A connection that gives none is replaced.
   *
   * @default {"always"}
   */
  readonly check?: CheckPolicy;
  /**
   * How long the connection may be unused without being checked, in milliseconds. `0`: it is always checked; `Infinity`
   * allowed.
   *
   * @default {1_000}
   */
  readonly checkAfterIdleMs?: number;
  /**
   * Deadline of a check, greater than 0.
   *
   * @default {2_000}
   */
  readonly checkTimeoutMs?: number;
  /**
   * Tells which errors of a unit of work mean that the connection is gone.
   *
   * @default {those that the driver classifies as "lost" or "unavailable", unless the server still answers on the
   * connection}
   */
  readonly failures?: (error: unknown) => boolean;
  /**
   * Whether `close()` closes. If not, it only rolls back what is open and keeps the connection; `destroy()` closes in any
   * case.
   *
   * @default {true}
   */
  readonly closeable?: boolean;
  /**
   * How long a unit of work waits for a server that cannot be had, over several attempts to connect with growing pauses
   * in between. `0`: one attempt at most; `Infinity` allowed.
   *
   * @default {10_000}
   */
  readonly reopenTimeoutMs?: number;
  /**
   * Deadline of opening, greater than 0; the session's set-up has another one as long.
   *
   * @default {10_000}
   */
  readonly connectTimeoutMs?: number;
  /**
   * Deadline of an orderly close, greater than 0; then the connection is destroyed. What is in hand when the steady
   * connection is closed has as long to end before.
   *
   * @default {5_000}
   */
  readonly closeTimeoutMs?: number;
  /**
   * Called when the open connection is lost, with what is known of the cause; not called for a close of our own.
   */
  readonly onLost?: (cause: unknown) => void;
  /** Called when another physical connection took the place of the one before. What it throws is ignored. */
  readonly onReopened?: (event: ReopenedEvent) => void;
  /**
   * Numbers the epochs; a pool passes one counter to all its connections.
   *
   * @default {1, 2, 3, …}
   */
  readonly nextEpoch?: () => number;
  /**
   * Whether the driver is to open read-only connections, as far as it can ({@linkcode Driver.readers}).
   *
   * @default {false}
   */
  readonly readOnly?: boolean;
  /**
   * What the runtime knows of control flow: the `runtime` of `@steady/pool/deno` and its siblings. With it timers and the
   * session's set-up are in nobody's context, where without it they see, and keep alive, that of whoever came by.
   */
  readonly context?: Pick<Runtime, "root">;
  /**
   * Source of time and timers.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
}

type Optional = "session" | "context" | "failures" | "onLost" | "onReopened" | "nextEpoch";

/** A steady connection's options, checked and complete. */
export type ResolvedSteadyOptions<C> =
  & Required<Omit<SteadyConnectionOptions<C>, Optional>>
  & Pick<SteadyConnectionOptions<C>, Optional>;

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof SteadyConnectionOptions>([
  "session",
  "maxUses",
  "maxLifetimeMs",
  "check",
  "checkAfterIdleMs",
  "checkTimeoutMs",
  "failures",
  "closeable",
  "reopenTimeoutMs",
  "connectTimeoutMs",
  "closeTimeoutMs",
  "onLost",
  "onReopened",
  "nextEpoch",
  "readOnly",
  "context",
  "clock",
]);

const CHECK_POLICIES = ["never", "request", "statement", "transaction", "always"] as const;

/** A deadline: it must come, and not at once. */
const DEADLINE = { zero: false, infinity: false };
/** A limit that may be none. */
const LIMIT = { zero: false, infinity: true };
/** A time that may be none, or for ever. */
const SPAN = { zero: true, infinity: true };

/**
 * Checks a steady connection's options and fills in the defaults. An option that is `undefined` counts as not given.
 *
 * @param options What was received.
 * @returns All of them.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 * @throws {RangeError} If an option is out of range.
 */
export function resolveSteadyOptions<C>(
  options: SteadyConnectionOptions<C>,
): ResolvedSteadyOptions<C> {
  const action = "create connection";
  checkNames(action, options, OPTION_NAMES);
  const { session, maxUses = Infinity, maxLifetimeMs = 1_800_000 } = options;
  const { check = "always", checkAfterIdleMs = 1_000, checkTimeoutMs = 2_000 } = options;
  const { reopenTimeoutMs = 10_000, clock = systemClock } = options;
  const { connectTimeoutMs = 10_000, closeTimeoutMs = 5_000 } = options;
  const { failures, onLost, onReopened, nextEpoch } = options;
  checkSession(action, session);
  return {
    // A copy: what is done on connections to come must not change with the caller's list.
    session: Array.isArray(session) ? [...session] : session,
    maxUses: checkInteger(action, "maxUses", maxUses, 1, true),
    maxLifetimeMs: checkDuration(action, "maxLifetimeMs", maxLifetimeMs, LIMIT),
    check: checkWord(action, "check", check, CHECK_POLICIES),
    checkAfterIdleMs: checkDuration(action, "checkAfterIdleMs", checkAfterIdleMs, SPAN),
    checkTimeoutMs: checkDuration(action, "checkTimeoutMs", checkTimeoutMs, DEADLINE),
    failures: checkFunction(action, "failures", failures),
    closeable: checkBoolean(action, "closeable", options.closeable) ?? true,
    reopenTimeoutMs: checkDuration(action, "reopenTimeoutMs", reopenTimeoutMs, SPAN),
    connectTimeoutMs: checkDuration(action, "connectTimeoutMs", connectTimeoutMs, DEADLINE),
    closeTimeoutMs: checkDuration(action, "closeTimeoutMs", closeTimeoutMs, DEADLINE),
    onLost: checkFunction(action, "onLost", onLost),
    onReopened: checkFunction(action, "onReopened", onReopened),
    nextEpoch: checkFunction(action, "nextEpoch", nextEpoch),
    readOnly: checkBoolean(action, "readOnly", options.readOnly) ?? false,
    context: checkContext(action, options.context),
    clock,
  };
}

function checkContext(
  action: string,
  context: SteadyConnectionOptions["context"],
): SteadyConnectionOptions["context"] {
  if (context === undefined) return undefined;
  if (typeof (Object(context) as Partial<Runtime>).root === "function") return context;
  throw new TypeError(`Cannot ${action} as context must be a Runtime: received ${show(context)}`);
}
