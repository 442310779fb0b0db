/**
 * What the conformance kit must know of a driver to test it.
 *
 * @module
 */

import type { Driver } from "../core/driver.ts";

/** A statement that is under way. */
export interface RunningStatement {
  /** The driver's own handle, as `Driver.evidence` takes it. */
  readonly handle: unknown;
  /** Settles when the statement is over. */
  readonly done: PromiseLike<unknown>;
}

/**
 * A driver under test. Each check asks for a driver of its own; the kit opens connections by it and destroys what is
 * left at the end.
 *
 * Optional members switch on the checks that need them.
 */
export interface DriverSubject<C> {
  /** Name of the driver, for the names of the tests. */
  readonly name: string;
  /**
   * Makes a driver whose server can be had.
   *
   * @returns The driver.
   */
  driver(): Driver<C> | Promise<Driver<C>>;
  /**
   * Cleans up after one check.
   *
   * @param driver What {@linkcode DriverSubject.driver} returned.
   */
  dispose?(driver: Driver<C>): void | Promise<void>;
  /**
   * Runs a statement that succeeds, such as `select 1`.
   *
   * @param connection Where.
   * @returns The driver's handle of it and its end.
   */
  run(connection: C): RunningStatement;
  /**
   * Runs a statement that the server refuses, such as `select 1/0`.
   *
   * @param connection Where.
   * @returns The driver's handle of it and its end.
   */
  fail(connection: C): RunningStatement;
  /**
   * Starts a statement that takes longer than {@linkcode DriverSubject.limitMs}, such as `select pg_sleep(60)`.
   *
   * @param connection Where.
   * @returns The driver's handle of it and its end.
   */
  startLong(connection: C): RunningStatement;
  /**
   * Breaks a connection from the server's side, as a crash or an administrator does; resolved when the server did it.
   *
   * @param connection Which.
   * @param driver The driver that opened it.
   */
  breakConnection(connection: C, driver: Driver<C>): void | Promise<void>;
  /**
   * Counts the connections that the server has open for this driver.
   *
   * @param driver The driver.
   * @returns How many.
   */
  countConnections?(driver: Driver<C>): number | Promise<number>;
  /**
   * Makes a driver whose server cannot be had, such as by a port where nobody listens.
   *
   * @returns The driver; its connect must fail.
   */
  unreachable?(): Driver<C> | Promise<Driver<C>>;
  /**
   * Makes a driver whose server will go on refusing, such as by a wrong password.
   *
   * @returns The driver; its connect must fail.
   */
  rejected?(): Driver<C> | Promise<Driver<C>>;
  /**
   * Makes a driver whose server never answers a connect.
   *
   * @returns The driver; its connect must wait.
   */
  silent?(): Driver<C> | Promise<Driver<C>>;
  /** Statement for the session's set-up that succeeds, such as `set time zone 'UTC'`. */
  readonly sessionStatement?: string;
  /**
   * Changes a session's state in a way that a reset of level `"session"` must undo.
   *
   * @param connection Where.
   */
  dirtySession?(connection: C): PromiseLike<unknown>;
  /**
   * Tells whether {@linkcode DriverSubject.dirtySession} is still in force.
   *
   * @param connection Where.
   * @returns Whether it is.
   */
  isSessionDirty?(connection: C): boolean | PromiseLike<boolean>;
  /**
   * Writes one row that only lasts if its transaction commits.
   *
   * @param connection Where.
   */
  write?(connection: C): PromiseLike<unknown>;
  /**
   * Counts the rows written.
   *
   * @param connection Where to ask.
   * @returns How many.
   */
  countWritten?(connection: C): number | PromiseLike<number>;
  /** What the driver cannot do. */
  readonly cannot?: {
    /** It cannot tell the status: it answers `"unknown"` throughout. */
    readonly status?: boolean;
    /** It cannot cancel: its `cancel` rejects. */
    readonly cancel?: boolean;
    /** It cannot tell how far a statement got: it answers `"sent"` throughout. */
    readonly evidence?: boolean;
    /** Its database has no savepoints. */
    readonly savepoints?: boolean;
  };
  /**
   * How long anything may take before the kit calls it never, in milliseconds of real time.
   *
   * @default {5_000}
   */
  readonly limitMs?: number;
}
