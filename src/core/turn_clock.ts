/**
 * A clock that is read once per turn of the event loop, and notices when the machine slept.
 *
 * @module
 */

import type { Clock, Timer } from "./clock.ts";

/** How many turns of the microtask queue one reading serves at most. */
const MOST_TURNS = 512;
/** After how many turns without a question a reading is given up: who was lent a connection asks again a few turns later. */
const UNUSED_TURNS = 4;
/** By how much wall time and monotonic time may drift apart between two readings, in milliseconds. */
const GAP_MS = 1_000;

const READY: Promise<void> = Promise.resolve();

/**
 * A clock for questions that are asked at every acquire and every release: reading the platform's costs as much as all
 * the rest of lending. One reading serves as long as the microtask queue is not left, which no freeze of the process can
 * fall between unseen: whatever comes from outside comes in a turn of the event loop of its own.
 *
 * When wall time has gone on and monotonic time has not, the machine slept: nobody knows what became of connections.
 */
export class TurnClock implements Clock {
  readonly #clock: Clock;
  readonly #onGap: (gapMs: number) => void;
  #now = 0;
  #wall = 0;
  /** Whether the reading is of this turn. */
  #fresh = false;
  #used = false;
  #ahead: number;

  /**
   * @param clock What is read.
   * @param onGap Called when wall time has jumped against monotonic time since the last reading, with how far, in
   * milliseconds: negative for back.
   */
  constructor(clock: Clock, onGap: (gapMs: number) => void) {
    this.#clock = clock;
    this.#onGap = onGap;
    this.#ahead = clock.wallNow() - clock.now();
  }

  /** The last reading, of whatever turn: it is later by now. */
  get latest(): number {
    return this.#now;
  }

  now(): number {
    if (!this.#fresh) this.#read();
    this.#used = true;
    return this.#now;
  }

  wallNow(): number {
    if (!this.#fresh) this.#read();
    this.#used = true;
    return this.#wall;
  }

  random(): number {
    return this.#clock.random();
  }

  schedule(delayMs: number, fn: () => void): Timer {
    return this.#clock.schedule(delayMs, fn);
  }

  #read(): void {
    // Whole milliseconds: a small integer needs no memory of its own wherever it is kept.
    this.#now = Math.ceil(this.#clock.now());
    this.#wall = this.#clock.wallNow();
    this.#fresh = true;
    void this.#keep();
    const ahead = this.#wall - this.#now;
    const gap = ahead - this.#ahead;
    this.#ahead = ahead;
    if (Math.abs(gap) >= GAP_MS) this.#onGap(gap);
  }

  /** Keeps the reading from one turn of the microtask queue to the next, as long as it is used every few turns. */
  async #keep(): Promise<void> {
    let unused = 0;
    for (let turns = MOST_TURNS; turns > 0 && unused < UNUSED_TURNS; turns--) {
      this.#used = false;
      await READY;
      unused = this.#used ? 0 : unused + 1;
    }
    this.#fresh = false;
  }
}
