/**
 * Exclusive use of one PostgreSQL connection.
 *
 * @module
 */

import type { Lease } from "../core/lease.ts";
import type { Clock } from "../core/clock.ts";
import { type CommitOutcome, LeaseReleasedError } from "../core/errors.ts";
import { commandText } from "../driver/postgres/commands.ts";
import type { CommitQuestion } from "../driver/postgres/commit_resolution.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import type { PorsagerQuery, Template } from "../driver/postgres/porsager.ts";
import { refuse, Session } from "../driver/postgres/session.ts";
import { createSql, type Gate, lazily, type LeaseSql } from "../driver/postgres/sql.ts";
import type { StatementLimits, StatementOptions } from "../driver/postgres/statement_limits.ts";
import {
  canRunAgain,
  type CommitResolution,
  runTransaction,
  type TransactionOptions,
  type TransactionResult,
  type TransactionSql,
} from "../driver/postgres/transaction.ts";
import { checkTransactionOptions } from "./options.ts";
import { beginArguments, notOffered, paritySql } from "./porsager_parity.ts";
import { retrying } from "./retrying.ts";

/** How a lease works that has the connection of a scope: what it does waits in line with what else is begun below it. */
export interface LeaseWork<T extends PostgresTypes> {
  /**
   * Sends a statement.
   *
   * @param query Not yet sent.
   * @param limits Signal and deadline.
   */
  send(query: PorsagerQuery, limits: StatementLimits | undefined): void;
  /**
   * Calls a callback of a query.
   *
   * @param query Sent before.
   * @param fn The callback.
   * @returns What it returns.
   */
  call<R>(query: PorsagerQuery, fn: () => R): R;
  /**
   * Runs a transaction, or a savepoint of one that is open.
   *
   * @param call What to run.
   * @returns What its callback returns.
   */
  transaction<R>(call: TransactionCall<R, T>): Promise<TransactionResult<R>>;
}

/** A transaction that is to be run. */
export interface TransactionCall<R, T extends PostgresTypes> {
  /** The statement that begins it. */
  readonly begin: string;
  /** What to do in it. */
  readonly fn: (sql: TransactionSql<T>) => R | PromiseLike<R>;
  /** Isolation, access mode, retries, signal. */
  readonly options: TransactionOptions;
  /** Signal and deadline of each statement; those of the pool's view, when not given. */
  readonly limits?: StatementLimits | undefined;
}

/** What leases share with the pool they come from. */
export interface LeaseContext {
  /** Makes queries. */
  readonly template: Template;
  /** What each lease's `sql` has beside statements. */
  readonly prototype: object;
  /** Checks options of `with` and makes limits of them. */
  readonly limit: (options: StatementOptions, base?: StatementLimits) => StatementLimits;
  /** Source of timers and chance. */
  readonly clock: Clock;
  /** What is done about a lost COMMIT, if a transaction does not say otherwise. */
  readonly commitResolution: CommitResolution;
  /** Asks what became of a transaction. */
  readonly resolve: (question: CommitQuestion) => Promise<CommitOutcome>;
  /** Asked before each use, where connections belong to one request. */
  readonly gate?: Gate;
}

/**
 * Exclusive use of one PostgreSQL connection until {@linkcode PostgresLease.release}: session state, transactions by
 * hand, cursors. Statements are sent one at a time, in the order written.
 *
 * It is bound to one physical connection: when that is lost, every later statement is rejected, none reaches another.
 */
export class PostgresLease<T extends PostgresTypes = Record<never, never>>
  implements Disposable, AsyncDisposable {
  readonly #lease: Lease<PostgresConnection>;
  readonly #context: LeaseContext;
  readonly #limits: StatementLimits | undefined;
  readonly #work: LeaseWork<T> | undefined;
  #sql: LeaseSql<T> | undefined;

  /** For the pool; users get leases from `acquire`. */
  constructor(
    lease: Lease<PostgresConnection>,
    context: LeaseContext,
    limits?: StatementLimits,
    work?: LeaseWork<T>,
  ) {
    this.#lease = lease;
    this.#context = context;
    this.#limits = limits;
    this.#work = work;
  }

  static {
    // As in the core: who resolves a promise with a lease asks it for `then`, and finds sooner that there is none.
    Object.defineProperty(PostgresLease.prototype, "then", {
      value: undefined,
      configurable: true,
      writable: true,
    });
  }

  /**
   * Makes what the `sql` of each lease has beside statements.
   *
   * @internal
   * @param template Of the pool.
   * @returns The prototype, for {@linkcode LeaseContext}.
   */
  static sqlPrototype(template: Template): object {
    const prototype = paritySql(template, {
      reserve: notOffered("reserve", "inside a lease"),
      end: notOffered("end", "inside a lease"),
    });
    return lazily<PostgresLease>(prototype, {
      release: (lease) => () => lease.release(),
      begin: (lease) => (...args: unknown[]) => {
        const { begin, fn } = beginArguments<Record<never, never>>(args);
        return lease.#run(begin, fn, {});
      },
    });
  }

  /** Sends statements on this connection; porsager's `ReservedSql`. */
  get sql(): LeaseSql<T> {
    return this.#sql ??= this.#createSql();
  }

  #createSql(): LeaseSql<T> {
    const lease = this.#lease;
    const { template, prototype, gate } = this.#context;
    const work = this.#work;
    const limits = this.#limits;
    const route = work === undefined
      ? new Session(
        () => gate?.refusal() ?? (lease.released ? new LeaseReleasedError() : lease.connection),
        limits,
      )
      : {
        send(query: PorsagerQuery): void {
          const refusal = gate?.refusal() ??
            (lease.released ? new LeaseReleasedError() : undefined);
          if (refusal === undefined) work.send(query, limits);
          else refuse(query, refusal);
        },
        call: work.call,
      };
    return createSql<T>(template, route, prototype, this) as unknown as LeaseSql<T>;
  }

  /**
   * Runs `fn` in a transaction on this connection: commits when it returns, rolls back when it throws.
   *
   * @param fn What to do; its statements go through the `sql` it is given.
   * @param options Isolation, access mode, signal.
   * @returns What `fn` returns, after the server confirmed the commit.
   */
  async transaction<R>(
    fn: (sql: TransactionSql<T>) => R | PromiseLike<R>,
    options: TransactionOptions = {},
  ): Promise<TransactionResult<R>> {
    checkTransactionOptions(options);
    const { clock } = this.#context;
    const begin = commandText({ verb: "begin", ...options });
    if (this.#work !== undefined) return await this.#run(begin, fn, options);
    return await retrying(
      () => this.#run(begin, fn, options),
      {
        clock,
        signal: options.signal,
        retries: options.retries ?? 0,
        mayRetry: (error) => !this.lost && canRunAgain(error),
      },
    );
  }

  async #run<R>(
    begin: string,
    fn: (sql: TransactionSql<T>) => R | PromiseLike<R>,
    options: TransactionOptions,
  ): Promise<TransactionResult<R>> {
    const { signal, commitResolution } = options;
    const { template, limit, gate, resolve } = this.#context;
    const refusal = gate?.refusal();
    if (refusal !== undefined) throw refusal;
    if (this.#work !== undefined) {
      if (this.released) throw new LeaseReleasedError();
      return await this.#work.transaction<R>({ begin, fn, options, limits: this.#limits });
    }
    return await runTransaction<R, T>({
      connection: this.#lease.connection,
      template,
      begin,
      commitResolution: commitResolution ?? this.#context.commitResolution,
      resolve,
      signal,
      limits: this.#limits,
      clock: this.#context.clock,
      askedAt: this.#context.clock.now(),
      limit: (options) => limit(options, this.#limits),
      gate,
      isOver: () => this.#lease.released,
    }, fn);
  }

  /**
   * A view of the same lease whose statements carry options.
   *
   * @param options Signal and deadline of each statement.
   * @returns The view; releasing it releases the lease.
   */
  with(options: StatementOptions): PostgresLease<T> {
    const limits = this.#context.limit(options, this.#limits);
    return new PostgresLease<T>(this.#lease, this.#context, limits, this.#work);
  }

  /** The connection itself: its backend's process id, its status. */
  get connection(): PostgresConnection {
    return this.#lease.connection;
  }

  /** Number of the physical connection, unique in its pool. */
  get epoch(): number {
    return this.#lease.epoch;
  }

  /** Whether it was given back. */
  get released(): boolean {
    return this.#lease.released;
  }

  /** Whether the connection was lost while it was lent. */
  get lost(): boolean {
    return this.#lease.lost;
  }

  /** Gives the connection back; what is left of a transaction is rolled back behind it. Idempotent. */
  release(): void {
    // By another request it would wake up those who wait in its own, where they cannot go on.
    if (!this.#context.gate?.foreign) this.#lease.release();
  }

  /** Gives the connection up: it is closed at once and never lent again. Idempotent. */
  destroy(): void {
    if (!this.#context.gate?.foreign) this.#lease.destroy();
  }

  /** {@inheritDoc PostgresLease.release} */
  [Symbol.dispose](): void {
    this.release();
  }

  /** {@inheritDoc PostgresLease.release} */
  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return Promise.resolve();
  }
}
