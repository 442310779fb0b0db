/**
 * One physical connection after the other: opened, watched, replaced, closed. Who uses them when is not known here.
 *
 * @module
 */

import { abortable } from "./abortable.ts";
import { withDeadline } from "./deadline.ts";
import type { Driver, DriverConnectOptions, ResetLevel } from "./driver.ts";
import { ConnectError, LeaseReleasedError, messageOf } from "./errors.ts";
import { type SessionSetup, setUpSession } from "./session_setup.ts";
import type { ResolvedSteadyOptions } from "./steady_options.ts";
import { Wear } from "./wear.ts";

/** Deadline of a cancel, in milliseconds. */
export const CANCEL_TIMEOUT_MS = 2_000;

/** How often things happened to a steady connection, over all its physical connections; never zeroed. */
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

/** What a probe found: all is well; no answer, or a refusal; or an answer on a connection that is not idle. */
export type ProbeResult = "sound" | "dead" | "not idle";

/** Told what happens to the connections. */
export interface PhysicalHome {
  /** Another connection is the present one now. */
  adopted(): void;
  /** The present connection was lost; there is none now. */
  lost(cause: unknown): void;
}

/** An open connection. */
interface Held<C> {
  readonly connection: C;
  readonly wear: Wear;
}

/** A connection that is being set up. */
interface SetUp<C> {
  readonly connection: C;
  isLost: boolean;
}

/** One physical connection after the other, one at a time but while one replaces another. */
export class Physical<C> {
  readonly #driver: Driver<C>;
  readonly #options: ResolvedSteadyOptions<C>;
  readonly #home: PhysicalHome;
  #epoch = 0;
  #current: Held<C> | undefined;
  /** Opened to replace the present one, as soon as nobody uses that. */
  #spare: Held<C> | undefined;
  #opening: Promise<C> | undefined;
  #abortOpening: AbortController | undefined;
  #settingUp: SetUp<C> | undefined;
  /** Connections that are on their way out, and the ends of what is done for them. */
  readonly #leaving = new Set<C>();
  readonly #endings = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;
  #opens = 0;
  #closes = 0;
  #uses = 0;
  #pings = 0;
  #resets = 0;

  /**
   * @param driver Opens and closes the connections.
   * @param options Session, limits, deadlines, clock.
   * @param home Told what happens.
   */
  constructor(driver: Driver<C>, options: ResolvedSteadyOptions<C>, home: PhysicalHome) {
    this.#driver = driver;
    this.#options = options;
    this.#home = home;
  }

  /** Number of the present, or last, connection; 0 before the first. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The present connection; `undefined` while there is none. */
  get connection(): C | undefined {
    return this.#current?.connection;
  }

  /** How worn the present connection is; `undefined` while there is none. */
  get wear(): Wear | undefined {
    return this.#current?.wear;
  }

  /** Whether another connection is ready to replace the present one. */
  get hasSpare(): boolean {
    return this.#spare !== undefined;
  }

  /** Whether a connection that was replaced is not gone yet. */
  get isLeaving(): boolean {
    return this.#leaving.size > 0;
  }

  /** How often things happened. */
  get counters(): SteadyCounters {
    return {
      opens: this.#opens,
      closes: this.#closes,
      uses: this.#uses,
      pings: this.#pings,
      resets: this.#resets,
    };
  }

  /** Counts a use of the present connection. */
  countUse(): void {
    this.#uses++;
    this.#current?.wear.count();
  }

  /**
   * Gives the present connection, or opens one. Callers at the same time share one attempt.
   *
   * @param signal Ends the wait; the attempt goes on for the others.
   * @returns The connection.
   */
  open(signal: AbortSignal | undefined): Promise<C> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#current === undefined && this.#spare !== undefined) this.swap();
    if (this.#current !== undefined) return Promise.resolve(this.#current.connection);
    this.#opening ??= this.#open();
    return abortable(this.#opening, signal);
  }

  /**
   * Opens a connection that is to replace the present one, which stays until {@linkcode Physical.swap}.
   *
   * @returns Resolved when it is there.
   */
  async renew(): Promise<void> {
    if (this.#closing !== undefined) throw closedError();
    if (this.#spare === undefined) await (this.#opening ??= this.#open());
  }

  /** Puts the connection that {@linkcode Physical.renew} opened, if there is one, in the place of the present one. */
  swap(): void {
    const spare = this.#spare;
    if (spare === undefined) return;
    const old = this.#current;
    this.#spare = undefined;
    if (old !== undefined) this.#leave(old.connection);
    this.#adopt(spare);
  }

  async #open(): Promise<C> {
    const { clock, connectTimeoutMs, session, readOnly } = this.#options;
    const abort = new AbortController();
    this.#abortOpening = abort;
    try {
      const connection = await withDeadline(
        (signal) => this.#connect({ signal, readOnly }),
        {
          clock,
          timeoutMs: connectTimeoutMs,
          signal: abort.signal,
          timeoutError: () =>
            new ConnectError(
              `Cannot connect as the server did not answer within ${connectTimeoutMs} ms`,
              { code: "CONNECT_TIMEOUT", retryable: true },
            ),
          onLate: (late) => this.#driver.destroy(late),
        },
      );
      this.#opens++;
      // Closed between the driver's answer and this continuation: nobody is left to own the connection.
      if (abort.signal.aborted) this.#discard(connection, abort.signal.reason);
      if (session !== undefined) await this.#setUp(connection, session, abort);
      const held = { connection, wear: new Wear(clock, this.#options) };
      if (this.#current === undefined) this.#adopt(held);
      else this.#spare = held;
      // May call back at once, for a connection that broke on its way here.
      if (session === undefined) this.#watch(connection);
      return connection;
    } finally {
      this.#opening = undefined;
      this.#abortOpening = undefined;
    }
  }

  /** What a driver keeps for a connection's life must not keep the context of who needs it first. */
  #connect(options: DriverConnectOptions): Promise<C> {
    const { context } = this.#options;
    const connect = (): Promise<C> => this.#driver.connect(options);
    return context === undefined ? connect() : context.root(connect);
  }

  async #setUp(connection: C, session: SessionSetup<C>, abort: AbortController): Promise<void> {
    const { clock, connectTimeoutMs } = this.#options;
    const setUp: SetUp<C> = { connection, isLost: false };
    this.#settingUp = setUp;
    this.#watch(connection);
    try {
      await setUpSession(this.#driver, connection, session, {
        clock,
        timeoutMs: connectTimeoutMs,
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

  #adopt(held: Held<C>): void {
    const { nextEpoch } = this.#options;
    this.#epoch = nextEpoch === undefined ? this.#epoch + 1 : nextEpoch();
    this.#current = held;
    this.#home.adopted();
  }

  #watch(connection: C): void {
    this.#driver.onLost(connection, (cause) => this.#lost(connection, cause));
  }

  #lost(connection: C, cause: unknown): void {
    if (this.#settingUp?.connection === connection) return this.#lostDuringSetUp(cause);
    if (this.#spare?.connection === connection) {
      this.#spare = undefined;
      this.#closes++;
    }
    if (this.#current?.connection !== connection) return;
    this.#current = undefined;
    this.#closes++;
    if (this.#closing === undefined) this.#home.lost(cause);
  }

  #lostDuringSetUp(cause: unknown): void {
    const setUp = this.#settingUp;
    if (setUp === undefined || this.#abortOpening?.signal.aborted) return;
    setUp.isLost = true;
    const why = cause === undefined ? "" : `: ${messageOf(cause)}`;
    this.#abortOpening?.abort(
      new ConnectError(`Cannot set the session up as the connection was lost${why}`, {
        cause,
        phase: "session",
        retryable: true,
      }),
    );
  }

  /**
   * Gives the present connection up at once: nobody trusts it any more. What the server still executes for it is
   * cancelled.
   *
   * @param connection The present connection; does nothing for another one.
   */
  forsake(connection: C): void {
    if (this.#current?.connection !== connection) return;
    this.#current = undefined;
    this.#closes++;
    if (this.#driver.status(connection) === "busy") this.#end(this.#cancel(connection));
    this.#driver.destroy(connection);
  }

  async #cancel(connection: C): Promise<void> {
    await withDeadline((signal) => this.#driver.cancel(connection, { signal }), {
      clock: this.#options.clock,
      timeoutMs: CANCEL_TIMEOUT_MS,
      timeoutError: () => new Error("cancel timed out"),
    });
  }

  /**
   * Asks the server for a sign of life.
   *
   * @param timeoutMs Deadline in milliseconds.
   * @returns What was found. Never rejected.
   */
  check(timeoutMs: number): Promise<ProbeResult> {
    return this.#probe(timeoutMs, (connection, signal) => {
      this.#pings++;
      return this.#driver.ping(connection, { signal });
    });
  }

  /**
   * Cleans the session's state.
   *
   * @param level How much.
   * @param timeoutMs Deadline in milliseconds.
   * @returns What was found. Never rejected.
   */
  reset(level: ResetLevel, timeoutMs: number): Promise<ProbeResult> {
    return this.#probe(timeoutMs, (connection, signal) => {
      this.#resets++;
      return this.#driver.reset(connection, level, { signal });
    });
  }

  async #probe(
    timeoutMs: number,
    operation: (connection: C, signal: AbortSignal) => Promise<void>,
  ): Promise<ProbeResult> {
    const connection = this.#current?.connection;
    if (connection === undefined) return "dead";
    try {
      await withDeadline((signal) => operation(connection, signal), {
        clock: this.#options.clock,
        timeoutMs,
        timeoutError: () => new Error(`no answer within ${timeoutMs} ms`),
      });
    } catch {
      // Whatever the reason: a connection in doubt is not used again.
      return "dead";
    }
    if (this.#current?.connection !== connection) return "dead";
    return this.#driver.status(connection) === "idle" ? "sound" : "not idle";
  }

  /** Closes a connection that nobody needs any more, in an orderly way. */
  #leave(connection: C): void {
    this.#leaving.add(connection);
    this.#end(
      this.#closeOrderly(connection).finally(() => {
        this.#leaving.delete(connection);
        this.#closes++;
      }),
    );
  }

  /** Something goes on behind the scenes; closing waits for it. */
  #end(work: Promise<void>): void {
    const ending: Promise<void> = work.catch(() => {}).then(() => {
      this.#endings.delete(ending);
    });
    this.#endings.add(ending);
  }

  async #closeOrderly(connection: C): Promise<void> {
    try {
      await withDeadline((signal) => this.#driver.close(connection, { signal }), {
        clock: this.#options.clock,
        timeoutMs: this.#options.closeTimeoutMs,
        timeoutError: () => new Error("close timed out"),
      });
    } catch {
      // Whatever went wrong, the connection must not stay.
    }
    this.#driver.destroy(connection);
  }

  /**
   * Closes for good, in an orderly way within the deadline, else by destroying. Idempotent.
   *
   * @returns Resolved when all connections are gone; never rejected.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const opening = this.#opening;
    if (opening !== undefined) {
      this.#abortOpening?.abort(closedError());
      // A connection may have arrived in this very turn: until the attempt is over, it is there.
      await opening.catch(() => {});
    }
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare !== undefined) this.#leave(spare.connection);
    const connection = this.#current?.connection;
    if (connection !== undefined) {
      await this.#closeOrderly(connection);
      if (this.#current?.connection === connection) this.#closes++;
      this.#current = undefined;
    }
    while (this.#endings.size > 0) await Promise.all(this.#endings);
  }

  /** Closes for good and at once, without asking the server. Idempotent. */
  destroy(): void {
    const connections = [this.#current, this.#spare].flatMap((held) => held?.connection ?? []);
    this.#current = this.#spare = undefined;
    this.#closing ??= Promise.resolve();
    this.#abortOpening?.abort(
      new LeaseReleasedError("Cannot open the connection as it was destroyed"),
    );
    this.#closes += connections.length;
    for (const connection of connections) this.#driver.destroy(connection);
    for (const connection of this.#leaving) this.#driver.destroy(connection);
    if (this.#settingUp !== undefined) this.#driver.destroy(this.#settingUp.connection);
  }
}

function closedError(): LeaseReleasedError {
  return new LeaseReleasedError("Cannot open the connection as it was closed");
}
