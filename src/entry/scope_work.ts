/**
 * What is done in a scope of a pool: statements, leases, transactions, on its one connection.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import { CommitUnknownError, ScopeError } from "../core/errors.ts";
import type { AcquireOptions } from "../core/options.ts";
import type { Scope } from "../core/scope.ts";
import { settle } from "../core/settle.ts";
import { isWithin, type ScopeNode, type ScopeTurn } from "../core/scope_turn.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import type { PorsagerQuery } from "../driver/postgres/porsager.ts";
import type { Route } from "../driver/postgres/sql.ts";
import type { Replay, StatementLimits } from "../driver/postgres/statement_limits.ts";
import {
  beginningAnew,
  canRunAgain,
  runTransaction,
  type TransactionOptions,
  type TransactionResult,
  type TransactionSql,
} from "../driver/postgres/transaction.ts";
import { Ambient, ambientAt, checkNested } from "./ambient.ts";
import {
  type LeaseContext,
  type LeaseWork,
  PostgresLease,
  type TransactionCall,
} from "./postgres_lease.ts";
import { retrying } from "./retrying.ts";
import {
  callBack,
  type ScopedPlan,
  ScopedStatement,
  type StatementPlace,
} from "./scoped_statement.ts";
import type { Hooks } from "./transaction_hooks.ts";
import { unitOf } from "./unit_of_work.ts";

/** What all work of one view of a pool has in common. */
export interface ScopeWorkContext {
  /** Signal and deadline of each statement. */
  readonly limits: StatementLimits | undefined;
  /** Source of timers and chance. */
  readonly clock: Clock;
  /** The pool's own deadline of an acquire, in milliseconds. */
  readonly acquireTimeoutMs: number;
  /** Whether a statement whose connection was lost is sent again, if nothing relied on that connection. */
  readonly replay: Replay;
  /** What leases share with the pool. */
  readonly lease: LeaseContext;
}

/** A transaction that is in force. */
export interface Committed<R> {
  /** What its callback returned. */
  readonly result: TransactionResult<R>;
  /** What is to be called after it. */
  readonly hooks: Hooks;
}

/** What is done with the hooks of a transaction that was rolled back. */
type RolledBack = (hooks: Hooks, error: unknown) => Promise<void> | void;

/** Does what a pool does, in a scope. */
export class ScopeWork<T extends PostgresTypes> {
  readonly #context: ScopeWorkContext;
  readonly #plan: ScopedPlan;

  /** @param context What all has in common. */
  constructor(context: ScopeWorkContext) {
    this.#context = context;
    this.#plan = this.#planOf(context.limits);
  }

  #planOf(limits: StatementLimits | undefined): ScopedPlan {
    const { clock, replay } = this.#context;
    return { limits, clock, replay: limits?.replay ?? replay };
  }

  /**
   * Sends a statement.
   *
   * @param scope Where.
   * @param query Not yet sent.
   */
  send(scope: Scope<PostgresConnection>, query: PorsagerQuery): void {
    const node = scope.here;
    const ambient = ambientAt(node);
    const unit = ambient === undefined ? unitOf(scope) : undefined;
    if (unit === undefined) return this.#sendAt(scope, node, ambient, query);
    const placeIn = (turn: ScopeTurn<PostgresConnection>): StatementPlace => ({
      scope,
      node: turn,
      stretch: ambientAt(turn)?.stretch,
    });
    new ScopedStatement(this.#plan, { scope, node, stretch: undefined }, query).startIn(
      () => unit.begin(),
      placeIn,
    );
  }

  #sendAt(
    scope: Scope<PostgresConnection>,
    node: ScopeNode<PostgresConnection>,
    ambient: Ambient | undefined,
    query: PorsagerQuery,
  ): void {
    this.#start(this.#plan, { scope, node, stretch: ambient?.stretch }, query);
  }

  #start(plan: ScopedPlan, place: StatementPlace, query: PorsagerQuery): void {
    new ScopedStatement(plan, place, query).start();
  }

  /**
   * Makes a route for one scope.
   *
   * @param scope Which.
   * @returns The route.
   */
  routeOf(scope: Scope<PostgresConnection>): Route {
    return {
      send: (query) => this.send(scope, query),
      call: (query, fn) => callBack(scope, query, fn),
    };
  }

  /**
   * Lends the connection alone.
   *
   * @param scope Where.
   * @param options Signal, deadline and label of the wait.
   * @returns The lease.
   */
  async acquire(
    scope: Scope<PostgresConnection>,
    options: AcquireOptions | undefined,
  ): Promise<PostgresLease<T>> {
    const place = this.#placeIn(scope);
    const node = place instanceof Promise ? await place : place;
    return this.leaseOf(scope, await scope.take("lease", options, node));
  }

  /**
   * Makes a lease of what has the scope's connection. What is done by it waits for what is begun below it, and the other
   * way round: a statement of one could get into a transaction of the other.
   *
   * @param scope The scope.
   * @param turn What has its connection.
   * @returns The lease.
   */
  leaseOf(
    scope: Scope<PostgresConnection>,
    turn: ScopeTurn<PostgresConnection>,
  ): PostgresLease<T> {
    const { lease, limits: ours } = this.#context;
    const here = (): ScopeNode<PostgresConnection> => {
      const { here } = scope;
      return isWithin(here, turn) ? here : turn;
    };
    const work: LeaseWork<T> = {
      send: (query, limits) => {
        const node = here();
        const plan = limits === ours ? this.#plan : this.#planOf(limits);
        this.#start(plan, { scope, node, stretch: ambientAt(node)?.stretch }, query);
      },
      call: (query, fn) => callBack(scope, query, fn),
      transaction: (call) => {
        const node = here();
        return this.#transactionAt(scope, node, ambientAt(node), call);
      },
    };
    return new PostgresLease<T>(turn, lease, ours, work);
  }

  /**
   * Lends the connection alone to `fn`, and takes it back in any case.
   *
   * @param scope Where.
   * @param fn What to do with it.
   * @param options Signal, deadline and label of the wait.
   * @returns What `fn` returns.
   */
  async use<R>(
    scope: Scope<PostgresConnection>,
    fn: (lease: PostgresLease<T>) => R | PromiseLike<R>,
    options: AcquireOptions | undefined,
  ): Promise<R> {
    const place = this.#placeIn(scope);
    const node = place instanceof Promise ? await place : place;
    const turn = await scope.take("callback", options, node);
    try {
      return await scope.runIn(turn, () => settle(fn(this.leaseOf(scope, turn))));
    } finally {
      turn.release();
    }
  }

  /**
   * Runs a transaction, or a part of the one that is open.
   *
   * @param scope Where.
   * @param call What to run.
   * @returns What its callback returns.
   */
  async transaction<R>(
    scope: Scope<PostgresConnection>,
    call: TransactionCall<R, T>,
  ): Promise<TransactionResult<R>> {
    const place = this.#placeIn(scope);
    const node = place instanceof Promise ? await place : place;
    return await this.#transactionAt(scope, node, ambientAt(node), call);
  }

  async #transactionAt<R>(
    scope: Scope<PostgresConnection>,
    node: ScopeNode<PostgresConnection>,
    ambient: Ambient | undefined,
    call: TransactionCall<R, T>,
  ): Promise<TransactionResult<R>> {
    if (ambient !== undefined) return await this.#runNested(ambient, call);
    const { result, hooks } = await this.runOutermost(scope, call, node);
    await hooks.committed();
    return result;
  }

  /**
   * Runs a transaction that is in no other.
   *
   * @param scope Where.
   * @param call What to run.
   * @param node Where in it.
   * @param rolledBack Called when it was rolled back for certain, before the rejection.
   * @returns What its callback returns, and what is to be called now that it is in force.
   */
  async runOutermost<R>(
    scope: Scope<PostgresConnection>,
    call: TransactionCall<R, T>,
    node: ScopeNode<PostgresConnection>,
    rolledBack: RolledBack = (hooks, error) => hooks.rolledBack(error),
  ): Promise<Committed<R>> {
    const { signal, retries = 0 } = call.options;
    const { clock } = this.#context;
    const run = (): Promise<Committed<R>> => {
      const askedAt = clock.now();
      return beginningAnew(() => this.#attempt(scope, call, node, askedAt, rolledBack));
    };
    return await retrying(run, { clock, signal, retries, mayRetry: canRunAgain });
  }

  async #attempt<R>(
    scope: Scope<PostgresConnection>,
    { begin, fn, options, limits = this.#context.limits }: TransactionCall<R, T>,
    node: ScopeNode<PostgresConnection>,
    askedAt: number,
    rolledBack: RolledBack,
  ): Promise<Committed<R>> {
    const { template, limit, gate, resolve, commitResolution } = this.#context.lease;
    const { signal } = options;
    const turn = await scope.take("transaction", this.#waitOf(signal, limits), node);
    const abandoned = new AbortController();
    turn.onAbandoned = (error) => abandoned.abort(error);
    const ambient = new Ambient({
      scope,
      turn,
      plan: (limits) => this.#planOf(limits),
      options: { ...options, ...optionsIn(begin) },
    });
    const { hooks } = ambient;
    try {
      const result = await runTransaction<R, T>({
        connection: turn.connection,
        template,
        begin,
        commitResolution: options.commitResolution ?? commitResolution,
        resolve,
        signal,
        limits,
        clock: this.#context.clock,
        askedAt,
        limit: (options) => limit(options, limits),
        gate,
        place: ambient,
        abandoned: abandoned.signal,
        isOver: () => turn.released,
      }, fn);
      return { result, hooks };
    } catch (error) {
      // What they do comes after the transaction.
      turn.release();
      // Of a transaction that may be in force nobody can say that it was rolled back.
      if (!(error instanceof CommitUnknownError)) await rolledBack(hooks, error);
      throw error;
    } finally {
      turn.release();
    }
  }

  /** How long a transaction waits for the scope's connection: as its first statement would. */
  #waitOf(
    signal: AbortSignal | undefined,
    limits: StatementLimits | undefined,
  ): AcquireOptions | undefined {
    const timeoutMs = limits?.timeoutMs;
    if (timeoutMs === undefined) return { signal };
    // Who never queues for a connection of the pool does for the scope's.
    const { acquireTimeoutMs } = this.#context;
    return { signal, timeoutMs: Math.min(timeoutMs, acquireTimeoutMs || Infinity) };
  }

  async #runNested<R>(
    ambient: Ambient,
    { begin, fn, options }: TransactionCall<R, T>,
  ): Promise<TransactionResult<R>> {
    const inner = { ...options, ...optionsIn(begin) };
    checkNested(inner, ambient.options);
    const { signal, readOnly } = inner;
    const { stretch, savepoint, sql } = ambient;
    signal?.throwIfAborted();
    if (stretch === undefined || savepoint === undefined || sql === undefined) throw notOpen();
    if (inner.nested !== "join") {
      const run = fn as (sql: TransactionSql) => unknown;
      return await savepoint(run, { readOnly, signal }) as TransactionResult<R>;
    }
    stretch.check();
    try {
      const result = fn(sql as TransactionSql<T>);
      return await (Array.isArray(result) ? Promise.all(result) : result) as TransactionResult<R>;
    } catch (error) {
      // There is nothing that could be rolled back alone, so that all has to be.
      stretch.listener.failed?.(error);
      throw error;
    }
  }

  /**
   * Finds the transaction that the caller is in.
   *
   * @param scope The caller's scope, if there is one.
   * @returns The innermost transaction or savepoint.
   * @throws {ScopeError} Outside of any.
   */
  ambientOf(scope: Scope<PostgresConnection> | undefined): Ambient {
    const ambient = scope && (ambientAt(scope.here) ?? unitOf(scope)?.ambient);
    if (ambient === undefined || ambient.stretch?.ended !== false) throw notOpen();
    return ambient;
  }

  /** Where the caller stands: known at once, but for a scope that is a transaction, which has to have begun. */
  #placeIn(
    scope: Scope<PostgresConnection>,
  ): ScopeNode<PostgresConnection> | Promise<ScopeNode<PostgresConnection>> {
    const node = scope.here;
    const unit = ambientAt(node) === undefined ? unitOf(scope) : undefined;
    return unit === undefined ? node : unit.begin();
  }
}

const ISOLATION = /isolation level (read uncommitted|read committed|repeatable read|serializable)/i;

/** What a statement that begins a transaction says of it. */
function optionsIn(begin: string): Pick<TransactionOptions, "isolation" | "readOnly"> {
  const isolation = ISOLATION.exec(begin)?.[1]?.toLowerCase() as TransactionOptions["isolation"];
  const readOnly = /\bread only\b/i.test(begin)
    ? true
    : /\bread write\b/i.test(begin)
    ? false
    : undefined;
  return { isolation, readOnly };
}

function notOpen(): ScopeError {
  return new ScopeError(
    "Cannot find a transaction here: call this below the callback of transaction(), within a scope",
  );
}
