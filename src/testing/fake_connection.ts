/**
 * What a borrower of the fake driver holds.
 *
 * @module
 */

import type { DriverCallOptions } from "../core/driver.ts";
import type { FakeCounts } from "./fake_ledger.ts";

/** The driver's side of a {@linkcode FakeConnection}. */
export interface FakeConnectionHome {
  /** Whether the connection is lost or closed. */
  readonly gone: boolean;
  /** What happened on it. */
  readonly counts: FakeCounts;
  /** Whether it refuses to write. */
  readonly readOnly: boolean;
  /**
   * Runs a statement.
   *
   * @param text The statement.
   * @param signal Ends the wait.
   * @returns Its answer.
   */
  run(text: string, signal: AbortSignal | undefined): Promise<string>;
}

/**
 * One connection to the fake server.
 *
 * @example Statements
 * ```ts
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * const driver = new FakeDriver();
 * const connection = await driver.connect();
 * console.log(await connection.run("select 1")); // "1"
 * await connection.run("begin");
 * await connection.run("write a");
 * await connection.run("commit");
 * console.log(driver.applied); // ["a"]
 * ```
 */
export class FakeConnection {
  /** Number of the connection, from 1 in the order they were opened. */
  readonly id: number;
  readonly #home: FakeConnectionHome;

  /**
   * Made by the driver's `connect`.
   *
   * @param id Number of the connection.
   * @param home The driver's side.
   */
  constructor(id: number, home: FakeConnectionHome) {
    this.id = id;
    this.#home = home;
  }

  /** Whether it is lost or closed. */
  get gone(): boolean {
    return this.#home.gone;
  }

  /** What happened on it, ever. */
  get counts(): FakeCounts {
    return this.#home.counts;
  }

  /** Whether it was opened read-only: it refuses to write. */
  get readOnly(): boolean {
    return this.#home.readOnly;
  }

  /**
   * Runs one statement; statements of one connection run in the order they were called. The promise is the handle that
   * `FakeDriver.evidence` knows.
   *
   * | statement | what it does |
   * |---|---|
   * | `select x` | answers `x` |
   * | `count` | answers how often `write` was executed, as this session sees it |
   * | `write x` | appends `x` to `FakeDriver.applied`; in a transaction only when it commits |
   * | `begin`, `begin read only`, `commit`, `rollback` | as in SQL |
   * | `savepoint n`, `release n`, `rollback to n` | as in SQL |
   * | `set k v`, `show k`, `prepare n` | session state, which `reset` cleans |
   * | `sleep n` | is executed for `n` milliseconds; without a number until it is cancelled |
   * | `fail` | is refused, as is everything that is not in this table; an open transaction has failed then |
   * | `die` | the server ends the session with a fatal error |
   *
   * @param text The statement.
   * @param options Carries the signal that ends the wait; what was sent stays in flight.
   * @returns The answer; empty if there is none.
   * @throws {FakeError} Of kind `"statement"` if it was refused, `"lost"` if the connection is gone.
   */
  run(text: string, options?: DriverCallOptions): Promise<string> {
    return this.#home.run(text, options?.signal);
  }
}
