/**
 * The time between a failed connect and the next that succeeds.
 *
 * @module
 */

import type { Clock, Timer } from "./clock.ts";
import type { Events } from "./observer.ts";

/** First pause between two attempts, in milliseconds. */
const FIRST_PAUSE_MS = 100;
/** Longest pause between two attempts, in milliseconds. */
const LONGEST_PAUSE_MS = 10_000;

/**
 * Paces the attempts to connect while the server cannot be had: exponential backoff with full jitter, on a timer, so
 * that a server that comes up again is not stormed and a server that is down does not cost the event loop.
 */
export class Outage {
  readonly #clock: Clock;
  readonly #longestPauseMs: number;
  readonly #retry: () => void;
  readonly #events: Pick<Events, "tell">;
  #failures = 0;
  #since = 0;
  #error: unknown;
  #retryAt = 0;
  #timer: Timer | undefined;

  /**
   * @param clock Source of time, timers and chance.
   * @param acquireTimeoutMs Deadline of an acquire: no pause is longer than a quarter of it.
   * @param retry Called when the next attempt may be made.
   * @param events Who watches.
   */
  constructor(
    clock: Clock,
    acquireTimeoutMs: number,
    retry: () => void,
    events: Pick<Events, "tell">,
  ) {
    this.#clock = clock;
    this.#longestPauseMs = Math.min(
      LONGEST_PAUSE_MS,
      acquireTimeoutMs > 0 ? acquireTimeoutMs / 4 : LONGEST_PAUSE_MS,
    );
    this.#retry = retry;
    this.#events = events;
  }

  /** Whether the last attempt failed. */
  get on(): boolean {
    return this.#failures > 0;
  }

  /** Why the last attempt failed. */
  get error(): unknown {
    return this.#error;
  }

  /** Whether the pause before the next attempt is over. */
  get mayTry(): boolean {
    return !this.on || this.#clock.now() >= this.#retryAt;
  }

  /**
   * An attempt failed.
   *
   * @param error Why.
   */
  failed(error: unknown): void {
    this.#error = error;
    // Begun before the pause, as none begins in it: many that fail at once are one sign of an outage, not many.
    if (!this.mayTry) return;
    if (!this.on) {
      this.#since = this.#clock.now();
      this.#events.tell("outageBegan", { error });
    }
    const longest = Math.min(this.#longestPauseMs, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures++;
    this.#retryAt = this.#clock.now() + longest * this.#clock.random();
  }

  /** An attempt succeeded. */
  ended(): void {
    if (!this.on) return;
    this.#events.tell("outageEnded", { outageMs: this.#clock.now() - this.#since });
    this.#failures = 0;
    this.#error = undefined;
    this.stopWaiting();
  }

  /**
   * Calls `retry` when the pause is over.
   *
   * @param held Whether somebody waits for it: the process must not end before.
   */
  wait(held: boolean): void {
    this.#timer ??= this.#clock.schedule(Math.max(0, this.#retryAt - this.#clock.now()), () => {
      this.#timer = undefined;
      this.#retry();
    });
    if (held) this.#timer.ref();
    else this.#timer.unref();
  }

  /** Nobody waits any more; `retry` is called all the same. */
  release(): void {
    this.#timer?.unref();
  }

  /** Nobody waits any more, and nothing else needs the next attempt. */
  stopWaiting(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
