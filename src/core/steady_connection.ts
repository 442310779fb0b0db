/**
 * One connection that knows its epoch and notices its loss: what the pool's slots are made of.
 *
 * @module
 */

import { abortable } from "./abortable.ts";
import { type Clock, systemClock } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { Driver, ResetLevel } from "./driver.ts";
import { ConnectError, LeaseReleasedError, messageOf } from "./errors.ts";
import { RESET_TIMEOUT_MS } from "./options.ts";
import { checkSession, type SessionSetup, setUpSession } from "./session_setup.ts";
import { checkDuration, checkInteger, checkNames } from "./validate.ts";
import { Wear } from "./wear.ts";

/** Deadline of a check, in milliseconds. */
const CHECK_TIMEOUT_MS = 2_000;

/** Options of a {@linkcode SteadyConnection}. Durations are milliseconds. */
export interface SteadyConnectionOptions<C = unknown> {
  /**
   * Done on every new physical connection before anybody may use it, outside of any transaction: statements in the
   * database's language, or a function. If it fails the connection is destroyed and the opening fails. A function must
   * use the connection it is given: this steady connection would wait for itself.
   */
  readonly session?: SessionSetup<C>;
  /**
   * Uses after which a physical connection is {@linkcode SteadyConnection.worn}. Integer, at least 1, or `Infinity`.
   *
   * @default {Infinity}
   */
  readonly maxUses?: number;
  /**
   * Age at which a physical connection is {@linkcode SteadyConnection.worn}, less 0–10 % by chance; greater than 0,
   * `Infinity` allowed.
   *
   * @default {1_800_000}
   */
  readonly maxLifetimeMs?: number;
  /**
   * Deadline of opening, greater than 0; the session's set-up has another one as long.
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
  "session",
  "maxUses",
  "maxLifetimeMs",
  "connectTimeoutMs",
  "closeTimeoutMs",
  "onLost",
  "nextEpoch",
  "clock",
]);

/** How often things happened to a {@linkcode SteadyConnection}, over all its physical connections; never zeroed. */
export interface SteadyCounters {
  /** Physical connections that the driver opened. */
  readonly opens: number;
  /** Physical connections that ended, whoever ended them. */
  readonly closes: number;
  /** Uses that were counted. */
  readonly uses: number;
  /** Signs of life that were asked for. */
  readonly pings: number;
  /** Cleanings that were asked for. */
  readonly resets: number;
}

/** Options of {@linkcode SteadyConnection.check} and {@linkcode SteadyConnection.reset}. */
export interface ProbeOptions {
  /**
   * Deadline in milliseconds, greater than 0.
   *
   * @default {2_000}
   */
  readonly timeoutMs?: number;
}

/** A connection that is being set up. */
interface SetUp<C> {
  readonly connection: C;
  isLost: boolean;
}

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
  readonly #session: SessionSetup<C> | undefined;
  readonly #wear: Wear;
  #opens = 0;
  #closes = 0;
  #uses = 0;
  #pings = 0;
  #resets = 0;
  #epoch = 0;
  #current: C | undefined;
  #opening: Promise<C> | undefined;
  #settingUp: SetUp<C> | undefined;
  #abortOpening: AbortController | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Makes a connection; nothing is opened before it is asked for.
   *
   * @param driver Opens and closes the physical connections.
   * @param options Session, limits, deadlines, listener, clock.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(driver: Driver<C>, options: SteadyConnectionOptions<NoInfer<C>> = {}) {
    const action = "create connection";
    checkNames(action, options, OPTION_NAMES);
    const { connectTimeoutMs = 10_000, closeTimeoutMs = 5_000, clock = systemClock } = options;
    const { session, maxUses = Infinity, maxLifetimeMs = 1_800_000 } = options;
    checkSession(action, session);
    this.#session = Array.isArray(session) ? [...session] : session;
    this.#wear = new Wear(clock, {
      maxUses: checkInteger(action, "maxUses", maxUses, 1, true),
      maxLifetimeMs: checkDuration(action, "maxLifetimeMs", maxLifetimeMs, {
        zero: false,
        infinity: true,
      }),
    });
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

  /** How often things happened, over all physical connections. */
  get counters(): SteadyCounters {
    return {
      opens: this.#opens,
      closes: this.#closes,
      uses: this.#uses,
      pings: this.#pings,
      resets: this.#resets,
    };
  }

  /** Uses of the present physical connection. */
  get uses(): number {
    return this.#wear.uses;
  }

  /** When the present physical connection was opened, by the clock's monotonic time; `undefined` before the first. */
  get openedAt(): number | undefined {
    return this.#wear.openedAt;
  }

  /**
   * Counts one use of the present physical connection.
   */
  countUse(): void {
    this.#uses++;
    this.#wear.count();
  }

  /**
   * Tells whether the present physical connection has been used, or has lived, as long as it may. To be asked between
   * two units of work, never under one.
   *
   * @returns Whether it should be replaced.
   */
  worn(): boolean {
    return this.#wear.worn;
  }

  /**
   * Gives the open connection, or opens one and sets its session up. Callers at the same time share one attempt.
   *
   * @param options Carries the signal that ends the wait; the attempt goes on for the others.
   * @returns The physical connection.
   * @throws {LeaseReleasedError} After {@linkcode SteadyConnection.close}.
   * @throws {ConnectError} If the deadline passed, or if the session's set-up failed (phase `"session"`).
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
      this.#opens++;
      // Closed between the driver's answer and this continuation: nobody is left to own the connection.
      if (abort.signal.aborted) this.#discard(connection, abort.signal.reason);
      if (this.#session !== undefined) await this.#setUp(connection, this.#session, abort);
      this.#epoch = this.#nextEpoch();
      this.#wear.opened();
      this.#current = connection;
      // May call back at once, for a connection that broke on its way here.
      if (this.#session === undefined) this.#watch(connection);
      return connection;
    } finally {
      this.#opening = undefined;
      this.#abortOpening = undefined;
    }
  }

  async #setUp(connection: C, session: SessionSetup<C>, abort: AbortController): Promise<void> {
    const setUp: SetUp<C> = { connection, isLost: false };
    this.#settingUp = setUp;
    this.#watch(connection);
    try {
      await setUpSession(this.#driver, connection, session, {
        clock: this.#clock,
        timeoutMs: this.#connectTimeoutMs,
        signal: abort.signal,
        isLost: () => setUp.isLost,
      });
      // Closed or lost since its end.
      abort.signal.throwIfAborted();
    } catch (error) {
      this.#discard(connection, error);
    } finally {
      this.#settingUp = undefined;
    }
  }

  /** Gets rid of a connection that nobody has seen yet. */
  #discard(connection: C, reason: unknown): never {
    this.#closes++;
    this.#driver.destroy(connection);
    throw reason;
  }

  #watch(connection: C): void {
    this.#driver.onLost(connection, (cause) => this.#lost(connection, cause));
  }

  #lost(connection: C, cause: unknown): void {
    const settingUp = this.#settingUp;
    if (settingUp?.connection === connection) {
      if (this.#abortOpening?.signal.aborted) return;
      settingUp.isLost = true;
      const reason = `Cannot set the session up as the connection was lost${
        cause === undefined ? "" : `: ${messageOf(cause)}`
      }`;
      this.#abortOpening?.abort(
        new ConnectError(reason, { cause, phase: "session", retryable: true }),
      );
      return;
    }
    if (this.#current !== connection) return;
    this.#current = undefined;
    this.#closes++;
    if (this.#closing === undefined) this.#onLost?.(cause);
  }

  /**
   * Asks the server for a sign of life. Whoever asked has to replace a connection that gave none.
   *
   * @param options Deadline.
   * @returns Whether the server answered and the connection is idle; `false` where none is open. Never rejected.
   * @throws {TypeError} If the deadline is no number.
   * @throws {RangeError} If the deadline is out of range.
   */
  check(options?: ProbeOptions): Promise<boolean> {
    const timeoutMs = checkProbe("check the connection", options, CHECK_TIMEOUT_MS);
    return this.#probe(timeoutMs, (connection, signal) => {
      this.#pings++;
      return this.#driver.ping(connection, { signal });
    });
  }

  /**
   * Cleans the session's state. Whoever asked has to replace a connection that is not clean.
   *
   * @param level How much.
   * @param options Deadline.
   * @returns Whether it is clean and idle; `false` where none is open. Never rejected.
   * @throws {TypeError} If the deadline is no number.
   * @throws {RangeError} If the deadline is out of range.
   */
  reset(level: ResetLevel, options?: ProbeOptions): Promise<boolean> {
    const timeoutMs = checkProbe("reset the connection", options, RESET_TIMEOUT_MS);
    return this.#probe(timeoutMs, (connection, signal) => {
      this.#resets++;
      return this.#driver.reset(connection, level, { signal });
    });
  }

  async #probe(
    timeoutMs: number,
    operation: (connection: C, signal: AbortSignal) => Promise<void>,
  ): Promise<boolean> {
    const connection = this.#current;
    if (connection === undefined) return false;
    try {
      await withDeadline((signal) => operation(connection, signal), {
        clock: this.#clock,
        timeoutMs,
        timeoutError: () => new Error(`no answer within ${timeoutMs} ms`),
      });
    } catch {
      // Whatever the reason: a connection in doubt is not used again.
      return false;
    }
    return this.#current === connection && this.#driver.status(connection) === "idle";
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
    if (this.#current === connection) this.#closes++;
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
    const settingUp = this.#settingUp;
    if (settingUp !== undefined) this.#driver.destroy(settingUp.connection);
    if (connection === undefined) return;
    this.#closes++;
    this.#driver.destroy(connection);
  }

  /** {@inheritDoc SteadyConnection.close} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function checkProbe(action: string, options: ProbeOptions | undefined, byDefault: number): number {
  if (options?.timeoutMs === undefined) return byDefault;
  return checkDuration(action, "timeoutMs", options.timeoutMs, { zero: false, infinity: false });
}
