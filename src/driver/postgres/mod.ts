/**
 * The postgres driver of `@steady/pool`: porsager `postgres`, one client for each physical connection.
 *
 * Most users do not need it: `createPool` of `@steady/pool/deno` wires it. Import it to put a pool or a steady
 * connection together yourself.
 *
 * @example A pool without the ready-made front end
 * ```ts
 * import { Pool } from "@steady/pool";
 * import { runtime } from "@steady/pool/deno";
 * import { postgresDriver } from "@steady/pool/postgres";
 *
 * const driver = postgresDriver({ runtime, url: "postgres://app@localhost/app" });
 * const pool = new Pool(driver, { max: 4 });
 * ```
 *
 * @module
 */

export type {
  Command,
  ConnectionStatus,
  Driver,
  DriverCallOptions,
  DriverConnectOptions,
  ErrorClass,
  Evidence,
  IsolationLevel,
  ResetLevel,
  Sharing,
} from "../../core/driver.ts";
export type {
  ConnectOptions,
  ContextVariable,
  Runtime,
  Socket,
  SocketAddress,
  SocketHandlers,
  TlsOptions,
} from "../../core/runtime.ts";
export { PostgresConnection } from "./connection.ts";
export { PostgresDriver, postgresDriver, type PostgresDriverOptions } from "./driver.ts";
export type { PostgresOptions, PostgresTypes } from "./options.ts";
export type { BaseSql, LeaseSql, PoolSql, SharedSql, SqlTypes } from "./sql.ts";
export type { Replay, StatementOptions } from "./statement_limits.ts";
export type { SslOptions } from "./tls.ts";
export type {
  CommitResolution,
  TransactionOptions,
  TransactionResult,
  TransactionSql,
  TransactionViews,
} from "./transaction.ts";
