/**
 * Transactions on a steady connection: around a callback, or by hand. Where one stands is the server's word, never a flag.
 *
 * @module
 */

import { abortable } from "./abortable.ts";
import { withDeadline } from "./deadline.ts";
import type { Command, ConnectionStatus, Driver, IsolationLevel } from "./driver.ts";
import { CommitUnknownError, ConnectionLostError, messageOf, type SteadyError } from "./errors.ts";
import type { Limit } from "./steady_limit.ts";
import type { ResolvedSteadyOptions } from "./steady_options.ts";
import { lostInTransaction, rolledBackError, transactionError } from "./steady_outcome.ts";
import type { Physical } from "./steady_physical.ts";
import { call, isOpen, MOST_REPEATS, type Passage, type SteadyWork } from "./steady_work.ts";

/** What a transaction begins with. */
export interface BeginOptions {
  /** Isolation level. @default {the database's default} */
  readonly isolation?: IsolationLevel;
  /** Whether writes are refused. @default {the session's default} */
  readonly readOnly?: boolean;
  /** Whether a serializable, read-only transaction waits for a safe snapshot. @default {false} */
  readonly deferrable?: boolean;
}

/** Transactions on one steady connection. Whoever calls has the turn. */
export class Transactions<C> {
  readonly #driver: Driver<C>;
  readonly #options: ResolvedSteadyOptions<C>;
  readonly #physical: Physical<C>;
  readonly #work: SteadyWork<C>;

  /**
   * @param driver Executes the verbs.
   * @param options Deadlines, clock.
   * @param physical The connections.
   * @param work Whose turn it is.
   */
  constructor(
    driver: Driver<C>,
    options: ResolvedSteadyOptions<C>,
    physical: Physical<C>,
    work: SteadyWork<C>,
  ) {
    this.#driver = driver;
    this.#options = options;
    this.#physical = physical;
    this.#work = work;
  }

  /**
   * Runs a callback in a transaction.
   *
   * @param passage Its way to a connection.
   * @param options What it begins with.
   * @param fn The callback.
   * @returns What it returned, once the server has confirmed the commit.
   */
  async run<R>(
    passage: Passage,
    options: BeginOptions,
    fn: (connection: C) => R | PromiseLike<R>,
  ): Promise<R> {
    const connection = await this.begin(passage, options);
    this.#work.countUse();
    const { limit } = passage;
    let result: R;
    try {
      result = await limit.race(call(fn, connection));
    } catch (error) {
      throw await this.#undo(connection, error, limit);
    }
    await this.#commit(connection, limit);
    return result;
  }

  /**
   * Begins. A BEGIN that is lost has no effect, and is issued again on another connection.
   *
   * @param passage Its way to a connection.
   * @param options What it begins with.
   * @param begun Called in the very turn in which it has begun.
   * @returns The connection, in a transaction.
   */
  async begin(passage: Passage, options: BeginOptions, begun?: () => void): Promise<C> {
    const { isolation, readOnly, deferrable } = options;
    const { limit } = passage;
    for (let repeats = 0;; repeats++) {
      const connection = await this.#work.ready(passage);
      this.#checkIdle(connection);
      let error: unknown;
      try {
        await this.#execute(
          connection,
          { verb: "begin", isolation, readOnly, deferrable },
          limit.signal,
          this.#options.checkTimeoutMs,
        );
        const status = this.#driver.status(connection);
        if (status === "in transaction") {
          begun?.();
          return connection;
        }
        error = new Error(`the connection was ${status} after BEGIN`);
      } catch (cause) {
        error = cause;
        if (limit.reached) {
          this.#work.forsake(connection, "doubt", cause);
          throw limit.error("not-applied");
        }
        // Refused. But a BEGIN that is answered as its deadline passes must leave nothing behind.
        const isIdle = this.#driver.status(connection) === "idle";
        if (isIdle && !this.#work.isLoss(connection, cause)) throw cause;
      }
      this.#work.forsake(connection, "lost", error);
      if (repeats === MOST_REPEATS) {
        throw new ConnectionLostError(
          `The connection was lost before the transaction began: ${messageOf(error)}`,
          { outcome: "not-applied", cause: error },
        );
      }
    }
  }

  #checkIdle(connection: C): void {
    const status = this.#driver.status(connection);
    if (isOpen(status)) {
      throw transactionError(
        "TRANSACTION_OPEN",
        "Cannot begin a transaction inside of another: end that one first, or use savepoints",
        "not-applied",
      );
    }
    if (status === "unknown" && this.#physical.connection === connection) {
      throw transactionError(
        "NO_TRANSACTION",
        `Cannot begin a transaction as the driver "${this.#driver.name}" cannot tell where one stands`,
        "not-applied",
      );
    }
  }

  /**
   * Commits the transaction that was begun by hand.
   *
   * @param limit How long it may take.
   */
  async commit(limit: Limit): Promise<void> {
    this.#work.throwIfBroken();
    const { connection } = this.#physical;
    const status = connection && await this.#quietStatus(connection);
    if (connection === undefined || status === "idle") {
      this.#work.throwIfBroken();
      throw noTransaction("commit");
    }
    if (status === "failed") {
      throw transactionError(
        "TRANSACTION_FAILED",
        "Cannot commit as a statement of the transaction has failed: roll back",
        "rolled-back",
      );
    }
    try {
      await this.#commit(connection, limit);
    } catch (error) {
      // Over, but its owner does not know yet how: a rollback in a `catch` or `finally` must find something to end.
      this.#work.commitFailed(error);
      throw error;
    }
  }

  /** Rolls the transaction back that was begun by hand; one that is gone with its connection is rolled back already. */
  async rollback(): Promise<void> {
    if (this.#work.healed()) return;
    const { connection } = this.#physical;
    if (connection === undefined || this.#driver.status(connection) === "idle") {
      throw noTransaction("roll back");
    }
    await this.#rollback(connection);
    this.#work.healed();
  }

  /** Rolls back what is open, if anything is. */
  async end(): Promise<void> {
    if (this.#work.status === "idle") return;
    await this.rollback();
  }

  /** What the connection is doing when all that is in flight is answered. */
  async #quietStatus(connection: C): Promise<ConnectionStatus> {
    const status = this.#driver.status(connection);
    return status === "busy" ? await this.#work.quiet(connection) : status;
  }

  /** The callback failed: what its caller gets, once nothing of it is left. */
  async #undo(connection: C, error: unknown, limit: Limit): Promise<unknown> {
    if (limit.reached) {
      // It may go on and on, but not on a connection of ours.
      this.#work.forsake(connection, "doubt", error);
      return limit.error("rolled-back");
    }
    if (this.#work.isLoss(connection, error)) {
      this.#work.forsake(connection, "lost", error);
      return lostInTransaction(error);
    }
    if (this.#physical.connection === connection) await this.#rollback(connection);
    return error;
  }

  /** Rolls back within a deadline; what cannot be rolled back is closed, which comes to the same. */
  async #rollback(connection: C): Promise<void> {
    if (this.#driver.status(connection) === "idle") return;
    try {
      await this.#execute(
        connection,
        { verb: "rollback" },
        undefined,
        this.#options.checkTimeoutMs,
      );
    } catch (error) {
      return this.#work.forsake(connection, "doubt", error);
    }
    if (await this.#quietStatus(connection) === "idle") return;
    this.#work.forsake(
      connection,
      "doubt",
      new Error("the connection was not idle after ROLLBACK"),
    );
  }

  async #commit(connection: C, limit: Limit): Promise<void> {
    const status = await this.#quietStatus(connection);
    if (this.#physical.connection !== connection) throw rolledBackError(this.#work.lossCause);
    if (status !== "in transaction") throw await this.#notCommitted(connection, status);
    const before = this.#driver.effects?.(connection);
    try {
      await this.#execute(connection, { verb: "commit" }, limit.signal);
    } catch (error) {
      throw await this.#commitError(connection, error, before, limit);
    }
    // Answered, and then lost: it was not a ROLLBACK, as nothing had failed.
    if (this.#physical.connection !== connection) return;
    const after = await this.#quietStatus(connection);
    if (after === "idle" || this.#physical.connection !== connection) return;
    const error = new Error(`the connection was ${after} after COMMIT`);
    this.#work.forsake(connection, "doubt", error);
    throw new CommitUnknownError(error);
  }

  /** There is nothing to commit. */
  async #notCommitted(connection: C, status: ConnectionStatus): Promise<SteadyError> {
    if (status === "idle") {
      return transactionError(
        "TRANSACTION_ENDED",
        "Cannot commit as a statement in the callback has ended the transaction: leave COMMIT and ROLLBACK to the connection",
        "unknown",
      );
    }
    if (status === "failed") {
      await this.#rollback(connection);
      return transactionError(
        "TRANSACTION_ROLLED_BACK",
        "The transaction was rolled back instead of committed, as a statement in it had failed",
        "rolled-back",
      );
    }
    const error = new Error(`the connection was ${status} before COMMIT`);
    this.#work.forsake(connection, "doubt", error);
    return rolledBackError(error);
  }

  /** COMMIT failed: refused, lost, or nobody knows. */
  async #commitError(
    connection: C,
    error: unknown,
    before: number | undefined,
    limit: Limit,
  ): Promise<unknown> {
    const { reached } = limit;
    const lost = reached || this.#work.isGone(connection) || this.#work.isLoss(connection, error);
    if (!lost) {
      await this.#rollback(connection);
      return error;
    }
    const unsent = this.#work.effectsSince(connection, before) === 0;
    this.#work.forsake(connection, reached ? "doubt" : "lost", error);
    if (unsent) return reached ? limit.error("rolled-back") : rolledBackError(error);
    return new CommitUnknownError(error);
  }

  #execute(
    connection: C,
    command: Command,
    signal: AbortSignal | undefined,
    timeoutMs = Infinity,
  ): Promise<void> {
    if (timeoutMs === Infinity) {
      return abortable(this.#driver.execute(connection, command, { signal }), signal);
    }
    return withDeadline((signal) => this.#driver.execute(connection, command, { signal }), {
      clock: this.#options.clock,
      timeoutMs,
      signal,
      timeoutError: () =>
        new ConnectionLostError(`No answer to ${command.verb} within ${timeoutMs} ms`, {
          outcome: "not-applied",
        }),
    });
  }
}

function noTransaction(what: string): SteadyError {
  return transactionError(
    "NO_TRANSACTION",
    `Cannot ${what} as there is no transaction`,
    "not-applied",
  );
}
