/**
 * A scope as users of PostgreSQL see it.
 *
 * @module
 */

import type { AcquireOptions } from "../core/options.ts";
import type { Scope } from "../core/scope.ts";
import { commandText } from "../driver/postgres/commands.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import { type BaseSql, createSql } from "../driver/postgres/sql.ts";
import type { StatementLimits, StatementOptions } from "../driver/postgres/statement_limits.ts";
import type {
  TransactionOptions,
  TransactionResult,
  TransactionSql,
} from "../driver/postgres/transaction.ts";
import { checkTransactionOptions } from "./options.ts";
import type { PostgresLease } from "./postgres_lease.ts";
import { ScopeWork, type ScopeWorkContext } from "./scope_work.ts";

/**
 * A stretch of work that has one connection of a pool: the first use takes it, all that follow have it. Its end commits
 * nothing: what is left open is rolled back. Later uses are rejected.
 *
 * @example Without async-local storage
 * ```ts
 * import { createPool } from "@steady/pool/deno";
 *
 * await using db = createPool("postgres://app@localhost/app");
 * using scope = db.openScope({ name: "import" });
 * await scope.sql`create temp table staging (x int)`;
 * await scope.transaction(async (sql) => {
 *   await sql`insert into staging values (1)`;
 * });
 * ```
 */
export class PostgresScope<T extends PostgresTypes = Record<never, never>>
  implements Disposable, AsyncDisposable {
  readonly #scope: Scope<PostgresConnection>;
  readonly #context: ScopeWorkContext;
  readonly #work: ScopeWork<T>;
  #sql: BaseSql<T> | undefined;

  /** For the pool; users get scopes from `scope` and `openScope`. */
  constructor(
    scope: Scope<PostgresConnection>,
    context: ScopeWorkContext,
    work: ScopeWork<T> = new ScopeWork<T>(context),
  ) {
    this.#scope = scope;
    this.#context = context;
    this.#work = work;
  }

  /** Its name, for people. */
  get name(): string {
    return this.#scope.name;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#scope.ended;
  }

  /** Sends statements on its connection; porsager's `sql`. */
  get sql(): BaseSql<T> {
    return this.#sql ??= createSql<T>(
      this.#context.lease.template,
      this.#work.routeOf(this.#scope),
    );
  }

  /**
   * Runs `fn` in a transaction; within another one of the scope it is a savepoint. What is used of the scope below `fn` is
   * part of it.
   *
   * @param fn What to do.
   * @param options Isolation, access mode, retries, signal.
   * @returns What `fn` returns, after the server confirmed the commit.
   */
  async transaction<R>(
    fn: (sql: TransactionSql<T>) => R | PromiseLike<R>,
    options: TransactionOptions = {},
  ): Promise<TransactionResult<R>> {
    checkTransactionOptions(options);
    const begin = commandText({ verb: "begin", ...options });
    return await this.#work.transaction<R>(this.#scope, { begin, fn, options });
  }

  /**
   * Lends its connection to `fn` alone, and takes it back in any case.
   *
   * @param fn What to do with it.
   * @param options Signal, deadline and label of the wait.
   * @returns What `fn` returns.
   */
  async use<R>(
    fn: (lease: PostgresLease<T>) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<R> {
    return await this.#work.use(this.#scope, fn, options);
  }

  /**
   * Lends its connection alone.
   *
   * @param options Signal, deadline and label of the wait.
   * @returns The lease; releasing it passes the connection on within the scope.
   */
  async acquire(options?: AcquireOptions): Promise<PostgresLease<T>> {
    return await this.#work.acquire(this.#scope, options);
  }

  /**
   * A view of the same scope whose statements carry options.
   *
   * @param options Signal and deadline of each statement.
   * @returns The view; ending it ends the scope.
   */
  with(options: StatementOptions): PostgresScope<T> {
    const limits: StatementLimits = this.#context.lease.limit(options, this.#context.limits);
    return new PostgresScope<T>(this.#scope, { ...this.#context, limits });
  }

  /** Ends it: what is still open is rolled back, the connection goes back. Idempotent. */
  end(): void {
    this.#scope.end();
  }

  /** {@inheritDoc PostgresScope.end} */
  [Symbol.dispose](): void {
    this.end();
  }

  /** {@inheritDoc PostgresScope.end} */
  [Symbol.asyncDispose](): Promise<void> {
    this.end();
    return Promise.resolve();
  }
}
