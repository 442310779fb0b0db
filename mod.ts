/**
 * Steady connections and a pool of them, for asynchronous JavaScript: the core, which knows no runtime and no database.
 *
 * Most users import `@steady/pool/deno`, which wires this core with sockets and the postgres driver. This entry is for
 * authors of drivers and for pools over anything that can be opened and closed.
 *
 * @example A pool over a driver
 * ```ts
 * import { Pool } from "@steady/pool";
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * await using pool = new Pool(new FakeDriver(), { max: 10 });
 * await pool.use((lease) => lease.connection.run("select 1"));
 * ```
 *
 * @module
 */

export { type Clock, systemClock, type Timer } from "./src/core/clock.ts";
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
} from "./src/core/driver.ts";
export {
  type AcquirePhase,
  AcquireTimeoutError,
  type CommitOutcome,
  CommitUnknownError,
  ConnectError,
  ConnectionLostError,
  DeadlockError,
  LeaseReleasedError,
  type Outcome,
  PoolClosedError,
  ScopeError,
  StatementTimeoutError,
  SteadyError,
  type SteadyErrorDetails,
  TooManyConnectionsError,
  TooManyWaitersError,
} from "./src/core/errors.ts";
export type { ConnectionInfo } from "./src/core/inspection.ts";
export type { Lease } from "./src/core/lease.ts";
export type { SharedLease } from "./src/core/shared_lease.ts";
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
} from "./src/core/observer.ts";
export type {
  AcquireOptions,
  CloseOptions,
  PoolOptions,
  PoolReadyOptions,
} from "./src/core/options.ts";
export { Pool } from "./src/core/pool.ts";
export { PersistentContext } from "./src/core/persistent_context.ts";
export { Scope } from "./src/core/scope.ts";
export type { OpenScopeOptions, ScopedOptions, ScopeOptions } from "./src/core/scope_options.ts";
export { type ManagedPool, pools } from "./src/core/registry.ts";
export type {
  ConnectOptions,
  ContextVariable,
  Runtime,
  Socket,
  SocketAddress,
  SocketHandlers,
  TlsOptions,
} from "./src/core/runtime.ts";
export type { SlotState } from "./src/core/slot.ts";
export type { PoolCounts, PoolState, PoolStats } from "./src/core/stats.ts";
export type { PoolCounters } from "./src/core/counters.ts";
export type { DurationStats } from "./src/core/histogram.ts";
export type { Holder } from "./src/core/holders.ts";
export type { SessionSetup } from "./src/core/session_setup.ts";
export {
  type CheckPolicy,
  type ProbeOptions,
  type ReadyOptions,
  type ReopenedEvent,
  type ReopenReason,
  type RunOptions,
  SteadyConnection,
  type SteadyConnectionOptions,
  type SteadyCounters,
  type SteadyTransactionOptions,
} from "./src/core/steady_connection.ts";
