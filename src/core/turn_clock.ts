/**
 * A clock that is read once per turn of the event loop, and notices when the machine slept.
 *
 * @module
 */

import type { Clock, Timer } from "./clock.ts";

/** After how many turns without a question a reading is given up: who was lent a connection asks again a few turns later. */
const UNUSED_TURNS = 4;
/** After so many turns with questions the microtask queue is so busy that to look at each turn costs more than all else. */
const BUSY_TURNS = 128;
/** How many questions one reading answers then. */
const MOST_USES = 512;
/** More than that are asked within {@linkcode BUSY_TURNS} by nobody. */
const ANY_USES = 0x3fffffff;
/** By how much wall time and monotonic time may drift apart between two readings, in milliseconds. */
const GAP_MS = 1_000;

const READY: Promise<void> = Promise.resolve();

/**
 * A clock for questions that are asked at every acquire and every release: reading the platform's costs as much as all
 * the rest of lending. One reading serves as long as the microtask queue is not left, which no freeze of the process can
 * fall between unseen: whatever comes from outside comes in a turn of the event loop of its own.
 *
 * Where that queue is not left for long, as only borrowers that wait for nothing outside can keep it busy, its turns are
 * no longer counted: a reading serves a number of questions, and no longer than until the event loop comes to a timer.
 *
 * When wall time has gone on and monotonic time has not, the machine slept: nobody knows what became of connections.
 */
export class TurnClock implements Clock {
  readonly #clock: Clock;
  readonly #onGap: (gapMs: number) => void;
  readonly #onReading: (() => void) | undefined;
  #now = 0;
  #wall = 0;
  /** How many questions the reading has answered, and how many it may. */
  #uses = 0;
  #mostUses = 0;
  /** Set while turns are not counted. */
  #timer: Timer | undefined;
  #ahead: number;

  /**
   * @param clock What is read.
   * @param onGap Called when wall time has jumped against monotonic time since the last reading, with how far, in
   * milliseconds: negative for back.
   * @param onReading Called at each reading: whatever is busy comes by here every now and then.
   */
  constructor(clock: Clock, onGap: (gapMs: number) => void, onReading?: () => void) {
    this.#clock = clock;
    this.#onGap = onGap;
    this.#onReading = onReading;
    this.#ahead = clock.wallNow() - clock.now();
  }

  /** The last reading, of whatever turn: it is later by now. */
  get latest(): number {
    return this.#now;
  }

  now(): number {
    if (++this.#uses > this.#mostUses) this.#read();
    return this.#now;
  }

  wallNow(): number {
    if (++this.#uses > this.#mostUses) this.#read();
    return this.#wall;
  }

  random(): number {
    return this.#clock.random();
  }

  schedule(delayMs: number, fn: () => void): Timer {
    return this.#clock.schedule(delayMs, fn);
  }

  /** Nobody will ask any more. */
  stop(): void {
    // What is kept by the turn is given up by itself.
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#giveUp();
  }

  #read(): void {
    // Whole milliseconds: a small integer needs no memory of its own wherever it is kept.
    this.#now = Math.ceil(this.#clock.now());
    this.#wall = this.#clock.wallNow();
    this.#uses = 0;
    this.#mostUses = MOST_USES;
    if (this.#timer === undefined) void this.#keep();
    const ahead = this.#wall - this.#now;
    const gap = ahead - this.#ahead;
    this.#ahead = ahead;
    if (Math.abs(gap) >= GAP_MS) this.#onGap(gap);
    this.#onReading?.();
  }

  /** Keeps the reading from one turn of the microtask queue to the next, as long as it is used every few turns. */
  async #keep(): Promise<void> {
    this.#mostUses = ANY_USES;
    let unused = 0;
    for (let turns = 0; unused < UNUSED_TURNS; turns++) {
      if (turns === BUSY_TURNS) return this.#hold();
      const before = this.#uses;
      await READY;
      unused = this.#uses === before ? unused + 1 : 0;
    }
    this.#giveUp();
  }

  /** Keeps the reading, and those that follow, until the event loop goes on. */
  #hold(): void {
    this.#uses = 0;
    this.#mostUses = MOST_USES;
    this.#timer = this.#clock.schedule(0, () => this.#giveUp());
    this.#timer.unref();
  }

  #giveUp(): void {
    this.#timer = undefined;
    this.#mostUses = 0;
  }
}
