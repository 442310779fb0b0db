/**
 * The errors that leave the module at run time. Each says what is known of the work (`outcome`), whether the same call
 * may be made again (`retryable`), and why (`cause`). No message holds a password or a parameter value.
 *
 * @module
 */

import { describeHolders, type Holder } from "./holders.ts";
import { describeStats, type PoolCounts } from "./stats.ts";

/**
 * What is known of a piece of work that failed (DESIGN 5.2): provably without effect; answered by the server with an
 * error; perhaps done; or part of a transaction whose commit was never sent.
 */
export type Outcome = "not-applied" | "refused" | "unknown" | "rolled-back";

/** What an acquire was waiting for when it ended. */
export type AcquirePhase = "queue" | "connect" | "session" | "check";

/** What every error of this module carries. */
export interface SteadyErrorDetails {
  /** Why; the error of the layer below. */
  cause?: unknown;
  /** What is known of the work. */
  outcome: Outcome;
  /** Whether the same call can safely be made again. */
  retryable: boolean;
}

/**
 * Base of all run-time errors of this module.
 *
 * @example Retry what is safe to retry
 * ```ts
 * import { SteadyError } from "@steady/pool";
 *
 * function mayRetry(error: unknown): boolean {
 *   return error instanceof SteadyError && error.retryable;
 * }
 * ```
 */
export class SteadyError extends Error {
  // The fields of errors are declared, not defined: they would be set twice, and thousands may be made at once.
  /** What is known of the work. */
  declare readonly outcome: Outcome;
  /** Whether the same call can safely be made again. */
  declare readonly retryable: boolean;
  /** A word for programs; stable between versions, unlike the message. */
  declare readonly code: string;

  /**
   * Makes the error.
   *
   * @param code A word for programs.
   * @param message A sentence for people.
   * @param details Outcome, whether to retry, cause.
   */
  constructor(code: string, message: string, details: SteadyErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.outcome = details.outcome;
    this.retryable = details.retryable;
  }

  static {
    setName(this, "SteadyError");
  }
}

/** An acquire's deadline passed; nothing was sent. `cause` is the last failed connect, if there was one. */
export class AcquireTimeoutError extends SteadyError {
  /** What it was waiting for. */
  declare readonly phase: AcquirePhase;
  /** The pool's counts when the deadline passed. */
  declare readonly stats: PoolCounts;
  /** The deadline, in milliseconds from the call. */
  declare readonly timeoutMs: number;
  /** Who had had a connection for itself longest: up to three, the longest first. */
  declare readonly holders: readonly Holder[];

  /**
   * Makes the error.
   *
   * @param phase What it was waiting for.
   * @param timeoutMs The deadline, in milliseconds from the call.
   * @param stats The pool's counts.
   * @param cause The last failed connect, if there was one.
   * @param message The text, if it is another than usual.
   * @param holders Who has had a connection longest.
   */
  constructor(
    phase: AcquirePhase,
    timeoutMs: number,
    stats: PoolCounts,
    cause?: unknown,
    message?: string,
    holders: readonly Holder[] = [],
  ) {
    const text = message ?? describeTimeout(phase, timeoutMs, stats, cause, holders);
    super("ACQUIRE_TIMEOUT", text, { outcome: "not-applied", retryable: true, cause });
    this.holders = holders;
    this.phase = phase;
    this.timeoutMs = timeoutMs;
    this.stats = stats;
  }

  /**
   * Makes one without frames in its stack. Made by a timer, it would show those of the timer and nothing of who asked; and to
   * look for the constructors of its classes on the stack, so as to leave them out, is half of what such an error costs.
   *
   * @internal
   * @param phase What it was waiting for.
   * @param timeoutMs The deadline, in milliseconds from the call.
   * @param stats The pool's counts.
   * @param cause The last failed connect, if there was one.
   * @param holders Who has had a connection longest.
   * @param message The text, where one like this was made before.
   * @returns The error.
   */
  static withoutFrames(
    phase: AcquirePhase,
    timeoutMs: number,
    stats: PoolCounts,
    cause: unknown,
    holders: readonly Holder[],
    message: string = describeTimeout(phase, timeoutMs, stats, cause, holders),
  ): AcquireTimeoutError {
    const args = cause === undefined ? [message] : [message, { cause }];
    const error: Writable<AcquireTimeoutError> = Reflect.construct(Error, args, this);
    if (!FRAMELESS_HAVE_STACKS) {
      Object.defineProperty(error, "stack", {
        value: `${error.name}: ${message}`,
        configurable: true,
        writable: true,
      });
    }
    error.code = "ACQUIRE_TIMEOUT";
    error.outcome = "not-applied";
    error.retryable = true;
    error.phase = phase;
    error.timeoutMs = timeoutMs;
    error.stats = stats;
    error.holders = holders;
    return error;
  }

  static {
    setName(this, "AcquireTimeoutError");
  }
}

/** Whether an error without frames has its head line for a stack, as elsewhere than on Bun: loggers print that. */
const FRAMELESS_HAVE_STACKS: boolean =
  Reflect.construct(Error, ["?"], class extends Error {}).stack !== undefined;

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

function describeTimeout(
  phase: AcquirePhase,
  timeoutMs: number,
  stats: PoolCounts,
  cause: unknown,
  holders: readonly Holder[],
): string {
  const held = holders.length === 0 ? "" : `; held longest: ${describeHolders(holders)}`;
  const reason = cause === undefined ? "" : `; last connect failed: ${messageOf(cause)}`;
  return `Cannot acquire a connection within ${timeoutMs} ms (waiting in phase "${phase}"): ` +
    describeStats(stats) + held + reason;
}

/** All connections are in use and the caller does not want to queue (`acquireTimeoutMs: 0`); nothing was sent. */
export class TooManyConnectionsError extends SteadyError {
  /** The pool's counts. */
  declare readonly stats: PoolCounts;

  /**
   * Makes the error.
   *
   * @param stats The pool's counts.
   */
  constructor(stats: PoolCounts) {
    super(
      "TOO_MANY_CONNECTIONS",
      `Cannot acquire a connection as none is free and the timeout is 0: ${describeStats(stats)}`,
      { outcome: "not-applied", retryable: true },
    );
    this.stats = stats;
  }

  static {
    setName(this, "TooManyConnectionsError");
  }
}

/** The queue is full (`maxWaiters`); nothing was sent. */
export class TooManyWaitersError extends SteadyError {
  /** The pool's counts. */
  declare readonly stats: PoolCounts;

  /**
   * Makes the error.
   *
   * @param stats The pool's counts.
   */
  constructor(stats: PoolCounts) {
    super(
      "TOO_MANY_WAITERS",
      `Cannot acquire a connection as the queue is full: ${describeStats(stats)}`,
      { outcome: "not-applied", retryable: true },
    );
    this.stats = stats;
  }

  static {
    setName(this, "TooManyWaitersError");
  }
}

/**
 * No connection could be opened; nothing was sent. Not retryable when the server refused for good (wrong password, no
 * such database): somebody has to change something first.
 */
export class ConnectError extends SteadyError {
  /** What failed: the connect, or the set-up of its session. */
  declare readonly phase: AcquirePhase;
  /** The pool's counts, when a pool asked. */
  readonly stats: PoolCounts | undefined;

  /**
   * Makes the error.
   *
   * @param message A sentence that says what failed.
   * @param details Cause, whether to retry, the phase (by default `"connect"`), and the pool's counts.
   */
  constructor(
    message: string,
    details: {
      cause?: unknown;
      retryable: boolean;
      phase?: AcquirePhase;
      stats?: PoolCounts;
      code?: string;
    },
  ) {
    const counts = details.stats === undefined ? "" : ` (${describeStats(details.stats)})`;
    super(details.code ?? "CONNECT_FAILED", message + counts, {
      outcome: "not-applied",
      retryable: details.retryable,
      cause: details.cause,
    });
    this.phase = details.phase ?? "connect";
    this.stats = details.stats;
  }

  static {
    setName(this, "ConnectError");
  }
}

/**
 * A statement's own deadline passed. Sent, it was cancelled: `outcome` is `"refused"` if the server said so, and the
 * connection goes on; if there was no answer, the connection was closed, and the statement may have been executed or not.
 */
export class StatementTimeoutError extends SteadyError {
  /** The deadline, in milliseconds from the call. */
  declare readonly timeoutMs: number;

  /**
   * Makes the error.
   *
   * @param timeoutMs The deadline, in milliseconds from the call.
   * @param outcome What is known of the statement.
   * @param details What broke the connection, if that is what ended it, and whether to retry (by default what was not sent).
   */
  constructor(
    timeoutMs: number,
    outcome: Outcome,
    details: { cause?: unknown; retryable?: boolean } = {},
  ) {
    const state = {
      "not-applied": "it was not sent",
      "refused": "it was cancelled",
      "rolled-back": "its connection was closed, and its transaction rolled back",
      "unknown": "it may have been executed or not, and its connection was closed",
    }[outcome];
    super("STATEMENT_TIMEOUT", `The statement was not over within ${timeoutMs} ms: ${state}`, {
      outcome,
      retryable: details.retryable ?? outcome === "not-applied",
      cause: details.cause,
    });
    this.timeoutMs = timeoutMs;
  }

  static {
    setName(this, "StatementTimeoutError");
  }
}

/**
 * An acquire that could never have been served was refused: it was made in the callback of a `use` or a transaction, which
 * keeps its connection until that is over, and so were those that all other connections wait for. Nothing was sent. The
 * stack of the error shows where the acquire was made, {@linkcode DeadlockError.holders} who has the connections. Use the
 * lease or the `sql` that the callback is given, or acquire what is needed together before.
 */
export class DeadlockError extends SteadyError {
  /** Who has the connections, each waiting for another one; some with the stack of their own acquire. */
  declare readonly holders: readonly Holder[];

  /**
   * Makes the error.
   *
   * @param holders Who has the connections.
   * @param message What was asked for, and why it can never be had, if it is another reason than usual.
   */
  constructor(
    holders: readonly Holder[],
    message =
      "Cannot acquire a connection within the callback of use() or transaction() as all are held by callbacks that wait " +
      "for another one",
  ) {
    super(
      "POOL_DEADLOCK",
      `${message}: ${describeHolders(holders)}`,
      { outcome: "not-applied", retryable: false },
    );
    this.holders = holders;
  }

  static {
    setName(this, "DeadlockError");
  }
}

/** The pool is closed or closing; nothing was sent. `code` is `CONNECTION_ENDED`, as porsager has it. */
export class PoolClosedError extends SteadyError {
  /**
   * Makes the error.
   *
   * @param message A sentence that says what was asked for.
   */
  constructor(message = "Cannot acquire a connection as the pool is closed") {
    super("CONNECTION_ENDED", message, { outcome: "not-applied", retryable: false });
  }

  static {
    setName(this, "PoolClosedError");
  }
}

/** A lease, or a transaction, was used after its end; nothing was sent. */
export class LeaseReleasedError extends SteadyError {
  /**
   * Makes the error.
   *
   * @param message A sentence that says what was used after what.
   */
  constructor(message = "Cannot use the lease as it was released") {
    super("LEASE_RELEASED", message, { outcome: "not-applied", retryable: false });
  }

  static {
    setName(this, "LeaseReleasedError");
  }
}

/**
 * A scope was used after its end, or something that belongs to one outside of any: such as on workerd, where connections
 * belong to one request. Nothing was sent.
 */
export class ScopeError extends SteadyError {
  /**
   * Makes the error.
   *
   * @param message A sentence that says what was used where, and what to do instead.
   */
  constructor(message: string) {
    super("OUT_OF_SCOPE", message, { outcome: "not-applied", retryable: false });
  }

  static {
    setName(this, "ScopeError");
  }
}

/**
 * The connection was lost. `outcome` says what is known of the work at hand, `cause` what broke the connection.
 *
 * `code` is `CONNECTION_CLOSED`, as porsager's own error has it.
 */
export class ConnectionLostError extends SteadyError {
  /**
   * Makes the error.
   *
   * @param message A sentence that says what was going on.
   * @param details Outcome, cause, and whether to retry (by default only what is provably without effect).
   */
  constructor(
    message: string,
    details: { outcome: Outcome; cause?: unknown; retryable?: boolean },
  ) {
    super("CONNECTION_CLOSED", message, {
      outcome: details.outcome,
      retryable: details.retryable ??
        (details.outcome === "not-applied" || details.outcome === "rolled-back"),
      cause: details.cause,
    });
  }

  static {
    setName(this, "ConnectionLostError");
  }
}

/** What became of a transaction whose COMMIT was not answered, as far as it is certain. */
export type CommitOutcome = "committed" | "rolled-back" | "unknown";

/** The connection was lost after COMMIT was sent and before it was answered: the transaction may be in force or not. */
export class CommitUnknownError extends SteadyError {
  readonly #resolve: (() => Promise<CommitOutcome>) | undefined;

  /**
   * Makes the error.
   *
   * @param cause What broke the connection.
   * @param resolve Asks what became of the transaction.
   */
  constructor(cause?: unknown, resolve?: () => Promise<CommitOutcome>) {
    super(
      "COMMIT_UNKNOWN",
      "The connection was lost while COMMIT was on its way: the transaction may be committed or rolled back",
      { outcome: "unknown", retryable: false, cause },
    );
    this.#resolve = resolve;
  }

  /**
   * Asks the server, on another connection, what became of the transaction; a transaction that is still in progress is ended.
   * May be called again: a server that could not be had may be back, or know more.
   *
   * @returns What is certain; `"unknown"` where the server cannot be had, or cannot tell. Never rejects.
   */
  async resolve(): Promise<CommitOutcome> {
    return await this.#resolve?.() ?? "unknown";
  }

  static {
    setName(this, "CommitUnknownError");
  }
}

/**
 * Reads the message of whatever was thrown.
 *
 * @param error Anything.
 * @returns Its message, or the thing as text.
 */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "" && error.errors.length > 0) {
    return error.errors.map(messageOf).join("; ");
  }
  return error instanceof Error ? error.message : String(error);
}

/**
 * Names a class of errors. A property of the prototype and not a getter: Bun writes what it finds as a property at the
 * head of the stack.
 */
function setName(errorClass: { readonly prototype: Error }, name: string): void {
  Object.defineProperty(errorClass.prototype, "name", {
    value: name,
    configurable: true,
    writable: true,
  });
}
