/**
 * The bench on which one check of the driver kit works.
 *
 * @module
 */

import { systemClock } from "../core/clock.ts";
import type { ConnectionStatus, Driver } from "../core/driver.ts";
import type { DriverSubject, RunningStatement } from "./driver_subject.ts";
import { expect, expectFulfilment } from "./expect.ts";
import { Limit } from "./limit.ts";
import { UnhandledRejections } from "./unhandled_rejections.ts";

/** How long the kit waits by default before it calls a thing never, in milliseconds. */
const LIMIT_MS = 5_000;
/** Pause between two looks at a thing that no event announces, in milliseconds. */
const LOOK_EVERY_MS = 5;

/** One check: the clause it proves, and how. */
export interface DriverCheck {
  /** The clause, as a sentence about the driver. */
  readonly clause: string;
  /**
   * Whether the subject offers what the check needs; every subject does when not given.
   *
   * @param subject The subject.
   * @returns Whether to register it.
   */
  readonly applies?: (subject: DriverSubject<unknown>) => boolean;
  /**
   * Proves the clause.
   *
   * @param bench What the check works on.
   */
  readonly prove: <C>(bench: DriverBench<C>) => Promise<void>;
}

/** A driver under test, what it opened in one check, and the limit on every wait. */
export class DriverBench<C> {
  /** The subject. */
  readonly subject: DriverSubject<C>;
  /** Its driver. */
  readonly driver: Driver<C>;
  readonly #limitMs: number;
  readonly #limit: Limit;
  readonly #opened: C[] = [];

  private constructor(subject: DriverSubject<C>, driver: Driver<C>) {
    this.subject = subject;
    this.driver = driver;
    this.#limitMs = subject.limitMs ?? LIMIT_MS;
    this.#limit = new Limit(this.#limitMs);
  }

  /**
   * Runs one check on a fresh driver and cleans up behind it.
   *
   * @param subject The subject.
   * @param check The check.
   */
  static async run<C>(subject: DriverSubject<C>, check: DriverCheck): Promise<void> {
    const rejections = new UnhandledRejections();
    const driver = await subject.driver();
    const bench = new DriverBench(subject, driver);
    try {
      await check.prove(bench);
    } finally {
      for (const connection of bench.#opened) driver.destroy(connection);
      await subject.dispose?.(driver);
      // The platform reports an unhandled rejection only after the turn in which it happened.
      await bench.pause(0);
      rejections.stop();
    }
    expect(
      rejections.seen.length === 0,
      `no promise is left unhandled: ${rejections.seen.map(String).join("; ")}`,
    );
  }

  /** @returns A new connection, destroyed at the end of the check. */
  async open(): Promise<C> {
    const connection = await this.within(this.driver.connect(), "connect settles");
    this.#opened.push(connection);
    return connection;
  }

  /**
   * Waits for something that the contract promises.
   *
   * @param promise What to wait for.
   * @param clause The clause that is broken if it never settles.
   * @returns Its result.
   * @throws {ConformanceError} If it does not settle within the limit.
   */
  within<T>(promise: PromiseLike<T>, clause: string): Promise<T> {
    return this.#limit.wait(promise, clause);
  }

  /**
   * Waits until a condition holds that no event announces.
   *
   * @param condition The condition.
   * @param clause The clause that is broken if it never does.
   * @throws {ConformanceError} If it does not hold within the limit.
   */
  async until(condition: () => boolean | PromiseLike<boolean>, clause: string): Promise<void> {
    const end = systemClock.now() + this.#limitMs;
    while (!(await condition())) {
      expect(systemClock.now() < end, `${clause}: not so within ${this.#limitMs} ms`);
      await this.pause(LOOK_EVERY_MS);
    }
  }

  /**
   * Lets the platform go round.
   *
   * @param ms For how long, in milliseconds.
   * @returns Resolved afterwards.
   */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      systemClock.schedule(ms, resolve);
    });
  }

  /**
   * Counts how often a connection's loss is told.
   *
   * @param connection Which.
   * @returns The count, live, and the first call.
   */
  watch(connection: C): LossWatch {
    let told: () => void = () => {};
    const watch = {
      count: 0,
      first: new Promise<void>((resolve) => {
        told = resolve;
      }),
    };
    this.driver.onLost(connection, () => {
      watch.count++;
      told();
    });
    return watch;
  }

  /**
   * Breaks a connection from the server's side and waits until the driver noticed.
   *
   * @param connection Which.
   */
  async lose(connection: C): Promise<void> {
    const watch = this.watch(connection);
    await this.subject.breakConnection(connection, this.driver);
    await this.within(watch.first, "onLost tells of a connection that the server broke");
  }

  /**
   * Starts a long statement and waits until it is on its way, as far as the driver can tell.
   *
   * @param connection Where.
   * @returns The statement; its rejection counts as handled.
   */
  async startLong(connection: C): Promise<RunningStatement> {
    const { cannot } = this.subject;
    const statement = this.subject.startLong(connection);
    statement.done.then(() => {}, () => {});
    if (!cannot?.status) {
      await this.until(
        () => this.driver.status(connection) === "busy",
        'status is "busy" while a statement runs',
      );
    }
    if (!cannot?.evidence) {
      await this.until(
        () => this.driver.evidence(statement.handle) === "sent",
        'evidence of a statement that runs is "sent"',
      );
    }
    return statement;
  }

  /**
   * Checks the status, if the driver can tell.
   *
   * @param connection Whose.
   * @param status What it must be.
   * @param when The circumstances, for the message.
   * @throws {ConformanceError} If it is another one.
   */
  expectStatus(connection: C, status: ConnectionStatus, when: string): void {
    const expected = this.subject.cannot?.status ? "unknown" : status;
    const actual = this.driver.status(connection);
    expect(actual === expected, `status ${when} is "${expected}": got "${actual}"`);
  }

  /**
   * Checks that a connection works.
   *
   * @param connection Which.
   * @param when The circumstances, for the message.
   */
  async expectUsable(connection: C, when: string): Promise<void> {
    const clause = `a connection can be used ${when}`;
    await expectFulfilment(this.within(this.subject.run(connection).done, clause), clause);
    this.expectStatus(connection, "idle", `after a statement, ${when},`);
  }

  /**
   * Waits until the server has no connection of this driver, if it can be asked.
   *
   * @param when The circumstances, for the message.
   */
  async expectNothingOpen(when: string): Promise<void> {
    const { subject, driver } = this;
    if (subject.countConnections === undefined) return;
    await this.until(
      async () => await subject.countConnections?.(driver) === 0,
      `the server has no connection left ${when}`,
    );
  }
}

/** How often a loss was told. */
export interface LossWatch {
  /** So far. */
  readonly count: number;
  /** Resolved by the first time. */
  readonly first: Promise<void>;
}
