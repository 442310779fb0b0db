/**
 * The fake driver as a subject of the conformance kit; also a pattern for subjects of real drivers.
 *
 * @module
 */

import type { FakeConnection } from "./fake_connection.ts";
import type { FakeDriver } from "./fake_driver.ts";
import type { DriverSubject, RunningStatement } from "./driver_subject.ts";

/**
 * Describes a fake driver, or one derived from it, to the conformance kit.
 *
 * @param make Makes a fresh driver; its clock must be the system's, as the kit waits in real time.
 * @param overrides What differs.
 * @returns The subject.
 */
export function fakeSubject(
  make: () => FakeDriver,
  overrides: Partial<DriverSubject<FakeConnection>> = {},
): DriverSubject<FakeConnection> {
  return {
    name: "fake",
    driver: make,
    run: (connection) => start(connection, "select 1"),
    fail: (connection) => start(connection, "fail"),
    startLong: (connection) => start(connection, "sleep"),
    breakConnection: (connection, driver) => (driver as FakeDriver).break(connection),
    countConnections: (driver) => (driver as FakeDriver).open,
    unreachable: () => changed(make(), (driver) => driver.refuse("connect")),
    rejected: () => changed(make(), (driver) => driver.rejectCredentials()),
    silent: () => changed(make(), (driver) => driver.hold("connect")),
    sessionStatement: "set zone UTC",
    dirtySession: (connection) => connection.run("set role admin"),
    isSessionDirty: async (connection) => await connection.run("show role") === "admin",
    write: (connection) => connection.run("write row"),
    countWritten: async (connection) => Number(await connection.run("count")),
    ...overrides,
  };
}

function start(connection: FakeConnection, text: string): RunningStatement {
  const done = connection.run(text);
  return { handle: done, done };
}

function changed(driver: FakeDriver, change: (driver: FakeDriver) => void): FakeDriver {
  change(driver);
  return driver;
}
