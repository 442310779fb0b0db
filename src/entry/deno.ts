/**
 * `@steady/pool` for Deno: PostgreSQL connections that stay steady, over Deno's own sockets.
 *
 * @example The main thing
 * ```ts
 * import { createPool } from "@steady/pool/deno";
 *
 * await using db = createPool("postgres://app@localhost/app", { max: 10 });
 * const [row] = await db.sql`select 1 as one`;
 * console.log(row);
 * ```
 *
 * @module
 */

import { PostgresDriver } from "../driver/postgres/driver.ts";
import { type PostgresTypes, resolvePostgresOptions } from "../driver/postgres/options.ts";
import { runtime } from "../runtime/deno.ts";
import { type CreatePoolOptions, splitOptions } from "./options.ts";
import { PostgresPool } from "./postgres_pool.ts";

export type { Clock, Timer } from "../core/clock.ts";
export type {
  Command,
  ConnectionStatus,
  Driver,
  DriverCallOptions,
  ErrorClass,
  Evidence,
  IsolationLevel,
  ResetLevel,
  Sharing,
} from "../core/driver.ts";
export type { AcquireOptions, CloseOptions, PoolOptions } from "../core/options.ts";
export type {
  ConnectOptions,
  ContextVariable,
  Runtime,
  Socket,
  SocketAddress,
  SocketHandlers,
  TlsOptions,
} from "../core/runtime.ts";
export type { PoolState, PoolStats } from "../core/stats.ts";
export { PostgresConnection } from "../driver/postgres/connection.ts";
export { PostgresDriver };
export type { PostgresOptions, PostgresTypes } from "../driver/postgres/options.ts";
export type { LeaseSql, PoolSql, SqlTypes } from "../driver/postgres/sql.ts";
export type { StatementOptions } from "../driver/postgres/statement_limits.ts";
export type { SslOptions } from "../driver/postgres/tls.ts";
export type {
  TransactionOptions,
  TransactionResult,
  TransactionSql,
  TransactionViews,
} from "../driver/postgres/transaction.ts";
export { PostgresLease } from "./postgres_lease.ts";
export { PostgresPool, runtime };
export type { CreatePoolOptions };

/**
 * Makes a pool of PostgreSQL connections. Nothing is opened before the first use.
 *
 * @param url Connection URL, `postgres://user:password@host:port/database?parameter=value`.
 * @param options Options of pool and driver; they win over the URL.
 * @returns The pool.
 * @throws {TypeError} If the URL or an option is wrong, or does not exist. No message shows a password.
 * @throws {RangeError} If an option is out of range.
 *
 * @example Options
 * ```ts
 * import { createPool } from "@steady/pool/deno";
 *
 * const db = createPool("postgres://app@localhost/app", {
 *   max: 20,
 *   acquireTimeoutMs: 2_000,
 *   ssl: "verify-full",
 *   password: () => Promise.resolve(Deno.env.get("DB_PASSWORD") ?? ""),
 * });
 * await db.close();
 * ```
 */
export function createPool<T extends PostgresTypes = Record<never, never>>(
  url: string,
  options?: CreatePoolOptions<T>,
): PostgresPool<T>;
/**
 * Makes a pool of PostgreSQL connections, from options and the `PG*` environment variables alone.
 *
 * @param options Options of pool and driver.
 * @returns The pool.
 */
export function createPool<T extends PostgresTypes = Record<never, never>>(
  options?: CreatePoolOptions<T>,
): PostgresPool<T>;
export function createPool<T extends PostgresTypes = Record<never, never>>(
  urlOrOptions?: string | CreatePoolOptions<T>,
  options?: CreatePoolOptions<T>,
): PostgresPool<T> {
  const { url, pool, postgres } = splitOptions<T>(urlOrOptions, options);
  return PostgresPool.create<T>(
    new PostgresDriver(runtime, resolvePostgresOptions(url, postgres)),
    pool,
  );
}
