/**
 * What every entry exports beside its own `runtime` and `createPool`, and how it makes the latter.
 *
 * @module
 */

import type { Runtime } from "../core/runtime.ts";
import { PostgresDriver } from "../driver/postgres/driver.ts";
import { type PostgresTypes, resolvePostgresOptions } from "../driver/postgres/options.ts";
import { type CreatePoolOptions, splitOptions } from "./options.ts";
import { PostgresPool } from "./postgres_pool.ts";

export type { Clock, Timer } from "../core/clock.ts";
export type {
  Command,
  ConnectionDescription,
  ConnectionStatus,
  Driver,
  DriverCallOptions,
  DriverConnectOptions,
  ErrorClass,
  Evidence,
  IsolationLevel,
  LossScope,
  ResetLevel,
  Sharing,
} from "../core/driver.ts";
export type {
  AcquiredEvent,
  CheckedEvent,
  ClosedEvent,
  CloseReason,
  CondemnedEvent,
  ConnectedEvent,
  ConnectFailedEvent,
  ConnectingEvent,
  ConnectionEvent,
  DeadlockEvent,
  GaveUpEvent,
  HolderEvent,
  LeftOpenEvent,
  LostEvent,
  OutageBeganEvent,
  OutageEndedEvent,
  PoolClosingEvent,
  PoolEvent,
  PoolEvents,
  PoolObserver,
  PoolResizedEvent,
  RefusalReason,
  RefusedEvent,
  ReleasedEvent,
  ResetEvent,
  TimedOutEvent,
  WaitingEvent,
} from "../core/observer.ts";
export type { AcquirePhase } from "../core/errors.ts";
export type { ConnectionInfo } from "../core/inspection.ts";
export type {
  AcquireOptions,
  CloseOptions,
  PoolOptions,
  PoolReadyOptions,
} from "../core/options.ts";
export type {
  ConnectOptions,
  ContextVariable,
  Runtime,
  Socket,
  SocketAddress,
  SocketHandlers,
  TlsOptions,
} from "../core/runtime.ts";
export type { SlotState } from "../core/slot.ts";
export type { PoolCounts, PoolState, PoolStats } from "../core/stats.ts";
export type { PoolCounters } from "../core/counters.ts";
export type { DurationStats } from "../core/histogram.ts";
export type { Holder } from "../core/holders.ts";
export { PostgresConnection } from "../driver/postgres/connection.ts";
export { PostgresDriver } from "../driver/postgres/driver.ts";
export type { PostgresOptions, PostgresTypes } from "../driver/postgres/options.ts";
export type { BaseSql, LeaseSql, PoolSql, SharedSql, SqlTypes } from "../driver/postgres/sql.ts";
export type { Replay, StatementOptions } from "../driver/postgres/statement_limits.ts";
export type { SslOptions } from "../driver/postgres/tls.ts";
export type {
  CommitResolution,
  TransactionOptions,
  TransactionResult,
  TransactionSql,
  TransactionViews,
} from "../driver/postgres/transaction.ts";
export type { CreatePoolOptions, PostgresSession } from "./options.ts";
export { PostgresLease } from "./postgres_lease.ts";
export { SharedPostgresLease } from "./shared_postgres_lease.ts";
export { PostgresPool } from "./postgres_pool.ts";
export { PersistentPostgresContext } from "./persistent_postgres_context.ts";
export { PostgresScope } from "./postgres_scope.ts";
export type { OpenScopeOptions } from "../core/scope_options.ts";
export type { ScopedOptions, ScopeOptions } from "./scope_options.ts";

/** How a pool is made: `createPool` of each entry. */
export interface CreatePool {
  /**
   * Makes a pool of PostgreSQL connections. Nothing is opened before the first use.
   *
   * @param url Connection URL, `postgres://user:password@host:port/database?parameter=value`.
   * @param options Options of pool and driver; they win over the URL.
   * @returns The pool.
   * @throws {TypeError} If the URL or an option is wrong, or does not exist. No message shows a password.
   * @throws {RangeError} If an option is out of range.
   */
  <T extends PostgresTypes = Record<never, never>>(
    url: string,
    options?: CreatePoolOptions<T>,
  ): PostgresPool<T>;
  /**
   * Makes a pool of PostgreSQL connections, from options and the `PG*` environment variables alone.
   *
   * @param options Options of pool and driver.
   * @returns The pool.
   * @throws {TypeError} If an option is wrong, or does not exist.
   * @throws {RangeError} If an option is out of range.
   */
  <T extends PostgresTypes = Record<never, never>>(
    options?: CreatePoolOptions<T>,
  ): PostgresPool<T>;
}

/**
 * Makes the `createPool` of an entry.
 *
 * @param runtime Supplies sockets and async context.
 * @returns The function.
 */
export function createPoolOn(runtime: Runtime): CreatePool {
  return <T extends PostgresTypes>(
    urlOrOptions?: string | CreatePoolOptions<T>,
    options?: CreatePoolOptions<T>,
  ): PostgresPool<T> => {
    const { url, pool, postgres, front } = splitOptions<T>(urlOrOptions, options);
    return PostgresPool.create<T>(
      new PostgresDriver(runtime, resolvePostgresOptions(url, postgres, runtime)),
      { context: runtime, ...pool },
      front,
    );
  };
}
