/**
 * What must become of connections that nobody has, when time goes by.
 *
 * @module
 */

import type { PoolStats } from "../../../src/core/stats.ts";
import type { FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { demand } from "./demand.ts";
import type { Model } from "./model.ts";

/** What the pool was told of them. */
export interface UpkeepRules {
  readonly minIdle: number;
  readonly idleTimeoutMs: number;
  readonly keepaliveMs: number;
  readonly maxLifetimeMs: number;
}

/** The pool reckons in whole milliseconds, and timers fire at parts of them. */
const SLACK_MS = 3;

/** Judges how a pool looks after what is idle. */
export class Upkeep {
  readonly #driver: FakeDriver;
  readonly #clock: VirtualClock;
  readonly #model: Model;
  readonly #rules: UpkeepRules;

  constructor(driver: FakeDriver, clock: VirtualClock, model: Model, rules: UpkeepRules) {
    this.#driver = driver;
    this.#clock = clock;
    this.#model = model;
    this.#rules = rules;
  }

  /**
   * Time has passed, all that was due was done, and everything has settled.
   *
   * @param stats The pool's counts.
   * @param outage Whether the pool may think that the server cannot be had: it closes nothing then.
   */
  check(stats: PoolStats, outage: boolean): void {
    const { minIdle, idleTimeoutMs, keepaliveMs, maxLifetimeMs } = this.#rules;
    const { quietSince, unusedSince, openedAt } = this.#model;
    const { checking, closing, resetting } = stats;
    const elsewhere = checking + closing + resetting;
    if (!outage) {
      const unused = this.#since(unusedSince, idleTimeoutMs);
      demand(unused <= minIdle + elsewhere, `${unused} idle ones have not been used for too long`);
      const old = this.#since(openedAt, maxLifetimeMs);
      demand(minIdle > 0 || old <= elsewhere, `${old} idle ones are too old`);
    }
    const mute = this.#since(quietSince, keepaliveMs);
    demand(
      checking > 0 || mute <= elsewhere,
      `${mute} idle ones were not asked for a sign of life`,
    );
  }

  /**
   * Nothing has gone wrong for long.
   *
   * @param stats The pool's counts.
   */
  checkStock({ max, idle, used, connecting, waiters }: PoolStats): void {
    const least = Math.min(this.#rules.minIdle, Math.max(0, max - used));
    demand(idle >= least, `${idle} are kept idle, there should be ${least} of ${max}`);
    demand(connecting === 0, `${connecting} are being opened though all goes well`);
    const { wanted } = this.#model;
    demand(wanted === 0 || used >= max, `${waiters} wait though all goes well`);
  }

  /** How many of those that nobody has have been something for longer than they may. */
  #since(times: ReadonlyMap<FakeConnection, number>, limitMs: number): number {
    const latest = this.#clock.now() - limitMs - SLACK_MS;
    return this.#driver.connections.filter((connection) =>
      !this.#model.lent.has(connection) && (times.get(connection) ?? Infinity) < latest
    ).length;
  }
}
