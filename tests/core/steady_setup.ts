/**
 * What the tests of the steady connection have in common.
 *
 * @module
 */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { type Outcome, SteadyError } from "../../src/core/errors.ts";
import {
  type ReopenedEvent,
  SteadyConnection,
  type SteadyConnectionOptions,
} from "../../src/core/steady_connection.ts";
import {
  type FakeConnection,
  FakeDriver,
  type FakeDriverOptions,
  VirtualClock,
} from "../../src/testing/mod.ts";
import { must } from "./setup.ts";

/** A steady connection in virtual time, and what it stands on. */
export interface Bench {
  readonly clock: VirtualClock;
  readonly driver: FakeDriver;
  readonly steady: SteadyConnection<FakeConnection>;
  /** What `onLost` was told. */
  readonly losses: unknown[];
  /** What `onReopened` was told. */
  readonly reopened: ReopenedEvent[];
}

/**
 * Makes a steady connection in virtual time over a fake driver.
 *
 * @param options The connection's options.
 * @param driverOptions The driver's options, or a driver on a clock of its own.
 * @returns The connection and what it stands on.
 */
export function bench(
  options: SteadyConnectionOptions<FakeConnection> = {},
  driverOptions: FakeDriverOptions | { driver: FakeDriver; clock: VirtualClock } = {},
): Bench {
  const given = "driver" in driverOptions ? driverOptions : undefined;
  const clock = given?.clock ?? new VirtualClock();
  const driver = given?.driver ?? new FakeDriver({ clock, ...driverOptions });
  const losses: unknown[] = [];
  const reopened: ReopenedEvent[] = [];
  const steady = new SteadyConnection(driver, {
    clock,
    onLost: (cause) => void losses.push(cause),
    onReopened: (event) => void reopened.push(event),
    ...options,
  });
  return { clock, driver, losses, reopened, steady };
}

/**
 * A unit of work of one statement.
 *
 * @param text The statement.
 * @returns What `run` takes.
 */
export function statement(text: string): (connection: FakeConnection) => Promise<string> {
  return (connection) => connection.run(text);
}

/**
 * The connection that is open now, of which there must be one.
 *
 * @param bench The bench.
 * @returns The connection.
 */
export function present({ steady }: Bench): FakeConnection {
  return must(steady.connection);
}

/**
 * What a rejection is, which must be an error of this module.
 *
 * @param promise The promise.
 * @returns The error.
 */
export async function failure(promise: Promise<unknown>): Promise<SteadyError> {
  const error: unknown = await promise.then(
    () => new Error("was not rejected"),
    (error: unknown) => error,
  );
  assertInstanceOf(error, SteadyError);
  return error;
}

/**
 * Checks code and outcome of a rejection.
 *
 * @param promise The promise.
 * @param code The error's code.
 * @param outcome The error's outcome.
 * @returns The error.
 */
export async function assertFails(
  promise: Promise<unknown>,
  code: string,
  outcome: Outcome,
): Promise<SteadyError> {
  const error = await failure(promise);
  assertEquals([error.code, error.outcome], [code, outcome]);
  return error;
}

/**
 * Everything of one kind that happened at the driver.
 *
 * @param driver The driver.
 * @param events The kinds.
 * @returns Such as `"execute commit #2"`: what, to what, on which connection.
 */
export function logOf(driver: FakeDriver, ...events: string[]): string[] {
  return driver.log.filter(({ event }) => events.includes(event)).map(
    ({ event, detail, connection }) => `${event}${detail && ` ${detail}`} #${connection}`,
  );
}

/**
 * Checks that nothing is left: no connection, no timer.
 *
 * @param bench The bench.
 */
export function assertNothingLeft({ clock, driver, steady }: Bench): void {
  assertEquals([driver.open, clock.pending, steady.connection], [0, 0, undefined]);
  const { opens, closes } = steady.counters;
  assertEquals(closes, opens);
}
