/**
 * Opening again while the server cannot be had: paced, and shared by all who wait.
 *
 * @module
 */

import { abortable } from "./abortable.ts";
import type { Clock, Timer } from "./clock.ts";
import type { Driver } from "./driver.ts";
import { ConnectError, LeaseReleasedError, messageOf } from "./errors.ts";

/** First pause between two attempts, in milliseconds. */
const FIRST_PAUSE_MS = 100;
/** Longest pause between two attempts, in milliseconds. */
const LONGEST_PAUSE_MS = 10_000;

/** What is known of the server when somebody begins to wait for a connection. */
export interface Ticket {
  /** How many attempts had failed in all. */
  readonly failed: number;
  /** Since when the patience is counted; `undefined`: since the outage began. */
  readonly since: number | undefined;
}

/** How a connection is opened. */
export interface ReopeningOptions<C> {
  /** The connection's driver. */
  readonly driver: Driver<C>;
  /** Source of time, timers and chance. */
  readonly clock: Clock;
  /** How long one waits for a server that cannot be had, in milliseconds. */
  readonly patienceMs: number;
  /** Makes one attempt, or joins the one under way. */
  readonly open: (signal: AbortSignal | undefined) => Promise<C>;
}

/**
 * Opens within a time of patience, with exponential backoff and full jitter between the attempts. An attempt that failed
 * while somebody waited was made for that one too, so a server that is down is not asked once for each who waits.
 */
export class Reopening<C> {
  readonly #options: ReopeningOptions<C>;
  readonly #longestPauseMs: number;
  /** Failed attempts, ever, and since the last that succeeded. */
  #failed = 0;
  #failures = 0;
  #error: unknown;
  #downSince = 0;
  #retryAt = 0;
  #stopped: (() => Error) | undefined;
  #wake: (() => void) | undefined;

  /** @param options How. */
  constructor(options: ReopeningOptions<C>) {
    this.#options = options;
    const { patienceMs } = options;
    this.#longestPauseMs = Math.min(
      LONGEST_PAUSE_MS,
      patienceMs > 0 ? patienceMs / 4 : LONGEST_PAUSE_MS,
    );
  }

  /**
   * Somebody begins to wait for a connection.
   *
   * @returns What that one waits by.
   */
  ticket(): Ticket {
    const since = this.#failures > 0 ? this.#options.clock.now() : undefined;
    return { failed: this.#failed, since };
  }

  /**
   * Opens, one caller at a time.
   *
   * @param ticket Since when the caller waits.
   * @param signal Ends the wait; the rejection is its own reason.
   * @returns The connection.
   * @throws {ConnectError} If the server cannot be had.
   */
  async open(ticket: Ticket, signal: AbortSignal | undefined): Promise<C> {
    for (;;) {
      if (this.#failures > 0) {
        const failedMeanwhile = this.#failed !== ticket.failed;
        if (failedMeanwhile && !this.#mayWait(ticket)) throw this.#connectError();
        await this.#pause(ticket, signal);
      }
      if (this.#stopped !== undefined) throw this.#stopped();
      try {
        const connection = await this.#options.open(signal);
        this.#failures = 0;
        this.#error = undefined;
        return connection;
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (error instanceof LeaseReleasedError) throw error;
        this.#note(error);
      }
    }
  }

  /** Nothing is opened any more; who waits is refused. */
  stop(makeError: () => Error): void {
    this.#stopped ??= makeError;
    this.#wake?.();
  }

  #note(error: unknown): void {
    const { clock } = this.#options;
    const now = clock.now();
    if (this.#failures === 0) this.#downSince = now;
    const longest = Math.min(this.#longestPauseMs, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failed++;
    this.#failures++;
    this.#error = error;
    this.#retryAt = now + longest * clock.random();
  }

  /** Whether there is sense, and time, in one more attempt. */
  #mayWait(ticket: Ticket): boolean {
    return this.#isPassing && this.#retryAt < this.#deadline(ticket);
  }

  #deadline({ since = this.#downSince }: Ticket): number {
    return since + this.#options.patienceMs;
  }

  /** Whether the server may be had later. */
  get #isPassing(): boolean {
    const error = this.#error;
    return error instanceof ConnectError
      ? error.retryable
      : this.#options.driver.classify(error) !== "rejected";
  }

  /** Waits until the next attempt may be made. */
  async #pause(ticket: Ticket, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#options;
    const pauseMs = this.#retryAt - clock.now();
    if (pauseMs <= 0) return;
    if (this.#retryAt >= this.#deadline(ticket)) throw this.#connectError();
    let timer: Timer | undefined;
    try {
      await abortable(
        new Promise<void>((resolve) => {
          this.#wake = resolve;
          timer = clock.schedule(pauseMs, resolve);
        }),
        signal,
      );
    } finally {
      timer?.cancel();
      this.#wake = undefined;
    }
  }

  /** An error object of its own for each who is refused. */
  #connectError(): ConnectError {
    const error = this.#error;
    if (error instanceof ConnectError) {
      const { message, phase, code, retryable, cause } = error;
      return new ConnectError(message, { phase, code, retryable, cause: cause ?? error });
    }
    return new ConnectError(`Cannot connect: ${messageOf(error)}`, {
      cause: error,
      retryable: this.#isPassing,
    });
  }
}
