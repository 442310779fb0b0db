/**
 * A connection that survives the loss of its physical connection. It is of use without any pool, and it is what a pool's
 * slots are made of.
 *
 * @module
 */

import type { ConnectionStatus, Driver, IsolationLevel, ResetLevel } from "./driver.ts";
import { LeaseReleasedError } from "./errors.ts";
import { RESET_TIMEOUT_MS } from "./options.ts";
import { inNoContext } from "./root_options.ts";
import { Limit, type LimitOptions } from "./steady_limit.ts";
import {
  type ResolvedSteadyOptions,
  resolveSteadyOptions,
  type SteadyConnectionOptions,
} from "./steady_options.ts";
import { Physical, type SteadyCounters } from "./steady_physical.ts";
import { type BeginOptions, Transactions } from "./steady_transaction.ts";
import { type Passage, SteadyWork, type WorkKind } from "./steady_work.ts";
import {
  checkBoolean,
  checkDuration,
  checkNames,
  checkSignal,
  checkWord,
  show,
} from "./validate.ts";

export type {
  CheckPolicy,
  ReopenedEvent,
  ReopenReason,
  SteadyConnectionOptions,
} from "./steady_options.ts";
export type { SteadyCounters } from "./steady_physical.ts";

/** Options of {@linkcode SteadyConnection.check} and {@linkcode SteadyConnection.reset}. */
export interface ProbeOptions {
  /**
   * Deadline in milliseconds, greater than 0.
   *
   * @default {2_000}
   */
  readonly timeoutMs?: number;
}

/** Options of {@linkcode SteadyConnection.ready}. */
export interface ReadyOptions {
  /** Ends the wait; the rejection is the signal's own reason. */
  readonly signal?: AbortSignal;
  /**
   * Deadline in milliseconds from the call; greater than 0, `Infinity` allowed.
   *
   * @default {Infinity}
   */
  readonly timeoutMs?: number;
}

/** Options of {@linkcode SteadyConnection.run}. */
export interface RunOptions extends ReadyOptions {
  /**
   * Whether the unit of work may be done twice: it is then done again on another connection although nobody knows
   * whether it was done before. What the server refuses the last time is told as it came, though an earlier time may have
   * been executed.
   *
   * @default {false}
   */
  readonly idempotent?: boolean;
}

/** Options of {@linkcode SteadyConnection.transaction} and {@linkcode SteadyConnection.begin}. */
export interface SteadyTransactionOptions {
  /** Isolation level. @default {the database's default} */
  readonly isolation?: IsolationLevel;
  /** Whether writes are refused. @default {the session's default} */
  readonly readOnly?: boolean;
  /** Whether a serializable, read-only transaction waits for a safe snapshot. @default {false} */
  readonly deferrable?: boolean;
  /** Ends the transaction, or the wait for it: it is rolled back, and the rejection is the signal's own reason. */
  readonly signal?: AbortSignal;
}

const PROBE_OPTION_NAMES: ReadonlySet<string> = new Set<keyof ProbeOptions>(["timeoutMs"]);
const READY_OPTION_NAMES: ReadonlySet<string> = new Set<keyof ReadyOptions>([
  "signal",
  "timeoutMs",
]);
const RUN_OPTION_NAMES: ReadonlySet<string> = new Set<keyof RunOptions>([
  "signal",
  "timeoutMs",
  "idempotent",
]);
const TRANSACTION_OPTION_NAMES: ReadonlySet<string> = new Set<keyof SteadyTransactionOptions>([
  "isolation",
  "readOnly",
  "deferrable",
  "signal",
]);
const SIGNAL_OPTION_NAMES: ReadonlySet<string> = new Set(["signal"]);
const ISOLATION_LEVELS = [
  "read uncommitted",
  "read committed",
  "repeatable read",
  "serializable",
] as const;
const RESET_LEVELS = ["none", "rollback", "session", "discard"] as const;

/** Deadline of a check, in milliseconds. */
const CHECK_TIMEOUT_MS = 2_000;

/**
 * One physical connection at a time, opened when it is needed and again when it was lost. Each opening begins a new
 * *epoch*; what belongs to an old epoch never reaches the session of a new one.
 *
 * Work is done one unit at a time, in the order of the calls; a unit that is asked for inside of another one would wait
 * for that one, so inside use what the callback is given. What was in hand when the connection broke is done again only
 * where that is safe ({@linkcode SteadyConnection.run}); a transaction never is.
 *
 * @example Work that survives a loss
 * ```ts
 * import { SteadyConnection } from "@steady/pool";
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * const driver = new FakeDriver();
 * await using one = new SteadyConnection(driver, { session: ["set timezone UTC"] });
 * await one.run((connection) => connection.run("select 1")); // epoch 1
 * for (const connection of driver.connections) driver.break(connection);
 * await one.run((connection) => connection.run("select 2")); // epoch 2, time zone set
 * await one.transaction(async (connection) => {
 *   await connection.run("write a");
 *   await connection.run("write b");
 * });
 * ```
 */
export class SteadyConnection<C> implements AsyncDisposable {
  readonly #options: ResolvedSteadyOptions<C>;
  readonly #physical: Physical<C>;
  readonly #work: SteadyWork<C>;
  readonly #transactions: Transactions<C>;
  #closing: Promise<void> | undefined;

  /**
   * Makes a connection; nothing is opened before it is asked for.
   *
   * @param driver Opens and closes the physical connections.
   * @param options Session, limits, policies, deadlines, listeners, clock.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(driver: Driver<C>, options: SteadyConnectionOptions<NoInfer<C>> = {}) {
    this.#options = inNoContext<C, ResolvedSteadyOptions<C>>(resolveSteadyOptions<C>(options));
    this.#physical = new Physical(driver, this.#options, {
      adopted: () => this.#work.adopted(),
      lost: (cause) => this.#work.lost(cause),
    });
    this.#work = new SteadyWork(driver, this.#options, this.#physical);
    this.#transactions = new Transactions(driver, this.#options, this.#physical, this.#work);
  }

  // What there is

  /** Number of the present, or last, physical connection; 0 before the first. */
  get epoch(): number {
    return this.#physical.epoch;
  }

  /** The physical connection; `undefined` while there is none. */
  get connection(): C | undefined {
    return this.#physical.connection;
  }

  /**
   * What the connection is doing, by the server's own word. `"failed"` also while a transaction by hand is gone with its
   * connection, until {@linkcode SteadyConnection.rollback}; `"idle"` while none is open.
   */
  get status(): ConnectionStatus {
    return this.#work.status;
  }

  /** How often things happened, over all physical connections. */
  get counters(): SteadyCounters {
    return this.#physical.counters;
  }

  /** Uses of the present physical connection; 0 while there is none. */
  get uses(): number {
    return this.#physical.wear?.uses ?? 0;
  }

  /** When the present physical connection was opened, by the clock's monotonic time; `undefined` while there is none. */
  get openedAt(): number | undefined {
    return this.#physical.wear?.openedAt;
  }

  /**
   * When the present physical connection will have lived as long as it may, by the clock's monotonic time; `Infinity` for
   * never, and while there is none.
   */
  get wornAt(): number {
    return this.#physical.wear?.endsAt ?? Infinity;
  }

  // For who keeps the connection: a pool's slot, or a user who goes by its own rules

  /**
   * Counts one use of the present physical connection.
   */
  countUse(): void {
    this.#physical.countUse();
  }

  /**
   * Tells whether the present physical connection has been used, or has lived, as long as it may. To be asked between
   * two units of work, never under one.
   *
   * @returns Whether it should be replaced.
   */
  worn(): boolean {
    return this.#physical.wear?.worn ?? false;
  }

  /**
   * Gives the open connection, or opens one and sets its session up: one attempt, without pause and without check.
   * Callers at the same time share one attempt.
   *
   * @param options Carries the signal that ends the wait; the attempt goes on for the others.
   * @returns The physical connection.
   * @throws {LeaseReleasedError} After {@linkcode SteadyConnection.close}.
   * @throws {ConnectError} If the deadline passed, or if the session's set-up failed (phase `"session"`).
   */
  open(options?: { readonly signal?: AbortSignal }): Promise<C> {
    if (this.#closing !== undefined) {
      return Promise.reject(
        new LeaseReleasedError("Cannot open the connection as it was closed"),
      );
    }
    return this.#physical.open(options?.signal);
  }

  /**
   * Asks the server for a sign of life, after the unit of work that is in hand. A pool has to replace a connection that
   * gives none; without a pool the next unit of work does.
   *
   * @param options Deadline.
   * @returns Whether the server answered and the connection is idle; `false` where none is open. Never rejected.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If the deadline is out of range.
   */
  check(options?: ProbeOptions): Promise<boolean> {
    return this.#work.check(probeTimeout("check the connection", options, CHECK_TIMEOUT_MS));
  }

  /**
   * Cleans the session's state, after the unit of work that is in hand. A pool has to replace a connection that is not
   * clean; without a pool the next unit of work does, and sets the session up again after a level that undoes that.
   *
   * @param level How much.
   * @param options Deadline.
   * @returns Whether it is clean and idle; `false` where none is open. Never rejected.
   * @throws {TypeError} If the level does not exist, or an option has the wrong type or does not exist.
   * @throws {RangeError} If the deadline is out of range.
   */
  reset(level: ResetLevel, options?: ProbeOptions): Promise<boolean> {
    const action = "reset the connection";
    checkWord(action, "level", level, RESET_LEVELS);
    return this.#work.reset(level, probeTimeout(action, options, RESET_TIMEOUT_MS));
  }

  // For users

  /**
   * Opens the connection now, if it is not open; checks it, if the policy says so.
   *
   * @param options Signal and deadline.
   * @returns Resolved when there is a connection to work on.
   * @throws {ConnectError} If the server cannot be had within `reopenTimeoutMs`, or the session's set-up failed.
   * @throws {StatementTimeoutError} If the deadline passed.
   * @throws {LeaseReleasedError} After {@linkcode SteadyConnection.close}.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   */
  async ready(options: ReadyOptions = {}): Promise<void> {
    const action = "open the connection";
    checkNames(action, options, READY_OPTION_NAMES);
    await this.#do(action, "request", options, (passage) => this.#work.ready(passage));
  }

  /**
   * Does one unit of work, outside of any transaction or as a part of the one begun by hand: an own statement, best.
   *
   * When its connection is lost, the unit is done again on another connection, at most twice, if nothing of it can have
   * had an effect, or if it is declared idempotent; never in a transaction. Several statements are one unit: when the
   * first was executed nothing is done again. A callback must not go on with the connection when its promise is settled. A
   * transaction begun by a statement's text is noticed at the end of its unit; {@linkcode SteadyConnection.begin} is safer.
   *
   * @param fn Gets the physical connection.
   * @param options Whether it may be done twice; signal and deadline of everything: queue, connect, check, repeats.
   * @returns What `fn` returns.
   * @throws {ConnectionLostError} If the connection was lost, with what is known of the unit in `outcome`.
   * @throws {ConnectError} If the server cannot be had within `reopenTimeoutMs`; nothing was sent.
   * @throws {StatementTimeoutError} If the deadline passed.
   * @throws {LeaseReleasedError} After {@linkcode SteadyConnection.close}.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   *
   * @example A statement that may be done twice
   * ```ts
   * import { SteadyConnection } from "@steady/pool";
   * import { FakeDriver } from "@steady/pool/testing";
   *
   * await using one = new SteadyConnection(new FakeDriver());
   * const answer = await one.run((connection) => connection.run("select 1"), {
   *   idempotent: true,
   *   timeoutMs: 500,
   * });
   * console.log(answer); // "1"
   * ```
   */
  async run<R>(fn: (connection: C) => R | PromiseLike<R>, options: RunOptions = {}): Promise<R> {
    const action = "run a unit of work";
    checkCallback(action, fn);
    checkNames(action, options, RUN_OPTION_NAMES);
    const idempotent = checkBoolean(action, "idempotent", options.idempotent) ?? false;
    return await this.#do(
      action,
      "statement",
      options,
      (passage) => this.#work.run(passage, fn, idempotent),
    );
  }

  /**
   * Runs a callback in a transaction: commits when it returns, rolls back when it throws or when a statement in it failed.
   * The connection is checked, or opened again, before it begins, never inside.
   *
   * @param fn Gets the physical connection.
   * @param options Isolation level, access mode, signal.
   * @returns What `fn` returned, after the server confirmed the commit.
   * @throws {ConnectionLostError} If the connection was lost before COMMIT was sent (outcome `"rolled-back"`).
   * @throws {CommitUnknownError} If it was lost after COMMIT was sent and before that was answered. Never done again.
   * @throws {SteadyError} With code `TRANSACTION_ROLLED_BACK` if a statement failed and `fn` returned all the same; with
   * `TRANSACTION_ENDED` if a statement ended the transaction; with `TRANSACTION_OPEN` inside of one begun by hand.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   */
  async transaction<R>(
    fn: (connection: C) => R | PromiseLike<R>,
    options: SteadyTransactionOptions = {},
  ): Promise<R> {
    const action = "run a transaction";
    checkCallback(action, fn);
    const begin = checkTransaction(action, options);
    return await this.#do(
      action,
      "transaction",
      options,
      (passage) => this.#transactions.run(passage, begin, fn),
    );
  }

  /**
   * Begins a transaction by hand, after a check or on a new connection if need be; what is run until its end is part of
   * it, whoever runs it. {@linkcode SteadyConnection.transaction} is safer.
   *
   * @param options Isolation level, access mode, signal of the beginning.
   * @returns Resolved when the transaction is open.
   * @throws {SteadyError} With code `TRANSACTION_OPEN` inside of another one.
   * @throws {ConnectionLostError} If the connection was lost again and again.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   */
  async begin(options: SteadyTransactionOptions = {}): Promise<void> {
    const action = "begin a transaction";
    const begin = checkTransaction(action, options);
    await this.#do(
      action,
      "transaction",
      options,
      (passage) => this.#transactions.begin(passage, begin, () => this.#work.begun()),
    );
  }

  /**
   * Commits the transaction begun by hand. If that fails, for whatever reason, the connection is unusable until
   * {@linkcode SteadyConnection.rollback} takes notice.
   *
   * @param options Carries the signal that gives the commit up; whether it was executed is unknown then.
   * @returns Resolved when the server has confirmed.
   * @throws {CommitUnknownError} If the connection was lost after COMMIT was sent and before that was answered.
   * @throws {ConnectionLostError} If the transaction was gone before (outcome `"rolled-back"`).
   * @throws {SteadyError} With code `NO_TRANSACTION` outside of one; with `TRANSACTION_FAILED` if a statement had failed:
   * COMMIT is not sent then.
   */
  async commit(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const action = "commit";
    checkNames(action, options, SIGNAL_OPTION_NAMES);
    await this.#do(
      action,
      "transaction",
      options,
      ({ limit }) => this.#transactions.commit(limit),
    );
  }

  /**
   * Rolls back the transaction begun by hand. One that is gone with its connection, or whose commit failed, is over; then
   * this is what makes the connection usable again, and sends nothing.
   *
   * @returns Resolved when nothing is left of the transaction. A connection that cannot roll back is closed.
   * @throws {SteadyError} With code `NO_TRANSACTION` outside of one.
   */
  async rollback(): Promise<void> {
    await this.#do("roll back", "transaction", {}, () => this.#transactions.rollback());
  }

  /**
   * Asks the server to cancel the statement that is executed now. The statement fails as the server says; a transaction
   * stays open, or failed, until its end. Nothing is sent where nothing is executed.
   *
   * @param options Carries the signal that ends the wait.
   * @returns Resolved when the server has taken notice.
   * @throws {SteadyError} With code `CANCEL_TIMEOUT` if it did not within 2 000 ms; the connection was closed then.
   */
  async cancel(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const action = "cancel";
    checkNames(action, options, SIGNAL_OPTION_NAMES);
    const signal = checkSignal(action, options.signal);
    signal?.throwIfAborted();
    await this.#work.cancel(signal);
  }

  /**
   * Closes for good: who waits is refused at once, what is in hand may end within the deadline, a transaction that is open
   * is rolled back, the physical connection is closed in an orderly way, else destroyed. Idempotent: all callers await the
   * same end.
   *
   * With `closeable: false` it only rolls back what is open, in turn, and the connection stays.
   *
   * @returns Resolved when that is done; never rejected.
   */
  close(): Promise<void> {
    if (!this.#options.closeable && this.#closing === undefined) return this.#endTransaction();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #endTransaction(): Promise<void> {
    if (this.#work.status === "idle") return;
    try {
      await this.#do("close", "transaction", {}, () => this.#transactions.end());
    } catch {
      // Closed meanwhile: then nothing is open.
    }
  }

  async #close(): Promise<void> {
    this.#work.refuseAll();
    const { closeTimeoutMs } = this.#options;
    if (this.#work.isWorking) await this.#work.rest(closeTimeoutMs);
    if (this.#work.inTransaction) {
      // A proxy in between might keep the transaction.
      await this.#physical.reset("rollback", Math.min(closeTimeoutMs, RESET_TIMEOUT_MS));
    }
    await this.#physical.close();
  }

  /** Closes for good and at once, without asking the server, closeable or not. Idempotent. */
  destroy(): void {
    this.#closing ??= Promise.resolve();
    this.#work.refuseAll();
    this.#physical.destroy();
  }

  /** {@inheritDoc SteadyConnection.close} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Does something when it is its turn. */
  async #do<R>(
    action: string,
    kind: WorkKind,
    options: LimitOptions,
    work: (passage: Passage) => Promise<R>,
  ): Promise<R> {
    const limit = new Limit(action, this.#options.clock, options);
    try {
      const passage = { kind, limit, ticket: this.#work.ticket() };
      await this.#work.enter(limit);
      try {
        return await work(passage);
      } finally {
        this.#work.leave();
      }
    } finally {
      limit.end();
    }
  }
}

function checkCallback(action: string, fn: unknown): void {
  if (typeof fn === "function") return;
  throw new TypeError(`Cannot ${action} as fn must be a function: received ${show(fn)}`);
}

function checkTransaction(action: string, options: SteadyTransactionOptions): BeginOptions {
  checkNames(action, options, TRANSACTION_OPTION_NAMES);
  const { isolation, readOnly, deferrable } = options;
  if (isolation !== undefined) checkWord(action, "isolation", isolation, ISOLATION_LEVELS);
  checkBoolean(action, "readOnly", readOnly);
  checkBoolean(action, "deferrable", deferrable);
  return { isolation, readOnly, deferrable };
}

function probeTimeout(
  action: string,
  options: ProbeOptions | undefined,
  byDefault: number,
): number {
  if (options === undefined) return byDefault;
  checkNames(action, options, PROBE_OPTION_NAMES);
  const { timeoutMs = byDefault } = options;
  return checkDuration(action, "timeoutMs", timeoutMs, { zero: false, infinity: false });
}
