/**
 * The pool that users of PostgreSQL see: the core's pool, the postgres driver, and porsager's `sql` on top.
 *
 * @module
 */

import { type Clock, systemClock } from "../core/clock.ts";
import { inPlaceOf } from "../core/in_place_of.ts";
import type { ConnectionInfo } from "../core/inspection.ts";
import type {
  AcquireOptions,
  CloseOptions,
  PoolOptions,
  PoolReadyOptions,
} from "../core/options.ts";
import { Pool } from "../core/pool.ts";
import { leave, type ManagedPool } from "../core/registry.ts";
import type { OpenScopeOptions } from "../core/scope_options.ts";
import type { Lease } from "../core/lease.ts";
import type { PoolStats } from "../core/stats.ts";
import { show } from "../core/validate.ts";
import { commandText } from "../driver/postgres/commands.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { PostgresDriver } from "../driver/postgres/driver.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import { Session } from "../driver/postgres/session.ts";
import { type BaseSql, createSql, type Gate, type PoolSql } from "../driver/postgres/sql.ts";
import type { StatementLimits, StatementOptions } from "../driver/postgres/statement_limits.ts";
import {
  beginningAnew,
  canRunAgain,
  runTransaction,
  type TransactionContext,
  type TransactionOptions,
  type TransactionResult,
  type TransactionSql,
} from "../driver/postgres/transaction.ts";
import { CommitResolver } from "./commit_resolver.ts";
import {
  checkStatementOptions,
  checkTransactionOptions,
  type FrontOptions,
  type PostgresSession,
} from "./options.ts";
import { gatedTemplate } from "./gated_template.ts";
import { GuardedRoute, PoolRoute, ScopeRoute } from "./pool_route.ts";
import { beginArguments, paritySql } from "./porsager_parity.ts";
import { type LeaseContext, PostgresLease } from "./postgres_lease.ts";
import { retrying } from "./retrying.ts";
import { PersistentPostgresContext } from "./persistent_postgres_context.ts";
import { anySignal } from "./any_signal.ts";
import { PoolScopes } from "./pool_scopes.ts";
import type { PostgresScope } from "./postgres_scope.ts";
import { checkScope, checkScoped, type ScopedOptions, type ScopeOptions } from "./scope_options.ts";
import { ScopeWork } from "./scope_work.ts";
import { SharedPostgresLease } from "./shared_postgres_lease.ts";

/** What all views of one pool share. */
interface Shared {
  readonly driver: PostgresDriver;
  readonly pool: Pool<PostgresConnection>;
  readonly acquireTimeoutMs: number;
  readonly clock: Clock;
  readonly front: FrontOptions;
  readonly lease: LeaseContext;
}

/** How a transaction is to be run that has a connection of its own. */
type TransactionRequest =
  & Pick<TransactionContext, "begin" | "signal" | "askedAt">
  & Pick<TransactionOptions, "commitResolution">;

/**
 * A pool of PostgreSQL connections; made by `createPool`.
 *
 * @example Statements, transactions, leases
 * ```ts
 * import { createPool } from "@steady/pool/deno";
 *
 * await using db = createPool("postgres://app@localhost/app", { max: 10 });
 *
 * const id = 1;
 * const rows = await db.sql`select * from users where id = ${id}`;
 *
 * await db.transaction(async (sql) => {
 *   await sql`insert into log values (${id})`;
 * }, { isolation: "serializable" });
 *
 * using lease = await db.acquire();
 * await lease.sql`create temp table t (x int)`;
 * console.log(rows.length);
 * ```
 */
export class PostgresPool<T extends PostgresTypes = Record<never, never>>
  implements ManagedPool, AsyncDisposable {
  readonly #shared: Shared;
  readonly #limits: StatementLimits | undefined;
  readonly #wrap: (lease: Lease<PostgresConnection>) => PostgresLease<T>;
  readonly #work: ScopeWork<T>;
  readonly #scopes: PoolScopes<T>;
  #sql: PoolSql<T> | undefined;

  private constructor(shared: Shared, limits?: StatementLimits) {
    this.#shared = shared;
    this.#limits = limits;
    this.#wrap = (lease) => new PostgresLease<T>(lease, shared.lease, limits);
    const { clock, acquireTimeoutMs, front: { replay }, lease } = shared;
    const context = { limits, clock, acquireTimeoutMs, replay, lease };
    this.#work = new ScopeWork<T>(context);
    this.#scopes = new PoolScopes<T>(shared.pool, context, this.#work);
  }

  /**
   * For entries of runtimes; users call `createPool`.
   *
   * @param driver The driver.
   * @param options The pool's options.
   * @param front Options of what is on top of the pool.
   * @param gate Asked before each use of the pool, and of what it lends, where both belong to one request.
   * @returns The pool.
   * @throws {TypeError} If an option has the wrong type.
   * @throws {RangeError} If an option is out of range.
   */
  static create<T extends PostgresTypes>(
    driver: PostgresDriver,
    options: Omit<PoolOptions, "session"> & { readonly session?: PostgresSession<T> },
    front: FrontOptions,
    gate?: Gate,
  ): PostgresPool<T> {
    const { clock = systemClock, acquireTimeoutMs = 10_000 } = options;
    const template = gate === undefined ? driver.template : gatedTemplate(driver.template, gate);
    const { session } = options;
    const pool = new Pool(driver, {
      ...options,
      session: typeof session === "function"
        ? (connection) =>
          setUp(session, createSql<T>(driver.template, new Session(() => connection)))
        : session,
    });
    // It belongs to one request: others could do nothing with it.
    if (gate !== undefined) leave(pool);
    // Another server is the primary now, and has to be found behind the same address.
    driver.onReadOnly = (connection, error) => pool.condemn(error, connection);
    const resolver = new CommitResolver(pool, clock, acquireTimeoutMs);
    return new PostgresPool<T>({
      driver,
      pool,
      acquireTimeoutMs,
      clock,
      front,
      lease: {
        template,
        prototype: PostgresLease.sqlPrototype(template),
        limit: (more, base) => mergeLimits(clock, more, base),
        clock,
        commitResolution: front.commitResolution,
        resolve: (question) => resolver.resolve(question),
        gate,
      },
    });
  }

  /**
   * Sends statements, each on a connection of its own; porsager's `Sql`, with its helpers, `begin`, `reserve` and `end`.
   *
   * The connection goes back when the server has answered the last of the statement: a cursor or a COPY stream keeps it
   * until then.
   */
  get sql(): PoolSql<T> {
    return this.#sql ??= this.#createSql();
  }

  #createSql(): PoolSql<T> {
    const { pool, acquireTimeoutMs, clock, front, lease: { template, gate } } = this.#shared;
    const limits = this.#limits;
    const replay = limits?.replay ?? front.replay;
    const own = new ScopeRoute(
      pool,
      new PoolRoute({ pool, limits, acquireTimeoutMs, clock, replay }),
      this.#work,
    );
    const route = gate === undefined ? own : new GuardedRoute(own, gate);
    const end = ({ timeout }: { timeout?: number | null } = {}): Promise<void> =>
      pool.close(
        timeout === undefined || timeout === null ? undefined : {
          timeoutMs: timeout * 1000,
        },
      );
    return Object.assign(createSql<T>(template, route, paritySql(template, {})), {
      begin: async (...args: unknown[]) => {
        const { begin, fn } = beginArguments<T>(args);
        return await this.#runTransaction(begin, fn, {});
      },
      reserve: async () => (await this.acquire()).sql,
      end,
      close: end,
    }) as unknown as PoolSql<T>;
  }

  /**
   * Runs `fn` in a transaction on a connection of its own: commits when it returns, rolls back when it throws or when a
   * statement in it failed. No statement of it can reach another session: when the connection is lost, the rest of the
   * transaction is rejected.
   *
   * @param fn What to do; its statements go through the `sql` it is given.
   * @param options Isolation, access mode, retries, what is done about a lost COMMIT, signal.
   * @returns What `fn` returns, after the server confirmed the commit.
   * @throws {ConnectionLostError} If the connection was lost and nothing of it is in force.
   * @throws {CommitUnknownError} If it was lost after COMMIT was sent, and the server cannot tell what became of it.
   *
   * @example Savepoint
   * ```ts
   * import { createPool } from "@steady/pool/deno";
   *
   * await using db = createPool("postgres://app@localhost/app");
   * await db.transaction(async (sql) => {
   *   await sql`insert into orders (id) values (1)`;
   *   await sql.savepoint((sql) => sql`insert into audit (id) values (1)`).catch(() => {});
   * });
   * ```
   */
  async transaction<R>(
    fn: (sql: TransactionSql<T>) => R | PromiseLike<R>,
    options: TransactionOptions = {},
  ): Promise<TransactionResult<R>> {
    checkTransactionOptions(options);
    return await this.#runTransaction(commandText({ verb: "begin", ...options }), fn, options);
  }

  async #runTransaction<R>(
    begin: string,
    fn: (sql: TransactionSql<T>) => R | PromiseLike<R>,
    options: TransactionOptions,
  ): Promise<TransactionResult<R>> {
    const { clock, lease: { gate } } = this.#shared;
    throwIfRefused(gate);
    const { retries = 0, commitResolution } = options;
    const signal = anySignal(options.signal, this.#limits?.signal);
    const scope = this.#shared.pool.current();
    if (scope !== undefined) {
      return await this.#work.transaction<R>(scope, { begin, fn, options: { ...options, signal } });
    }
    const run = (): Promise<TransactionResult<R>> => {
      const askedAt = clock.now();
      return beginningAnew(() =>
        this.#tryTransaction({ begin, signal, commitResolution, askedAt }, fn)
      );
    };
    if (retries === 0) return await run();
    return await retrying(run, { clock, signal, retries, mayRetry: canRunAgain });
  }

  #tryTransaction<R>(
    { signal, commitResolution, ...asked }: TransactionRequest,
    fn: (sql: TransactionSql<T>) => R | PromiseLike<R>,
  ): Promise<TransactionResult<R>> {
    const { pool, front, clock, lease: { template, limit, gate, resolve } } = this.#shared;
    return pool.use((lease) =>
      runTransaction<R, T>({
        connection: lease.connection,
        template,
        ...asked,
        commitResolution: commitResolution ?? front.commitResolution,
        resolve,
        signal,
        limits: this.#limits,
        clock,
        limit: (options) => limit(options, this.#limits),
        gate,
      }, fn), this.#acquireOptions(signal && { signal }));
  }

  /**
   * Lends a connection for exclusive use.
   *
   * @param options Signal, deadline and priority of this acquire.
   * @returns The lease; the borrower must release it.
   * @throws {AcquireTimeoutError} If the deadline passed.
   * @throws {TooManyConnectionsError} If none is free and the timeout is 0.
   * @throws {TooManyWaitersError} If the queue is full.
   * @throws {ConnectError} If the server refuses the pool for good.
   * @throws {PoolClosedError} If the pool is closed or closing.
   */
  acquire(options?: AcquireOptions): Promise<PostgresLease<T>> {
    const { pool, lease } = this.#shared;
    // As most do it: by as few promises as there can be.
    if (options === undefined && lease.gate === undefined && pool.current() === undefined) {
      return pool.acquire(this.#acquireOptions()).then(this.#wrap);
    }
    return this.#acquire(options);
  }

  async #acquire(options?: AcquireOptions): Promise<PostgresLease<T>> {
    throwIfRefused(this.#shared.lease.gate);
    const scope = this.#shared.pool.current();
    if (scope !== undefined) return await this.#work.acquire(scope, this.#inScope(options));
    return this.#wrap(await this.#shared.pool.acquire(this.#acquireOptions(options)));
  }

  /**
   * Lends a connection together with others, for single statements, which are sent one behind the other: many readers need
   * no more than a few connections. At most `maxShared` are shared so, read-only unless `readOnly` is `false`; the next
   * lease is given the one with the fewest. With `maxShared: 0`, and behind a transaction pooler, each has a connection of
   * its own.
   *
   * @param options Signal, deadline, priority and label of this acquire.
   * @returns The lease; the borrower must release it.
   * @throws What {@linkcode PostgresPool.acquire} throws.
   *
   * @example Readers
   * ```ts
   * import { createPool } from "@steady/pool/deno";
   *
   * await using db = createPool("postgres://app@localhost/app", {
   *   maxShared: 2,
   *   readOnly: { username: "reader", password: "secret" },
   * });
   * using reader = await db.acquireShared();
   * console.log(await reader.sql`select count(*) from users`);
   * ```
   */
  async acquireShared(options?: AcquireOptions): Promise<SharedPostgresLease<T>> {
    throwIfRefused(this.#shared.lease.gate);
    const lease = await this.#shared.pool.acquireShared(this.#acquireOptions(options));
    return SharedPostgresLease.create<T>(lease, this.#shared.lease, this.#limits);
  }

  /**
   * Lends an idle connection, or none; never waits, opens nothing.
   *
   * @returns The lease, or `undefined`.
   * @throws {PoolClosedError} If the pool is closed or closing.
   */
  tryAcquire(): PostgresLease<T> | undefined {
    const { pool } = this.#shared;
    const scope = pool.current();
    if (scope === undefined) {
      const lease = pool.tryAcquire();
      return lease && this.#wrap(lease);
    }
    const turn = scope.tryTake();
    return turn && this.#work.leaseOf(scope, turn);
  }

  /**
   * Lends a connection to `fn` and takes it back in any case.
   *
   * @param fn What to do with it.
   * @param options Signal, deadline and priority of the acquire.
   * @returns What `fn` returns.
   */
  async use<R>(
    fn: (lease: PostgresLease<T>) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<R> {
    const { pool, lease: { gate } } = this.#shared;
    throwIfRefused(gate);
    const scope = pool.current();
    if (scope !== undefined) return await this.#work.use(scope, fn, this.#inScope(options));
    return await pool.use((lease) => fn(this.#wrap(lease)), this.#acquireOptions(options));
  }

  /**
   * Runs `fn` such that all it does has one connection, taken when it is first needed: `sql`, `use`, `acquire` and
   * `transaction` of this pool find it, in whatever function they are called below. Statements are sent in the order written,
   * all else is done one at a time in the order asked for. {@linkcode PostgresPool.transaction} within is joined by all below
   * its callback. In a scope already, that one is used.
   *
   * @param fn What to run; is given the scope.
   * @param options Its name; whether it is a new scope in any case; whether it is one transaction.
   * @returns What `fn` returns. Nothing is committed unless `transactional`; what is left open is rolled back.
   * @throws What `fn` throws.
   *
   * @example A helper that knows nothing of the transaction it is part of
   * ```ts
   * import { createPool } from "@steady/pool/deno";
   *
   * await using db = createPool("postgres://app@localhost/app");
   * const log = (text: string) => db.sql`insert into log (text) values (${text})`;
   *
   * await db.scope(async () => {
   *   await db.transaction(async () => {
   *     await db.sql`update stock set left_over = left_over - 1`;
   *     await log("sold");
   *   });
   * });
   * ```
   */
  scope<R>(
    fn: (scope: PostgresScope<T>) => R | PromiseLike<R>,
    options?: ScopeOptions,
  ): Promise<R> {
    if (options === undefined && typeof fn === "function" && !this.#shared.lease.gate) {
      return this.#scopes.runPlain(fn);
    }
    return this.#scope(fn, options);
  }

  async #scope<R>(
    fn: (scope: PostgresScope<T>) => R | PromiseLike<R>,
    options: ScopeOptions = {},
  ): Promise<R> {
    throwIfRefused(this.#shared.lease.gate);
    requireFunction("open a scope", "fn", fn);
    checkScope(options);
    return await this.#scopes.run<R>(fn, options, PostgresPool.#scopesOf(options));
  }

  /**
   * Wraps a handler so that each call runs in a {@linkcode PostgresPool.scope}: one connection for a request, taken when it is
   * first needed.
   *
   * @param handler Called with the arguments of the result: of `Deno.serve`, `Bun.serve`, Hono, or any function.
   * @param options Those of a scope; how long it lasts; when it is rolled back.
   * @returns A function to be called instead.
   * @throws {TypeError} If an option has the wrong type, does not exist, or does not go with another.
   *
   * @example A server
   * ```ts
   * import { createPool } from "@steady/pool/deno";
   *
   * const db = createPool("postgres://app@localhost/app");
   * Deno.serve(db.scoped(async (request: Request) => {
   *   const [user] = await db.sql`select name from users where id = ${new URL(request.url).pathname}`;
   *   return Response.json(user);
   * }));
   * ```
   */
  scoped<Args extends unknown[], R>(
    handler: (...args: Args) => R,
    options: ScopedOptions<Awaited<R>> = {},
  ): (...args: Args) => Promise<Awaited<R>> {
    requireFunction("wrap a handler", "handler", handler);
    checkScoped(options);
    const others = PostgresPool.#scopesOf(options);
    const call = (...args: Args): Promise<Awaited<R>> =>
      this.#scopes.call(() => handler(...args), options, others);
    return inPlaceOf(handler, call);
  }

  static #scopesOf({ others = [] }: ScopeOptions): readonly PoolScopes<PostgresTypes>[] {
    return others.map((other) => {
      if (#scopes in other) return other.#scopes;
      throw new TypeError(
        `Cannot open a scope as others must be pools: received ${show(other)}`,
      );
    });
  }

  /**
   * Opens a scope to be used by itself, without async-local storage: by its own methods, not by those of the pool.
   *
   * @param options Its name.
   * @returns The scope; has to be ended, such as by `using`.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   */
  openScope(options?: OpenScopeOptions): PostgresScope<T> {
    return this.#scopes.viewOf(this.#shared.pool.openScope(options));
  }

  /**
   * Makes an owner of a connection, such as for a worker or an actor: all its scopes have the same one, from its first use
   * until it is ended, or the pool has it replaced between two scopes, as {@linkcode PersistentPostgresContext} says. It counts
   * against `max` also while it is not used.
   *
   * @param options Its name.
   * @returns The owner; has to be ended, such as by `using`.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   *
   * @example An actor with prepared state
   * ```ts
   * import { createPool } from "@steady/pool/deno";
   *
   * await using db = createPool("postgres://app@localhost/app");
   * await using actor = db.persistent({ name: "indexer" });
   * await actor.scope(() => db.sql`create temp table seen (id int)`);
   * await actor.scope(() => db.sql`insert into seen values (1)`);
   * ```
   */
  persistent(options?: OpenScopeOptions): PersistentPostgresContext<T> {
    return new PersistentPostgresContext<T>(
      this.#shared.pool.persistent(options),
      (scope) => this.#scopes.viewOf(scope),
    );
  }

  /**
   * Finds the scope that the caller is in.
   *
   * @returns The scope, which may have ended; `undefined` outside of any.
   */
  current(): PostgresScope<T> | undefined {
    const scope = this.#shared.pool.current();
    return scope && this.#scopes.viewOf(scope);
  }

  /**
   * Runs `fn` as if it were in no scope: on connections of its own, so that it stays whatever becomes of the transaction
   * around, such as an audit log.
   *
   * @param fn What to run.
   * @returns What `fn` returns.
   *
   * @example An entry that survives a rollback
   * ```ts
   * import { createPool } from "@steady/pool/deno";
   *
   * await using db = createPool("postgres://app@localhost/app");
   * await db.scope(() =>
   *   db.transaction(async () => {
   *     await db.outside(() => db.sql`insert into audit (what) values ('tried')`);
   *     await db.sql`insert into orders (id) values (1)`;
   *   })
   * );
   * ```
   */
  outside<R>(fn: () => R): R {
    const { pool, lease: { template: { Query } } } = this.#shared;
    return pool.outside(() => {
      const result = fn();
      // Else it would be sent when it is awaited, which is in the scope again.
      if (result instanceof Query) result.execute();
      return result;
    });
  }

  /**
   * Makes sure that the caller is in a transaction: for functions that must only be called below the callback of one.
   *
   * @returns The `sql` of the innermost transaction or savepoint.
   * @throws {ScopeError} Outside of any, and outside of scopes.
   */
  requireTransaction(): TransactionSql<T> {
    return this.#work.ambientOf(this.#shared.pool.current()).sql as TransactionSql<T>;
  }

  /**
   * Has a function called after the transaction that the caller is in, when the server has confirmed the commit: of a
   * savepoint, that of the outermost transaction. It is no part of the transaction: what it throws, `transaction` rejects
   * with, although all is in force. Not called where nobody knows whether it is (`CommitUnknownError`). Of a transactional
   * scope it is called when that has ended, and outside of it.
   *
   * @param fn Called once; awaited before `transaction`, or the transactional scope, returns.
   * @throws {ScopeError} Outside of a transaction, and outside of scopes.
   */
  afterCommit(fn: () => unknown): void {
    requireFunction("add a hook", "fn", fn);
    this.#work.ambientOf(this.#shared.pool.current()).hooks.afterCommit(fn);
  }

  /**
   * Has a function called after the transaction, or savepoint, that the caller is in, when it was rolled back.
   *
   * @param fn Called once, with what the transaction failed of; awaited before `transaction` rejects. What it throws is
   * lost.
   * @throws {ScopeError} Outside of a transaction, and outside of scopes.
   */
  afterRollback(fn: (error: unknown) => unknown): void {
    requireFunction("add a hook", "fn", fn);
    this.#work.ambientOf(this.#shared.pool.current()).hooks.afterRollback(fn);
  }

  /**
   * Takes a connection back; the same as the lease's own `release`.
   *
   * @param lease The lease. Idempotent.
   */
  release(lease: PostgresLease<T>): void {
    lease.release();
  }

  /** The options of a wait within a scope under this view's own signal and deadline. */
  #inScope(options: AcquireOptions | undefined): AcquireOptions | undefined {
    const limits = this.#limits;
    if (limits === undefined) return options;
    const { signal, timeoutMs = limits.timeoutMs, ...rest } = options ?? {};
    return { ...rest, timeoutMs, signal: anySignal(signal, limits.signal) };
  }

  /** The options of an acquire under this view's own signal and deadline. */
  #acquireOptions(options?: AcquireOptions): AcquireOptions | undefined {
    const limits = this.#limits;
    if (limits === undefined) {
      // Without any the core has a shorter way.
      return options && Object.values(options).some((value) => value !== undefined)
        ? options
        : undefined;
    }
    const { acquireTimeoutMs } = this.#shared;
    return {
      ...options,
      signal: anySignal(options?.signal, limits.signal),
      timeoutMs: options?.timeoutMs ?? Math.min(acquireTimeoutMs, limits.timeoutMs ?? Infinity),
    };
  }

  /**
   * A view of the same pool whose statements carry options.
   *
   * @param options Signal, deadline, and whether it is sent again, of each statement.
   * @returns The view.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   *
   * @example A deadline for one statement
   * ```ts
   * import { createPool } from "@steady/pool/deno";
   *
   * await using db = createPool("postgres://app@localhost/app");
   * await db.with({ timeoutMs: 500 }).sql`select pg_sleep(0.1)`;
   * ```
   */
  with(options: StatementOptions): PostgresPool<T> {
    return new PostgresPool<T>(this.#shared, this.#shared.lease.limit(options, this.#limits));
  }

  /**
   * Learns array types that were created after the pool was, such as those of new enums: present connections are closed
   * when they come back, the next one learns for all.
   *
   * @returns Resolved when the types are known.
   */
  async refreshTypes(): Promise<void> {
    const { driver, pool } = this.#shared;
    driver.forgetTypes();
    pool.evict();
    await pool.use(() => {});
  }

  /**
   * Looks at each connection.
   *
   * @returns One element for each, by number: what the pool does with it, since when, who has it, the server's process id,
   * the last statement without any values.
   */
  inspect(): ConnectionInfo[] {
    return this.#shared.pool.inspect();
  }

  /**
   * Counts connections and waiters, and gives what was counted and measured since the pool was made.
   *
   * @returns The counts at this instant, counters that never fall, times, and the `max` that the demand asks for.
   */
  stats(): PoolStats {
    return this.#shared.pool.stats();
  }

  /** The pool's name, unique among those of this process that are not closed. */
  get name(): string {
    return this.#shared.pool.name;
  }

  /**
   * Waits until the pool is ready: until as many connections are open as `minIdle` says, at least one, lent or not. What is
   * missing is opened.
   *
   * @param options Signal and deadline of this wait.
   * @returns Resolved when they are open.
   * @throws {AcquireTimeoutError} If the deadline passed.
   * @throws {ConnectError} If the server refuses the pool for good, or cannot be had and is not to be waited for.
   * @throws {PoolClosedError} If the pool is closed or closing.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   *
   * @example Serve only when the database can be had
   * ```ts
   * import { createPool } from "@steady/pool/deno";
   *
   * await using db = createPool("postgres://app@localhost/app", { minIdle: 2 });
   * await db.ready({ timeoutMs: 5_000 });
   * ```
   */
  async ready(options?: PoolReadyOptions): Promise<void> {
    throwIfRefused(this.#shared.lease.gate);
    await this.#shared.pool.ready(options);
  }

  /**
   * Changes `max`; `maxIdle` and `maxPendingConnects` follow if they were not given. Who waits is served at once as far as
   * there is room now; of what is too much, connections that nobody has are closed at once, those that are lent when they
   * come back.
   *
   * @param max Most connections from now on; integer, at least 1 and at least `minIdle`.
   * @throws {TypeError} If it is not a number.
   * @throws {RangeError} If it is out of range.
   */
  resize(max: number): void {
    this.#shared.pool.resize(max);
  }

  /**
   * Lends nothing until {@linkcode PostgresPool.resume}: statements, transactions and acquires wait within their deadlines,
   * `tryAcquire` gives `undefined`. What is lent goes on and comes back, what is idle is looked after.
   */
  suspend(): void {
    this.#shared.pool.suspend();
  }

  /** Lends again, first to who waits. Does nothing unless the pool is suspended. */
  resume(): void {
    this.#shared.pool.resume();
  }

  /**
   * Condemns connections: idle ones are closed now, and those of contexts that are between two scopes; lent ones when they
   * come back.
   *
   * @param filter Tells which, by what is seen of each; all, when not given.
   * @throws {TypeError} If the filter is not a function.
   *
   * @example Those that are older than a minute
   * ```ts
   * import { createPool } from "@steady/pool/deno";
   *
   * await using db = createPool("postgres://app@localhost/app");
   * db.evict(({ ageMs }) => ageMs > 60_000);
   * ```
   */
  evict(filter?: (connection: ConnectionInfo) => boolean): void {
    this.#shared.pool.evict(filter);
  }

  /**
   * Closes the pool: waiters are rejected at once, idle connections closed, lent ones closed as they come back, and
   * destroyed when the time is over. Idempotent.
   *
   * @param options How long to wait for what is lent.
   * @returns Resolved when every connection is gone.
   */
  async close(options?: CloseOptions): Promise<void> {
    await this.#shared.pool.close(options);
  }

  /**
   * Opens the pool again after {@linkcode PostgresPool.close}. While it is closing, that is waited for first; if it is open,
   * nothing is done.
   *
   * @returns Resolved when it lends.
   * @throws {PoolClosedError} If it was closed again before.
   */
  async open(): Promise<void> {
    throwIfRefused(this.#shared.lease.gate);
    await this.#shared.pool.open();
  }

  /** {@inheritDoc PostgresPool.close} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Calls the user's set-up; a query that it returns is awaited, and so sent. */
async function setUp<T extends PostgresTypes>(
  session: (sql: BaseSql<T>) => unknown,
  sql: BaseSql<T>,
): Promise<void> {
  await session(sql);
}

function requireFunction(action: string, name: string, value: unknown): void {
  if (typeof value === "function") return;
  throw new TypeError(`Cannot ${action} as ${name} must be a function: received ${show(value)}`);
}

function throwIfRefused(gate: Gate | undefined): void {
  const refusal = gate?.refusal();
  if (refusal !== undefined) throw refusal;
}

/** Options of a view on top of those of the view it is made from: both signals count, the new deadline replaces. */
function mergeLimits(
  clock: Clock,
  options: StatementOptions,
  base: StatementLimits | undefined,
): StatementLimits {
  checkStatementOptions(options);
  return {
    clock,
    signal: anySignal(options.signal, base?.signal),
    timeoutMs: options.timeoutMs ?? base?.timeoutMs,
    idempotent: options.idempotent ?? base?.idempotent,
    replay: options.replay ?? base?.replay,
  };
}
