/**
 * Units of work on a steady connection: whose turn it is, which connection they get, and what a loss means for them.
 *
 * @module
 */

import type { ConnectionStatus, Driver, ResetLevel } from "./driver.ts";
import { LeaseReleasedError, SteadyError } from "./errors.ts";
import { withDeadline } from "./deadline.ts";
import type { Limit } from "./steady_limit.ts";
import type { CheckPolicy, ReopenReason, ResolvedSteadyOptions } from "./steady_options.ts";
import {
  lostError,
  lostInTransaction,
  notReopenedError,
  rolledBackError,
  transactionError,
} from "./steady_outcome.ts";
import { setUpSession } from "./session_setup.ts";
import { CANCEL_TIMEOUT_MS, type Physical, type ProbeResult } from "./steady_physical.ts";
import { Reopening, type Ticket } from "./steady_reopening.ts";
import { Turns } from "./steady_turns.ts";
import { abortable } from "./abortable.ts";

/** How often a unit of work is done again. */
export const MOST_REPEATS = 2;
/** How long a unit of work waits for the connection that is to replace a worn one, in milliseconds. */
const RENEWAL_GRACE_MS = 1_000;
/** Pause after a worn connection could not be replaced, in milliseconds. */
const RENEWAL_PAUSE_MS = 10_000;

/** What asks for a connection. */
export type WorkKind = "request" | "statement" | "transaction";

/** Which checks a policy makes. */
const CHECKED: Readonly<Record<CheckPolicy, ReadonlySet<WorkKind>>> = {
  never: new Set(),
  request: new Set<WorkKind>(["request"]),
  statement: new Set<WorkKind>(["statement"]),
  transaction: new Set<WorkKind>(["transaction"]),
  always: new Set<WorkKind>(["request", "statement", "transaction"]),
};

/** A transaction by hand that is over and whose owner has not taken notice by a rollback yet. */
interface BrokenTransaction {
  readonly cause: unknown;
  /** Whether it failed at COMMIT. */
  readonly atCommit: boolean;
}

/** One unit of work's way to a connection. */
export interface Passage {
  /** What asks. */
  readonly kind: WorkKind;
  /** How long it may take. */
  readonly limit: Limit;
  /** Since when it waits. */
  readonly ticket: Ticket;
}

/** Who works on the connection, one at a time. */
export class SteadyWork<C> {
  readonly #driver: Driver<C>;
  readonly #options: ResolvedSteadyOptions<C>;
  readonly #physical: Physical<C>;
  readonly #turns = new Turns();
  readonly #reopening: Reopening<C>;
  #closed: (() => Error) | undefined;
  /** What the server said when the last unit of work was over. */
  #inTransaction = false;
  #broken: BrokenTransaction | undefined;
  /** A connection that a check found dead. */
  #doubted: C | undefined;
  /** A connection that was cleaned so well that its session has to be set up again. */
  #bare: C | undefined;
  /** Why the next connection takes the place of the one before. */
  #reason: ReopenReason = "lost";
  #lossCause: unknown;
  #isFirst = true;
  #unusedSince = 0;
  #unusedSinceWall = 0;
  #renewal: Promise<void> | undefined;
  #renewAfter = -Infinity;
  #cancelling: Promise<void> | undefined;

  /**
   * @param driver Tells what errors mean and what connections are doing.
   * @param options Policies, deadlines, listeners.
   * @param physical The connections.
   */
  constructor(driver: Driver<C>, options: ResolvedSteadyOptions<C>, physical: Physical<C>) {
    this.#driver = driver;
    this.#options = options;
    this.#physical = physical;
    this.#reopening = new Reopening({
      driver,
      clock: options.clock,
      patienceMs: options.reopenTimeoutMs,
      open: (signal) => this.#openSound(signal),
    });
  }

  // The connections' life

  /** Another connection is the present one. */
  adopted(): void {
    const { onReopened } = this.#options;
    this.#doubted = undefined;
    this.#markUnused();
    const reason = this.#reason;
    this.#reason = "lost";
    if (this.#isFirst) {
      this.#isFirst = false;
      return;
    }
    try {
      onReopened?.({ epoch: this.#physical.epoch, reason });
    } catch {
      // A listener's error is not ours, and nobody else's business here.
    }
  }

  /**
   * The present connection was lost.
   *
   * @param cause What broke it.
   */
  lost(cause: unknown): void {
    this.#reason = "lost";
    this.#lossCause = cause;
    this.#breakTransaction(cause);
    this.#options.onLost?.(cause);
  }

  /** The transaction by hand, if there is one, is gone with its connection. */
  #breakTransaction(cause: unknown): void {
    if (!this.#inTransaction) return;
    this.#inTransaction = false;
    this.#broken = { cause, atCommit: false };
  }

  /**
   * Gives a connection up that nobody can trust any more.
   *
   * @param connection The present connection; does nothing for another one.
   * @param reason Why.
   * @param cause What went wrong.
   */
  forsake(connection: C, reason: Exclude<ReopenReason, "worn">, cause: unknown): void {
    if (this.#physical.connection !== connection) return;
    this.#reason = reason;
    this.#lossCause = cause;
    this.#physical.forsake(connection);
    this.#breakTransaction(cause);
    if (reason !== "doubt") this.#options.onLost?.(cause);
  }

  /** What the connection is doing, or what became of its transaction. */
  get status(): ConnectionStatus {
    if (this.#broken !== undefined) return "failed";
    const { connection } = this.#physical;
    return connection === undefined ? "idle" : this.#driver.status(connection);
  }

  /** What broke the connection before the present one. */
  get lossCause(): unknown {
    return this.#lossCause;
  }

  // Turns

  /** Whether a transaction by hand is open. */
  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  /** Since when a unit of work waits that begins now. */
  ticket(): Ticket {
    return this.#reopening.ticket();
  }

  /**
   * Waits for the turn.
   *
   * @param limit Ends the wait.
   */
  async enter(limit: Limit): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed();
    if (limit.reached) throw limit.error("not-applied");
    if (!this.#turns.tryTake()) {
      try {
        await this.#turns.take(limit.signal);
      } catch (error) {
        throw limit.reached ? limit.error("not-applied") : error;
      }
    }
  }

  /** The unit of work is over: passes the turn on, as soon as the connection is quiet. */
  leave(): void {
    // A cancel that is still on its way must strike nothing else.
    if (this.#cancelling !== undefined) return void this.#cancelling.then(() => this.leave());
    const { connection } = this.#physical;
    if (connection === undefined) return this.#turns.pass();
    const status = this.#driver.status(connection);
    if (status !== "busy") return this.#leave(connection, status);
    void this.quiet(connection).then((status) => this.#leave(connection, status));
  }

  #leave(connection: C, status: ConnectionStatus): void {
    if (this.#physical.connection === connection) {
      if (status === "busy" || status === "unknown") {
        this.forsake(connection, "doubt", new Error(`the connection was left ${status}`));
      } else {
        this.#inTransaction = isOpen(status);
        this.#markUnused();
        if (status === "idle") this.#renewIfWorn();
      }
    }
    this.#turns.pass();
  }

  /**
   * Waits until all that is in flight is answered.
   *
   * @param connection The present connection.
   * @returns What it is doing then; `"busy"` if it does not come to an end.
   */
  async quiet(connection: C): Promise<ConnectionStatus> {
    const result = await this.#physical.check(this.#options.checkTimeoutMs);
    return result === "dead" ? "busy" : this.#driver.status(connection);
  }

  #markUnused(): void {
    const { clock, check, checkAfterIdleMs } = this.#options;
    if (check === "never" || checkAfterIdleMs === 0) return;
    this.#unusedSince = clock.now();
    this.#unusedSinceWall = clock.wallNow();
  }

  // The way to a connection

  /**
   * Gives a unit of work its connection: the present one if it is in order, else another.
   *
   * @param passage What asks.
   * @returns The connection.
   */
  async ready(passage: Passage): Promise<C> {
    const { limit } = passage;
    try {
      if (this.#cancelling !== undefined) await limit.race(this.#cancelling);
      this.throwIfBroken();
      const connection = await this.#present(passage);
      return connection ?? await this.#reopening.open(passage.ticket, limit.signal);
    } catch (error) {
      throw limit.reached ? limit.error("not-applied") : error;
    }
  }

  /** @throws If the transaction by hand is gone, until its owner rolls back. */
  throwIfBroken(): void {
    const broken = this.#broken;
    if (broken === undefined) return;
    if (!broken.atCommit) throw rolledBackError(broken.cause);
    throw transactionError(
      "TRANSACTION_FAILED",
      "Cannot use the connection as the transaction's commit failed: roll back first",
      "not-applied",
      broken.cause,
    );
  }

  /** The present connection, if it can be used. */
  async #present({ kind, limit }: Passage): Promise<C | undefined> {
    let { connection } = this.#physical;
    if (connection === undefined) return undefined;
    let status = this.#driver.status(connection);
    // Somebody uses it who should not any more.
    if (status === "busy") status = await limit.race(this.quiet(connection));
    if (this.#doubted === connection || status === "busy" || status === "unknown") {
      this.forsake(connection, "doubt", new Error("the connection gave no sign of life"));
      this.throwIfBroken();
      return undefined;
    }
    if (status !== "idle") return connection;
    if (this.#bare === connection) await limit.race(this.#setUpAgain(connection));
    this.#renewIfWorn();
    if (this.#renewal !== undefined) await limit.race(this.#renewed(this.#renewal));
    this.#physical.swap();
    connection = this.#physical.connection;
    if (connection === undefined || !this.#isDue(kind)) return connection;
    const result = await limit.race(this.#physical.check(this.#options.checkTimeoutMs));
    if (result !== "sound") this.forsake(connection, "dead", new Error("no sign of life"));
    return this.#physical.connection;
  }

  async #setUpAgain(connection: C): Promise<void> {
    const { session, clock, connectTimeoutMs } = this.#options;
    this.#bare = undefined;
    if (session === undefined) return;
    try {
      await setUpSession(this.#driver, connection, session, {
        clock,
        timeoutMs: connectTimeoutMs,
        signal: new AbortController().signal,
        isLost: () => this.#physical.connection !== connection,
      });
    } catch (error) {
      this.forsake(connection, "doubt", error);
      throw error;
    }
  }

  #isDue(kind: WorkKind): boolean {
    const { clock, check, checkAfterIdleMs } = this.#options;
    if (!CHECKED[check].has(kind)) return false;
    if (checkAfterIdleMs === 0) return true;
    if (checkAfterIdleMs === Infinity) return false;
    return clock.now() - this.#unusedSince >= checkAfterIdleMs ||
      clock.wallNow() - this.#unusedSinceWall >= checkAfterIdleMs;
  }

  /** A connection that is lost as it arrives counts as one that could not be opened. */
  async #openSound(signal: AbortSignal | undefined): Promise<C> {
    const connection = await this.#physical.open(signal);
    if (this.#physical.connection === connection) return connection;
    throw new Error("the connection was lost at once");
  }

  // Wear

  /** Begins to replace a worn connection; the old one stays until the new one is there, and nobody uses it. */
  #renewIfWorn(): void {
    const { clock } = this.#options;
    if (this.#renewal !== undefined || this.#physical.hasSpare || this.#closed) return;
    // Never more than two connections at a time.
    if (this.#physical.isLeaving) return;
    if (this.#physical.wear?.worn !== true || clock.now() < this.#renewAfter) return;
    this.#renewal = this.#physical.renew().then(
      () => this.#reason = "worn",
      () => {
        this.#renewAfter = clock.now() + RENEWAL_PAUSE_MS;
      },
    ).then(() => {
      this.#renewal = undefined;
      this.#swapIfUnused();
    });
  }

  #swapIfUnused(): void {
    // Between the units of a transaction by hand nobody has the turn, and all the same its connection must stay.
    if (!this.#physical.hasSpare || this.status !== "idle" || !this.#turns.tryTake()) return;
    this.#physical.swap();
    this.#turns.pass();
  }

  /** Waits for a renewal, but not for long: the old connection is as good as it was. */
  #renewed(renewal: Promise<void>): Promise<void> {
    return withDeadline(() => renewal, {
      clock: this.#options.clock,
      timeoutMs: RENEWAL_GRACE_MS,
      timeoutError: () => new Error("renewal takes long"),
    }).catch(() => {});
  }

  // Work

  /**
   * Does a unit of work, and does it again if its connection is lost and that is safe.
   *
   * @param passage Its way to a connection.
   * @param fn The work.
   * @param idempotent Whether it may be done twice.
   * @returns What it returns.
   */
  async run<R>(
    passage: Passage,
    fn: (connection: C) => R | PromiseLike<R>,
    idempotent: boolean,
  ): Promise<R> {
    const { limit } = passage;
    /** How the first attempt ended, or the first that may have had an effect. */
    let before: { readonly error: unknown; readonly mayBeDone: boolean } | undefined;
    for (let repeats = 0;; repeats++) {
      let connection: C;
      try {
        connection = await this.ready(passage);
      } catch (error) {
        if (before === undefined) throw error;
        if (limit.reached) throw limit.error(before.mayBeDone ? "unknown" : "not-applied");
        throw notReopenedError(before.error, error);
      }
      const inTransaction = isOpen(this.#driver.status(connection));
      const effectsBefore = this.#driver.effects?.(connection);
      this.#physical.countUse();
      try {
        return await limit.race(call(fn, connection));
      } catch (error) {
        if (limit.reached) {
          this.forsake(connection, "doubt", error);
          throw limit.error(inTransaction ? "rolled-back" : "unknown");
        }
        if (!this.isLoss(connection, error)) throw error;
        const effects = this.effectsSince(connection, effectsBefore);
        this.forsake(connection, "lost", error);
        if (inTransaction) throw lostInTransaction(error);
        const mayBeDone = effects !== 0;
        if (before === undefined || mayBeDone && !before.mayBeDone) {
          before = { error: lostError(error, effects), mayBeDone };
        }
        if (repeats === MOST_REPEATS || !(idempotent || !mayBeDone)) throw before.error;
      }
    }
  }

  /** Counts a use. */
  countUse(): void {
    this.#physical.countUse();
  }

  /**
   * Tells how many statements may have had an effect since a count was taken.
   *
   * @param connection Where; also one that is lost.
   * @param before The count.
   * @returns How many; `undefined` if the driver cannot tell.
   */
  effectsSince(connection: C, before: number | undefined): number | undefined {
    const now = this.#driver.effects?.(connection);
    return now === undefined || before === undefined ? undefined : now - before;
  }

  /**
   * Tells whether an error means that the connection is gone. A server that still answers contradicts the driver's
   * classes, which also know errors of other connections, and count as unavailable whatever they do not know.
   *
   * @param connection Where the error came up.
   * @param error The error.
   * @returns Whether it does.
   */
  isLoss(connection: C, error: unknown): boolean {
    const { failures } = this.#options;
    if (failures !== undefined) return failures(error);
    const meaning = this.#driver.classify(error);
    if (meaning !== "lost" && meaning !== "unavailable") return false;
    return this.isGone(connection);
  }

  /**
   * Tells whether a connection is lost, or cannot be told from one that is.
   *
   * @param connection The connection.
   * @returns Whether it is not the present one, or answers no more.
   */
  isGone(connection: C): boolean {
    if (this.#physical.connection !== connection) return true;
    const status = this.#driver.status(connection);
    return status === "busy" || status === "unknown";
  }

  /** A transaction by hand is open: if its connection is lost in this very turn, what is run next is lost, too. */
  begun(): void {
    this.#inTransaction = true;
  }

  /**
   * The COMMIT of a transaction by hand failed.
   *
   * @param cause Why.
   */
  commitFailed(cause: unknown): void {
    this.#inTransaction = false;
    this.#broken = { cause, atCommit: true };
  }

  /**
   * The owner of a transaction that is gone takes notice.
   *
   * @returns Whether there was one.
   */
  healed(): boolean {
    const wasBroken = this.#broken !== undefined;
    this.#broken = undefined;
    return wasBroken;
  }

  /**
   * Asks the server for a sign of life, in turn.
   *
   * @param timeoutMs Deadline in milliseconds.
   * @returns Whether it answered and the connection is idle.
   */
  async check(timeoutMs: number): Promise<boolean> {
    return await this.#probe(async () => {
      const result = await this.#physical.check(timeoutMs);
      if (result === "dead") this.#doubted = this.#physical.connection;
      return result;
    });
  }

  /**
   * Cleans the session's state, in turn.
   *
   * @param level How much.
   * @param timeoutMs Deadline in milliseconds.
   * @returns Whether it is clean and idle.
   */
  async reset(level: ResetLevel, timeoutMs: number): Promise<boolean> {
    return await this.#probe(async () => {
      const result = await this.#physical.reset(level, timeoutMs);
      const { connection } = this.#physical;
      if (result !== "sound") this.#doubted = connection;
      else {
        this.#inTransaction = false;
        if (level === "session" || level === "discard") this.#bare = connection;
      }
      return result;
    });
  }

  async #probe(probe: () => Promise<ProbeResult>): Promise<boolean> {
    if (!this.#turns.tryTake()) {
      try {
        await this.#turns.take();
      } catch {
        return false;
      }
    }
    try {
      return await probe() === "sound";
    } finally {
      this.#turns.pass();
    }
  }

  // Cancelling, closing

  /**
   * Cancels what is executed now. Nothing else is sent before the server has taken notice.
   *
   * @param signal Ends the wait.
   */
  cancel(signal: AbortSignal | undefined): Promise<void> {
    const { connection } = this.#physical;
    if (connection === undefined || this.#driver.status(connection) !== "busy") {
      return Promise.resolve();
    }
    if (this.#cancelling === undefined) {
      const cancelling = this.#cancel(connection);
      const over: Promise<void> = cancelling.catch(() => {}).then(() => {
        this.#cancelling = undefined;
      });
      this.#cancelling = over;
      return abortable(cancelling, signal);
    }
    return abortable(this.#cancelling, signal);
  }

  async #cancel(connection: C): Promise<void> {
    try {
      await withDeadline((signal) => this.#driver.cancel(connection, { signal }), {
        clock: this.#options.clock,
        timeoutMs: CANCEL_TIMEOUT_MS,
        timeoutError: () =>
          new SteadyError(
            "CANCEL_TIMEOUT",
            `Cannot cancel as the server took no notice within ${CANCEL_TIMEOUT_MS} ms: the connection was closed`,
            { outcome: "unknown", retryable: false },
          ),
      });
    } catch (error) {
      // Whether the cancel is still on its way nobody knows: it must not strike what comes next.
      this.forsake(connection, "doubt", error);
      throw error;
    }
  }

  /** Whether somebody works. */
  get isWorking(): boolean {
    return this.#turns.taken;
  }

  /** Nobody may begin any more; who waits is sent away. */
  refuseAll(): void {
    const makeError = (): Error =>
      new LeaseReleasedError("Cannot use the connection as it was closed");
    this.#closed ??= makeError;
    this.#turns.refuse(makeError);
    this.#reopening.stop(makeError);
  }

  /**
   * Waits until nobody works.
   *
   * @param timeoutMs For how long, in milliseconds.
   */
  async rest(timeoutMs: number): Promise<void> {
    const { clock } = this.#options;
    await withDeadline((signal) => this.#turns.take(signal), {
      clock,
      timeoutMs,
      timeoutError: () => new Error(`work goes on after ${timeoutMs} ms`),
    }).catch(() => {});
  }
}

/**
 * Tells whether a transaction is open.
 *
 * @param status The server's word.
 * @returns Whether one is.
 */
export function isOpen(status: ConnectionStatus): boolean {
  return status === "in transaction" || status === "failed";
}

/** Calls a function whose throw is a rejection. */
export async function call<C, R>(
  fn: (connection: C) => R | PromiseLike<R>,
  connection: C,
): Promise<R> {
  return await fn(connection);
}
