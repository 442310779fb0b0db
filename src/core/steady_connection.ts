/**
 * One connection that knows its epoch and notices its loss: what the pool's slots are made of.
 *
 * @module
 */

import { abortable } from "./abortable.ts";
import { type Clock, systemClock } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { Driver } from "./driver.ts";
import { ConnectError, LeaseReleasedError } from "./errors.ts";
import { checkDuration, checkNames } from "./validate.ts";

/** Options of a {@linkcode SteadyConnection}. Durations are milliseconds. */
export interface SteadyConnectionOptions {
  /**
   * Deadline of opening, greater than 0.
   *
   * @default {10_000}
   */
  readonly connectTimeoutMs?: number;
  /**
   * Deadline of an orderly close, greater than 0; then the connection is destroyed.
   *
   * @default {5_000}
   */
  readonly closeTimeoutMs?: number;
  /**
   * Called when the open connection is lost, with what is known of the cause; not called for a close of our own.
   */
  readonly onLost?: (cause: unknown) => void;
  /**
   * Numbers the epochs; a pool passes one counter to all its connections.
   *
   * @default {1, 2, 3, …}
   */
  readonly nextEpoch?: () => number;
  /**
   * Source of time and timers.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof SteadyConnectionOptions>([
  "connectTimeoutMs",
  "closeTimeoutMs",
  "onLost",
  "nextEpoch",
  "clock",
]);

/**
 * One physical connection at a time, opened on demand. Each opening begins a new *epoch*; what belongs to an old epoch
 * can tell that it is stale.
 *
 * @example Open, notice a loss, open again
 * ```ts
 * import { SteadyConnection } from "@steady/pool";
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * const driver = new FakeDriver();
 * const steady = new SteadyConnection(driver);
 * const first = await steady.open(); // epoch 1
 * driver.break(first);
 * await steady.open(); // epoch 2
 * await steady.close();
 * ```
 */
export class SteadyConnection<C> implements AsyncDisposable {
  readonly #driver: Driver<C>;
  readonly #clock: Clock;
  readonly #connectTimeoutMs: number;
  readonly #closeTimeoutMs: number;
  readonly #onLost: ((cause: unknown) => void) | undefined;
  readonly #nextEpoch: () => number;
  #epoch = 0;
  #current: C | undefined;
  #opening: Promise<C> | undefined;
  #abortOpening: AbortController | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Makes a connection; nothing is opened before it is asked for.
   *
   * @param driver Opens and closes the physical connections.
   * @param options Deadlines, listener, clock.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(driver: Driver<C>, options: SteadyConnectionOptions = {}) {
    const action = "create connection";
    checkNames(action, options, OPTION_NAMES);
    const { connectTimeoutMs = 10_000, closeTimeoutMs = 5_000, clock = systemClock } = options;
    const bounds = { zero: false, infinity: false };
    this.#driver = driver;
    this.#clock = clock;
    this.#connectTimeoutMs = checkDuration(action, "connectTimeoutMs", connectTimeoutMs, bounds);
    this.#closeTimeoutMs = checkDuration(action, "closeTimeoutMs", closeTimeoutMs, bounds);
    this.#onLost = options.onLost;
    this.#nextEpoch = options.nextEpoch ?? (() => this.#epoch + 1);
  }

  /** Number of the present, or last, physical connection; 0 before the first. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The physical connection; `undefined` while there is none. */
  get connection(): C | undefined {
    return this.#current;
  }

  /**
   * Gives the open connection, or opens one. Callers at the same time share one attempt.
   *
   * @param options Carries the signal that ends the wait; the attempt goes on for the others.
   * @returns The physical connection.
   * @throws {LeaseReleasedError} After {@linkcode SteadyConnection.close}.
   * @throws {ConnectError} If the deadline passed.
   */
  open(options?: { readonly signal?: AbortSignal }): Promise<C> {
    if (this.#closing !== undefined) {
      return Promise.reject(
        new LeaseReleasedError("Cannot open the connection as it was closed"),
      );
    }
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    this.#opening ??= this.#connect();
    return abortable(this.#opening, signal);
  }

  async #connect(): Promise<C> {
    const abort = new AbortController();
    this.#abortOpening = abort;
    try {
      const connection = await withDeadline((signal) => this.#driver.connect({ signal }), {
        clock: this.#clock,
        timeoutMs: this.#connectTimeoutMs,
        signal: abort.signal,
        timeoutError: () =>
          new ConnectError(
            `Cannot connect as the server did not answer within ${this.#connectTimeoutMs} ms`,
            { code: "CONNECT_TIMEOUT", retryable: true },
          ),
        onLate: (late) => this.#driver.destroy(late),
      });
      // Closed between the driver's answer and this continuation: nobody is left to own the connection.
      if (abort.signal.aborted) {
        this.#driver.destroy(connection);
        throw abort.signal.reason;
      }
      this.#epoch = this.#nextEpoch();
      this.#current = connection;
      // May call back at once, for a connection that broke on its way here.
      this.#driver.onLost(connection, (cause) => this.#lost(connection, cause));
      return connection;
    } finally {
      this.#opening = undefined;
      this.#abortOpening = undefined;
    }
  }

  #lost(connection: C, cause: unknown): void {
    if (this.#current !== connection) return;
    this.#current = undefined;
    if (this.#closing === undefined) this.#onLost?.(cause);
  }

  /**
   * Closes for good, in an orderly way within the deadline, else by destroying. Idempotent.
   *
   * @returns Resolved when the physical connection is gone; never rejected.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const opening = this.#opening;
    if (opening !== undefined) {
      this.#abortOpening?.abort(
        new LeaseReleasedError("Cannot open the connection as it was closed"),
      );
      // A connection may have arrived in this very turn: until the attempt is over, it is there.
      await opening.catch(() => {});
    }
    const connection = this.#current;
    if (connection === undefined) return;
    try {
      await withDeadline((signal) => this.#driver.close(connection, { signal }), {
        clock: this.#clock,
        timeoutMs: this.#closeTimeoutMs,
        timeoutError: () => new Error("close timed out"),
      });
    } catch {
      // Whatever went wrong, the connection must not stay.
    }
    this.#driver.destroy(connection);
    this.#current = undefined;
  }

  /** Closes for good and at once, without asking the server. Idempotent. */
  destroy(): void {
    const connection = this.#current;
    this.#current = undefined;
    this.#closing ??= Promise.resolve();
    this.#abortOpening?.abort(
      new LeaseReleasedError("Cannot open the connection as it was destroyed"),
    );
    if (connection !== undefined) this.#driver.destroy(connection);
  }

  /** {@inheritDoc SteadyConnection.close} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
