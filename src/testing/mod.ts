/**
 * For tests of code that uses a pool, and for authors of drivers and of adapters to runtimes: a driver without a database,
 * a clock that only moves when it is told to, and the conformance kits.
 *
 * @example A pool whose server goes away
 * ```ts
 * import { Pool } from "@steady/pool";
 * import { FakeDriver, VirtualClock } from "@steady/pool/testing";
 *
 * const clock = new VirtualClock();
 * const driver = new FakeDriver({ clock });
 * const pool = new Pool(driver, { clock });
 * driver.refuse("connect", 3);
 * const acquiring = pool.acquire(); // waits while the pool tries again
 * await clock.advance(5_000);
 * const lease = await acquiring;
 * console.log(await lease.connection.run("select 1"), driver.counts.refuse); // "1" 3
 * lease.release();
 * await pool.close();
 * ```
 *
 * @module
 */

export type { Clock, Timer } from "../core/clock.ts";
export type {
  Command,
  ConnectionStatus,
  Driver,
  DriverCallOptions,
  ErrorClass,
  Evidence,
  IsolationLevel,
  LossScope,
  ResetLevel,
  Sharing,
} from "../core/driver.ts";
export type {
  ConnectOptions,
  ContextVariable,
  Runtime,
  Socket,
  SocketAddress,
  SocketHandlers,
  TlsOptions,
} from "../core/runtime.ts";
export { type RegisterTest, testDriver } from "./driver_kit.ts";
export type { DriverSubject, RunningStatement } from "./driver_subject.ts";
export { ConformanceError } from "./expect.ts";
export { FakeConnection, type FakeConnectionHome } from "./fake_connection.ts";
export { FakeDriver, type FakeDriverOptions } from "./fake_driver.ts";
export { FakeError } from "./fake_error.ts";
export type { BreakPoint, FakeOperation, HeldCall } from "./fake_faults.ts";
export type { FakeCounts, FakeEvent, FakeEventName } from "./fake_ledger.ts";
export { fakeSubject } from "./fake_subject.ts";
export { seededRandom } from "./random.ts";
export { testRuntime } from "./runtime_kit.ts";
export type {
  RuntimeCertificates,
  RuntimeLimits,
  RuntimeSubject,
  TestIdentity,
} from "./runtime_subject.ts";
export type {
  PeerAddressKind,
  PeerServer,
  PeerStream,
  PeerTlsOptions,
  SecuredPeer,
  SilentServer,
  TestPeers,
} from "./test_peers.ts";
export { type PendingTimer, VirtualClock, type VirtualClockOptions } from "./virtual_clock.ts";
