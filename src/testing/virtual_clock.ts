/**
 * Time that only moves when it is told to.
 *
 * @module
 */

import type { Clock, Timer } from "../core/clock.ts";
import { seededRandom } from "./random.ts";

/** Options of a {@linkcode VirtualClock}. */
export interface VirtualClockOptions {
  /**
   * Monotonic time at the start, in milliseconds.
   *
   * @default {0}
   */
  readonly startMs?: number;
  /**
   * Wall-clock time at the start, in milliseconds since 1970.
   *
   * @default {1_700_000_000_000}
   */
  readonly wallStartMs?: number;
  /**
   * Seed of {@linkcode VirtualClock.random}.
   *
   * @default {1}
   */
  readonly seed?: number;
  /** Replaces the seeded numbers, for tests that need a certain one. */
  readonly random?: () => number;
  /**
   * How many turns of the microtask queue {@linkcode VirtualClock.settle} waits: longer than the longest chain of
   * promises that the code under test builds between two timers.
   *
   * @default {64}
   */
  readonly turns?: number;
}

/** A timer that has not fired yet. */
export interface PendingTimer {
  /** When it is due, in the clock's monotonic milliseconds. */
  readonly dueMs: number;
  /** Whether it would keep a process alive. */
  readonly referenced: boolean;
}

class VirtualTimer implements Timer, PendingTimer {
  readonly dueMs: number;
  readonly fire: () => void;
  readonly #cancel: (timer: VirtualTimer) => void;
  referenced = true;

  constructor(dueMs: number, fire: () => void, cancel: (timer: VirtualTimer) => void) {
    this.dueMs = dueMs;
    this.fire = fire;
    this.#cancel = cancel;
  }

  cancel(): void {
    this.#cancel(this);
  }

  ref(): void {
    this.referenced = true;
  }

  unref(): void {
    this.referenced = false;
  }
}

/**
 * A {@linkcode Clock} for tests: time stands still until {@linkcode VirtualClock.advance}, chance comes from a seed,
 * and what is pending can be looked at. A test of ten minutes takes no time, and takes it the same way every time.
 *
 * @example An acquire times out, at once
 * ```ts
 * import { Pool } from "@steady/pool";
 * import { FakeDriver, VirtualClock } from "@steady/pool/testing";
 *
 * const clock = new VirtualClock();
 * const pool = new Pool(new FakeDriver({ clock }), { clock, max: 1, acquireTimeoutMs: 500 });
 * const lease = await pool.acquire();
 * const refused = pool.acquire().catch((error: unknown) => error);
 * await clock.advance(500);
 * console.log(await refused); // AcquireTimeoutError
 * lease.release();
 * await pool.close();
 * ```
 */
export class VirtualClock implements Clock {
  /** By due time; those due at the same time in the order they were set. */
  readonly #timers: VirtualTimer[] = [];
  readonly #random: () => number;
  readonly #turns: number;
  #now: number;
  #wallAhead: number;
  #advancing = false;

  /**
   * Makes a clock that stands still.
   *
   * @param options Where time and chance start.
   */
  constructor(options: VirtualClockOptions = {}) {
    const { startMs = 0, wallStartMs = 1_700_000_000_000, seed = 1, turns = 64 } = options;
    this.#now = startMs;
    this.#wallAhead = wallStartMs - startMs;
    this.#random = options.random ?? seededRandom(seed);
    this.#turns = turns;
  }

  /**
   * Tells the monotonic time.
   *
   * @returns Milliseconds.
   */
  now(): number {
    return this.#now;
  }

  /**
   * Tells the wall-clock time.
   *
   * @returns Milliseconds since 1970.
   */
  wallNow(): number {
    return this.#now + this.#wallAhead;
  }

  /**
   * Draws the next number of the seed.
   *
   * @returns A number from 0 (inclusive) to 1 (exclusive).
   */
  random(): number {
    return this.#random();
  }

  /**
   * Calls `fn` once after `delayMs` of virtual time.
   *
   * @param delayMs Delay in milliseconds, any length.
   * @param fn What to call.
   * @returns The timer.
   */
  schedule(delayMs: number, fn: () => void): Timer {
    const dueMs = this.#now + Math.max(0, delayMs);
    const timer = new VirtualTimer(dueMs, fn, (cancelled) => this.#remove(cancelled));
    this.#timers.splice(this.#firstAfter(dueMs), 0, timer);
    return timer;
  }

  /** How many timers are pending. */
  get pending(): number {
    return this.#timers.length;
  }

  /** How many pending timers would keep a process alive. */
  get referenced(): number {
    let count = 0;
    for (const timer of this.#timers) if (timer.referenced) count++;
    return count;
  }

  /**
   * Lists what is pending.
   *
   * @returns The timers, the earliest first.
   */
  timers(): PendingTimer[] {
    return this.#timers.map(({ dueMs, referenced }) => ({ dueMs, referenced }));
  }

  /**
   * Lets time pass: what is due is called in order, each at its own time, and promises settle in between.
   *
   * @param ms How much, in milliseconds; at least 0.
   * @returns Resolved when all that was due was called.
   * @throws {RangeError} If the time is negative, infinite or no number.
   * @throws {Error} If an earlier call has not ended.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0) || ms === Infinity) {
      throw new RangeError(`Cannot advance the clock as ms must be a number >= 0: received ${ms}`);
    }
    if (this.#advancing) throw new Error("Cannot advance the clock as it is being advanced");
    this.#advancing = true;
    try {
      const until = this.#now + ms;
      await this.settle();
      for (;;) {
        const timer = this.#timers[0];
        if (timer === undefined || timer.dueMs > until) break;
        this.#timers.shift();
        this.#now = timer.dueMs;
        timer.fire();
        await this.settle();
      }
      this.#now = until;
    } finally {
      this.#advancing = false;
    }
  }

  /**
   * Moves the wall clock alone: forward as if the machine had been suspended, back as if somebody had set it.
   *
   * @param ms How far, in milliseconds; negative for back.
   */
  shiftWall(ms: number): void {
    this.#wallAhead += ms;
  }

  /**
   * Lets promises settle without letting time pass.
   *
   * @param turns Turns of the microtask queue to wait.
   * @returns Resolved after so many turns.
   */
  async settle(turns: number = this.#turns): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await undefined;
  }

  #remove(timer: VirtualTimer): void {
    const index = this.#timers.indexOf(timer);
    if (index >= 0) this.#timers.splice(index, 1);
  }

  #firstAfter(dueMs: number): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const timer = this.#timers[middle];
      if (timer !== undefined && timer.dueMs <= dueMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
