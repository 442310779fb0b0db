/**
 * Time, timers and chance, injected so that the whole core runs in virtual time.
 *
 * @module
 */

/** A timer set by {@linkcode Clock.schedule}. */
export interface Timer {
  /** Cancels the timer; does nothing when it fired or was cancelled before. */
  cancel(): void;
  /** Lets the timer keep the process alive (the state a timer is born in). */
  ref(): void;
  /** Lets the process exit although the timer is pending. */
  unref(): void;
}

/** Source of time, timers and randomness; nothing else in the core asks the platform for them. */
export interface Clock {
  /**
   * Reads the monotonic time.
   *
   * @returns Milliseconds; only differences mean anything.
   */
  now(): number;
  /**
   * Reads the wall-clock time.
   *
   * @returns Milliseconds since 1970.
   */
  wallNow(): number;
  /**
   * Draws a random number.
   *
   * @returns From 0 (inclusive) to 1 (exclusive).
   */
  random(): number;
  /**
   * Calls `fn` once after `delayMs`.
   *
   * @param delayMs Delay in milliseconds, any length (longer than 2^31 ms is waited for in pieces).
   * @param fn What to call.
   * @returns The timer.
   */
  schedule(delayMs: number, fn: () => void): Timer;
}

/** Longest delay the platforms' timers take; a longer one would fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** What a platform's timer handle may offer; on some it is a bare number. */
interface RefCounted {
  ref?(): void;
  unref?(): void;
}

class SystemTimer implements Timer {
  #handle: ReturnType<typeof setTimeout> | undefined;
  #referenced = true;

  constructor(delayMs: number, fn: () => void) {
    this.#arm(delayMs, fn);
  }

  #arm(delayMs: number, fn: () => void): void {
    const step = Math.min(delayMs, MAX_TIMEOUT_MS);
    this.#handle = setTimeout(() => {
      this.#handle = undefined;
      if (delayMs > step) this.#arm(delayMs - step, fn);
      else fn();
    }, step);
    if (!this.#referenced) this.unref();
  }

  cancel(): void {
    if (this.#handle === undefined) return;
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }

  ref(): void {
    this.#referenced = true;
    (this.#handle as RefCounted | undefined)?.ref?.();
  }

  unref(): void {
    this.#referenced = false;
    (this.#handle as RefCounted | undefined)?.unref?.();
  }
}

/** The platform's own time, timers and randomness. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  random: () => Math.random(),
  schedule: (delayMs, fn) => new SystemTimer(delayMs, fn),
};
