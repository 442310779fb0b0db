/**
 * What the tests of the pool have in common.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Pool } from "../../src/core/pool.ts";
import type { PoolOptions } from "../../src/core/options.ts";
import type { PoolCounts } from "../../src/core/stats.ts";
import {
  type FakeConnection,
  FakeDriver,
  type FakeDriverOptions,
  VirtualClock,
  type VirtualClockOptions,
} from "../../src/testing/mod.ts";

/** A pool in virtual time, and what it stands on. */
export interface Setup {
  readonly clock: VirtualClock;
  readonly driver: FakeDriver;
  readonly pool: Pool<FakeConnection>;
}

/**
 * Makes a pool in virtual time over a fake driver.
 *
 * @param options The pool's options, without the clock.
 * @param clockOptions The clock's options.
 * @param driverOptions The driver's options.
 * @returns The pool and what it stands on.
 */
export function setup(
  options: Omit<PoolOptions, "clock"> = {},
  clockOptions: VirtualClockOptions = {},
  driverOptions: FakeDriverOptions = {},
): Setup {
  const clock = new VirtualClock(clockOptions);
  const driver = new FakeDriver({ clock, ...driverOptions });
  return { clock, driver, pool: new Pool(driver, { clock, ...options }) };
}

/** What a promise came to so far. */
export interface Watched<T> {
  state: "pending" | "fulfilled" | "rejected";
  value?: T;
  error?: unknown;
}

/**
 * Watches a promise; its rejection counts as handled.
 *
 * @param promise The promise.
 * @returns What it came to so far, live.
 */
export function watch<T>(promise: Promise<T>): Watched<T> {
  const seen: Watched<T> = { state: "pending" };
  promise.then(
    (value) => {
      seen.state = "fulfilled";
      seen.value = value;
    },
    (error) => {
      seen.state = "rejected";
      seen.error = error;
    },
  );
  return seen;
}

/**
 * Takes what an array or a variable must have.
 *
 * @param value The value.
 * @returns The value, which is not `undefined`.
 */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("there is a value");
  return value;
}

/**
 * Checks some of a pool's counts; those that are not named must be 0.
 *
 * @param pool The pool.
 * @param expected The counts that are not 0.
 */
export function assertCounts(
  pool: Pool<FakeConnection>,
  expected: Partial<Omit<PoolCounts, "state" | "max" | "sharing">>,
): void {
  const {
    state: _state,
    max: _max,
    sharing: _sharing,
    counters: _counters,
    waitMs: _wait,
    useMs: _use,
    connectMs: _connect,
    suggestedMax: _suggested,
    ...counts
  } = pool.stats();
  assertEquals(counts, {
    total: 0,
    connecting: 0,
    idle: 0,
    used: 0,
    checking: 0,
    resetting: 0,
    closing: 0,
    waiters: 0,
    shared: 0,
    sharedLeases: 0,
    ...expected,
  });
}

/** Counts the listeners on a signal. */
export interface CountedSignal {
  /** The signal, and what aborts it. */
  readonly abort: AbortController;
  /** Listeners added and not removed. */
  readonly listeners: number;
}

/**
 * Makes a signal whose listeners are counted.
 *
 * @returns The signal and the count, live.
 */
export function countedSignal(): CountedSignal {
  const abort = new AbortController();
  const { signal } = abort;
  const present = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>): void => {
    const [type, listener, options] = args;
    present.add(listener);
    add(...args);
    // The platform itself removes what was to be called once.
    const once = typeof options === "object" && options.once === true;
    if (once) add(type, () => present.delete(listener), { once });
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>): void => {
    present.delete(args[1]);
    remove(...args);
  };
  return {
    abort,
    get listeners() {
      return present.size;
    },
  };
}
