/**
 * What the model knows of connects: which are under way, whether the server can be had, and when the next is due.
 *
 * @module
 */

import { LeaseReleasedError } from "../../../src/core/errors.ts";
import type { PoolStats } from "../../../src/core/stats.ts";
import type { FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { demand } from "./demand.ts";
import type { Model } from "./model.ts";

/** How many connections there may be now. */
export interface Limits {
  readonly max: number;
  readonly maxPendingConnects: number;
}

/** Watches a driver's connects, a little earlier than the pool that asked for them. */
export class Connects {
  readonly #clock: VirtualClock;
  readonly #model: Model;
  /** Connects under way that are not condemned. */
  readonly #attempts = new Set<Promise<FakeConnection>>();
  /** Connects that failed since one succeeded, and when the last one did. */
  #failures = 0;
  #failedAt = -Infinity;
  /** Connects that succeeded since the server was lost; `Infinity` once they no longer matter. */
  #successes = Infinity;
  /** Whether a connect succeeded or failed of which the pool has perhaps not heard yet. */
  #news = false;
  /** Whether it may be that the pool never heard of one, and sees an outage where there is none, or the reverse. */
  #unsure = false;
  /** Whether there is an outage and the pool knows. */
  #known = false;

  readonly #driver: FakeDriver;
  readonly #limits: () => Limits;

  /**
   * @param driver Whose connects.
   * @param clock Source of time.
   * @param model Told of violations.
   * @param limits The limits as they are now.
   */
  constructor(
    driver: FakeDriver,
    clock: VirtualClock,
    model: Model,
    limits: () => Limits,
  ) {
    this.#driver = driver;
    this.#clock = clock;
    this.#model = model;
    this.#limits = limits;
    const connect = driver.connect.bind(driver);
    driver.connect = (options) => {
      if (this.#known && this.#failures > 0 && this.#attempts.size > 0) {
        model.violations.push("more than one attempt in an outage");
      }
      const connecting = connect(options);
      const { max, maxPendingConnects } = limits();
      if (driver.open > max) model.violations.push(`${driver.open} connections, of ${max}`);
      if (this.#underWay > maxPendingConnects) {
        model.violations.push(`${this.#underWay} connects at once`);
      }
      this.#attempts.add(connecting);
      options?.signal?.addEventListener("abort", () => {
        if (options.signal?.reason instanceof LeaseReleasedError) this.#attempts.delete(connecting);
      }, { once: true });
      connecting.then((connection) => {
        model.onOpened(connection);
        // Not those that the pool gave up itself.
        if (!this.#attempts.delete(connecting)) return;
        if (connection.gone) this.#failed();
        else this.#succeeded();
      }, (error) => {
        if (!this.#attempts.delete(connecting) || error instanceof LeaseReleasedError) return;
        if (driver.classify(error) === "rejected") this.#rejected();
        else this.#failed();
      });
      return connecting;
    };
  }

  /** Connects under way as the server sees them. */
  get #underWay(): number {
    return this.#driver.open - this.#driver.connections.length;
  }

  /** Whether the server cannot be had, or the pool may think so. */
  get outage(): boolean {
    return this.#failures > 0 || this.#unsure;
  }

  /** The same, or it may be that the pool has not heard yet that it can. */
  get mayBeOutage(): boolean {
    return this.outage || this.#news;
  }

  /** The pool gives up all that are under way: what it has not heard yet it never will. */
  onGivenUp(): void {
    this.#attempts.clear();
    this.#successes = 0;
    if (this.#news) this.#doubt();
  }

  /** The pool gives up some: what it has not heard of them it never will. */
  onSomeGivenUp(): void {
    if (this.#news) this.#doubt();
  }

  /** The pool is open again: what was before does not matter any more. */
  onReopened(): void {
    this.#attempts.clear();
    this.#failures = 0;
    this.#successes = Infinity;
    this.#news = this.#unsure = this.#known = false;
  }

  /** A connection breaks of which the pool has perhaps not heard: for the pool that is a connect that failed. */
  onBroken(): void {
    this.#failed();
    this.#doubt();
  }

  /** Everything has settled. */
  onQuiet(): void {
    this.#news = false;
    this.#known = this.#failures > 0 && !this.#unsure;
  }

  /**
   * Nobody waits while there is room, but for a connect or, in an outage, for the next attempt.
   *
   * @param stats The pool's counts.
   * @param wanted How many connections those who wait could use at once.
   * @param acquireTimeoutMs The pool's deadline of an acquire: no pause is longer than a quarter of it.
   */
  check({ total, max, checking }: PoolStats, wanted: number, acquireTimeoutMs: number): void {
    const attempts = this.#attempts.size;
    const { outage } = this;
    if (total >= max || attempts + checking >= wanted || (outage && attempts > 0)) return;
    if (this.#underWay >= this.#limits().maxPendingConnects) return;
    // After a recovery there is one more with each that succeeds.
    const limit = 1 + this.#successes;
    if (!outage && limit < max && attempts >= limit) return;
    const cap = acquireTimeoutMs === 0 ? Infinity : acquireTimeoutMs / 4;
    const next = this.#unsure ? Infinity : 100 * 2 ** (this.#failures - 1);
    const longest = Math.min(10_000, cap, next);
    const coming = `${attempts} are coming, ${this.#failures} failed`;
    demand(
      outage && this.#clock.now() < this.#failedAt + longest,
      `${wanted} are wanted, ${total} of ${max} are there, ${coming}`,
    );
  }

  #doubt(): void {
    this.#unsure = true;
    this.#known = false;
    this.#model.rejectedBefore = 0;
  }

  #failed(): void {
    this.#news = true;
    this.#successes = 0;
    this.#failures++;
    this.#failedAt = this.#clock.now();
  }

  #rejected(): void {
    this.#news = true;
    this.#model.onRejected();
  }

  #succeeded(): void {
    this.#news = true;
    this.#successes++;
    this.#failures = 0;
    this.#unsure = false;
  }
}
