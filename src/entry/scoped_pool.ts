/**
 * A pool for runtimes whose connections belong to one request: outside of requests it is configuration only.
 *
 * @module
 */

import type { ConnectionInfo } from "../core/inspection.ts";
import type { AcquireOptions, PoolReadyOptions } from "../core/options.ts";
import type { OpenScopeOptions } from "../core/scope_options.ts";
import type { PoolStats } from "../core/stats.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import type { PoolSql } from "../driver/postgres/sql.ts";
import type { StatementOptions } from "../driver/postgres/statement_limits.ts";
import type {
  TransactionOptions,
  TransactionResult,
  TransactionSql,
} from "../driver/postgres/transaction.ts";
import { Invocation, type InvocationHost, outsideError, type WaitUntil } from "./invocation.ts";
import { checkStatementOptions } from "./options.ts";
import type { PostgresLease } from "./postgres_lease.ts";
import type { PostgresPool } from "./postgres_pool.ts";
import type { PostgresScope } from "./postgres_scope.ts";
import type { ScopeOptions } from "./scope_options.ts";
import { scopedSql } from "./scoped_sql.ts";
import type { SharedPostgresLease } from "./shared_postgres_lease.ts";

/**
 * A pool of PostgreSQL connections where connections belong to one request; made by `createPool` of `./workerd`.
 *
 * Each call of a handler that was wrapped by {@linkcode ScopedPool.scoped} has a pool of its own: connections, waiters,
 * timers, and `max` are its own. It opens lazily, and closes behind the response. Everything else here works on the pool
 * of the request that runs, and throws where none does.
 *
 * @example A worker
 * ```ts
 * import { createPool } from "@steady/pool/workerd";
 *
 * const db = createPool("postgres://app@db.example/app", { ssl: "verify-full" });
 *
 * const worker = {
 *   fetch: db.scoped(async (request: Request) => {
 *     const [user] = await db.sql`select name from users where id = ${new URL(request.url).pathname}`;
 *     return Response.json(user);
 *   }),
 * };
 * export { worker as default };
 * ```
 */
export class ScopedPool<T extends PostgresTypes = Record<never, never>> {
  readonly #host: InvocationHost<T>;
  readonly #waitUntil: WaitUntil | undefined;
  readonly #options: StatementOptions | undefined;
  #sql: PoolSql<T> | undefined;

  private constructor(
    host: InvocationHost<T>,
    waitUntil: WaitUntil | undefined,
    options?: StatementOptions,
  ) {
    this.#host = host;
    this.#waitUntil = waitUntil;
    this.#options = options;
  }

  /**
   * For entries of runtimes; users call `createPool`.
   *
   * @param host What all requests share.
   * @param waitUntil Keeps a request alive whose handler is given nothing that could.
   * @returns The pool.
   */
  static create<T extends PostgresTypes>(
    host: InvocationHost<T>,
    waitUntil: WaitUntil | undefined,
  ): ScopedPool<T> {
    return new ScopedPool<T>(host, waitUntil);
  }

  /**
   * Wraps a handler so that the pool can be used within. What it opened is given back and closed behind the response, by
   * the `waitUntil` of that argument which has one (`ctx`), else by that of `cloudflare:workers`. Statements that are on
   * their way and leases that are not given back by then have five seconds.
   *
   * A wrapped handler that another calls shares that one's connections.
   *
   * @param handler Called with the arguments of the result: a `fetch`, `scheduled` or `queue` handler, or any function.
   * @returns A function to be called instead.
   *
   * @example Work behind the response
   * ```ts
   * import { createPool } from "@steady/pool/workerd";
   *
   * const db = createPool("postgres://app@db.example/app");
   * const log = db.scoped((path: string) => db.sql`insert into visits (path) values (${path})`);
   *
   * export default {
   *   fetch(request: Request, _env: unknown, ctx: { waitUntil(promise: Promise<unknown>): void }) {
   *     ctx.waitUntil(log(new URL(request.url).pathname));
   *     return new Response("hello");
   *   },
   * };
   * ```
   */
  scoped<Args extends unknown[], R>(
    handler: (...args: Args) => R,
  ): (...args: Args) => Promise<Awaited<R>> {
    return async (...args): Promise<Awaited<R>> => {
      const current = this.#host.current.get();
      const invocation = current?.open
        ? current
        : new Invocation(this.#host, waitUntilOf(args) ?? this.#waitUntil);
      return await invocation.run<R>(() => handler(...args));
    };
  }

  /**
   * Sends statements, each on a connection of its own; porsager's `Sql`, with its helpers, `begin`, `reserve` and `end`.
   * It can be kept: whatever is called on it works on the pool of the request that runs.
   *
   * @throws {ScopeError} At each call outside of a wrapped handler.
   */
  get sql(): PoolSql<T> {
    return this.#sql ??= scopedSql<T>(() => this.#pool.sql);
  }

  /**
   * Runs `fn` in a transaction on a connection of its own: commits when it returns, rolls back when it throws or when a
   * statement in it failed.
   *
   * @param fn What to do; its statements go through the `sql` it is given.
   * @param options Isolation, access mode, signal.
   * @returns What `fn` returns, after the server confirmed the commit.
   * @throws {ScopeError} Outside of a wrapped handler.
   * @throws {ConnectionLostError} If the connection was lost before COMMIT was sent; nothing of it is in force.
   * @throws {CommitUnknownError} If it was lost after.
   */
  async transaction<R>(
    fn: (sql: TransactionSql<T>) => R | PromiseLike<R>,
    options?: TransactionOptions,
  ): Promise<TransactionResult<R>> {
    return await this.#pool.transaction(fn, options);
  }

  /**
   * Lends a connection for exclusive use, within the request that runs.
   *
   * @param options Signal, deadline and priority of this acquire.
   * @returns The lease; the borrower must release it.
   * @throws {ScopeError} Outside of a wrapped handler.
   * @throws {AcquireTimeoutError} If the deadline passed.
   * @throws {TooManyConnectionsError} If none is free and the timeout is 0.
   * @throws {TooManyWaitersError} If the queue is full.
   * @throws {ConnectError} If the server refuses the pool for good.
   */
  async acquire(options?: AcquireOptions): Promise<PostgresLease<T>> {
    return await this.#pool.acquire(options);
  }

  /**
   * Lends a connection together with others, for single statements, within the request that runs.
   *
   * @param options Signal, deadline, priority and label of this acquire.
   * @returns The lease; the borrower must release it.
   * @throws {ScopeError} Outside of a wrapped handler.
   */
  async acquireShared(options?: AcquireOptions): Promise<SharedPostgresLease<T>> {
    return await this.#pool.acquireShared(options);
  }

  /**
   * Lends an idle connection, or none; never waits, opens nothing.
   *
   * @returns The lease, or `undefined`.
   * @throws {ScopeError} Outside of a wrapped handler.
   */
  tryAcquire(): PostgresLease<T> | undefined {
    return this.#pool.tryAcquire();
  }

  /**
   * Lends a connection to `fn` and takes it back in any case.
   *
   * @param fn What to do with it.
   * @param options Signal, deadline and priority of the acquire.
   * @returns What `fn` returns.
   * @throws {ScopeError} Outside of a wrapped handler.
   */
  async use<R>(
    fn: (lease: PostgresLease<T>) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<R> {
    return await this.#pool.use(fn, options);
  }

  /**
   * Runs `fn` such that all it does has one connection, as {@linkcode PostgresPool.scope} says; within a wrapped handler, whose
   * other work has connections of its own.
   *
   * @param fn What to run; is given the scope.
   * @param options Its name; whether it is a new scope in any case; whether it is one transaction.
   * @returns What `fn` returns. Nothing is committed unless `transactional`; what is left open is rolled back.
   * @throws What `fn` throws.
   *
   * @example One connection for each request
   * ```ts
   * import { createPool } from "@steady/pool/workerd";
   *
   * const db = createPool("postgres://app@db.example/app");
   * const worker = {
   *   fetch: db.scoped((request: Request) =>
   *     db.scope(async () => {
   *       const log = () => db.sql`insert into visits (path) values (${request.url})`;
   *       await db.transaction(log);
   *       return new Response("hello");
   *     })
   *   ),
   * };
   * export { worker as default };
   * ```
   */
  async scope<R>(
    fn: (scope: PostgresScope<T>) => R | PromiseLike<R>,
    options?: ScopeOptions,
  ): Promise<R> {
    return await this.#pool.scope(fn, options);
  }

  /**
   * Opens a scope to be used by itself: by its own methods, not by those of the pool.
   *
   * @param options Its name.
   * @returns The scope; has to be ended, such as by `using`, and is at the end of the request.
   * @throws {ScopeError} Outside of a wrapped handler.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   */
  openScope(options?: OpenScopeOptions): PostgresScope<T> {
    return this.#pool.openScope(options);
  }

  /**
   * Finds the scope that the caller is in.
   *
   * @returns The scope, which may have ended; `undefined` outside of any.
   * @throws {ScopeError} Outside of a wrapped handler.
   */
  current(): PostgresScope<T> | undefined {
    return this.#pool.current();
  }

  /**
   * Runs `fn` as if it were in no scope: on connections of its own.
   *
   * @param fn What to run.
   * @returns What `fn` returns.
   * @throws {ScopeError} Outside of a wrapped handler.
   */
  outside<R>(fn: () => R): R {
    return this.#pool.outside(fn);
  }

  /**
   * Makes sure that the caller is in a transaction of a scope.
   *
   * @returns The `sql` of the innermost transaction or savepoint.
   * @throws {ScopeError} Outside of any, and outside of scopes and wrapped handlers.
   */
  requireTransaction(): TransactionSql<T> {
    return this.#pool.requireTransaction();
  }

  /**
   * Has a function called after the transaction that the caller is in was committed.
   *
   * @param fn Called once; awaited before `transaction` returns.
   * @throws {ScopeError} Outside of a transaction, and outside of scopes and wrapped handlers.
   */
  afterCommit(fn: () => unknown): void {
    this.#pool.afterCommit(fn);
  }

  /**
   * Has a function called after the transaction, or savepoint, that the caller is in was rolled back.
   *
   * @param fn Called once, with what it failed of; awaited before `transaction` rejects.
   * @throws {ScopeError} Outside of a transaction, and outside of scopes and wrapped handlers.
   */
  afterRollback(fn: (error: unknown) => unknown): void {
    this.#pool.afterRollback(fn);
  }

  /**
   * Takes a connection back; the same as the lease's own `release`.
   *
   * @param lease The lease. Idempotent.
   */
  release(lease: PostgresLease<T>): void {
    lease.release();
  }

  /**
   * A view of the same pool whose statements carry options.
   *
   * @param options Signal and deadline of each statement.
   * @returns The view.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   */
  with(options: StatementOptions): ScopedPool<T> {
    checkStatementOptions(options);
    return new ScopedPool<T>(this.#host, this.#waitUntil, mergeOptions(this.#options, options));
  }

  /**
   * Learns array types that were created after the pool was, such as those of new enums.
   *
   * @returns Resolved when the types are known.
   * @throws {ScopeError} Outside of a wrapped handler.
   */
  async refreshTypes(): Promise<void> {
    await this.#pool.refreshTypes();
  }

  /**
   * Looks at each connection of the request that runs.
   *
   * @returns One element for each, by number.
   * @throws {ScopeError} Outside of a wrapped handler.
   */
  inspect(): ConnectionInfo[] {
    return this.#pool.inspect();
  }

  /**
   * Counts connections and waiters of the request that runs, and gives what was counted and measured since it began.
   *
   * @returns The counts at this instant, counters and times.
   * @throws {ScopeError} Outside of a wrapped handler.
   */
  stats(): PoolStats {
    return this.#pool.stats();
  }

  /**
   * Waits until as many connections are open in the request that runs as `minIdle` says, at least one.
   *
   * @param options Signal and deadline of this wait.
   * @returns Resolved when they are open.
   * @throws {ScopeError} Outside of a wrapped handler.
   * @throws {AcquireTimeoutError} If the deadline passed.
   * @throws {ConnectError} If the server refuses the pool for good, or cannot be had and is not to be waited for.
   */
  async ready(options?: PoolReadyOptions): Promise<void> {
    await this.#pool.ready(options);
  }

  /**
   * Changes `max` of the request that runs; others, and those to come, have what `createPool` was told.
   *
   * @param max Most connections from now on; integer, at least 1 and at least `minIdle`.
   * @throws {ScopeError} Outside of a wrapped handler.
   * @throws {TypeError} If it is not a number.
   * @throws {RangeError} If it is out of range.
   */
  resize(max: number): void {
    this.#pool.resize(max);
  }

  /**
   * Lends nothing in the request that runs until {@linkcode ScopedPool.resume}.
   *
   * @throws {ScopeError} Outside of a wrapped handler.
   */
  suspend(): void {
    this.#pool.suspend();
  }

  /**
   * Lends again in the request that runs.
   *
   * @throws {ScopeError} Outside of a wrapped handler.
   */
  resume(): void {
    this.#pool.resume();
  }

  /**
   * Condemns connections of the request that runs.
   *
   * @param filter Tells which, by what is seen of each; all, when not given.
   * @throws {ScopeError} Outside of a wrapped handler.
   * @throws {TypeError} If the filter is not a function.
   */
  evict(filter?: (connection: ConnectionInfo) => boolean): void {
    this.#pool.evict(filter);
  }

  /** The pool of the request that runs, as this view sees it. */
  get #pool(): PostgresPool<T> {
    const current = this.#host.current.get();
    if (current === undefined) throw outsideError();
    return this.#options === undefined ? current.pool : current.pool.with(this.#options);
  }
}

function waitUntilOf(args: readonly unknown[]): WaitUntil | undefined {
  for (const arg of args) {
    if (typeof arg !== "object" || arg === null) continue;
    const ctx = arg as { readonly waitUntil?: unknown };
    if (typeof ctx.waitUntil === "function") {
      return (promise) => (ctx as { waitUntil: WaitUntil }).waitUntil(promise);
    }
  }
  return undefined;
}

/** As in a pool: both signals count, the new ones of the others replace. */
function mergeOptions(
  base: StatementOptions | undefined,
  options: StatementOptions,
): StatementOptions {
  const signals = [base?.signal, options.signal].filter((one) => one !== undefined);
  return {
    signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0],
    timeoutMs: options.timeoutMs ?? base?.timeoutMs,
    idempotent: options.idempotent ?? base?.idempotent,
    replay: options.replay ?? base?.replay,
  };
}
