/**
 * Signal and deadline of single statements.
 *
 * @module
 */

import type { Clock, Timer } from "../../core/clock.ts";
import type { Statement } from "./statement.ts";

/**
 * Whether a statement whose connection was lost is sent again, on another: `"safe"`: if it provably had no effect, or is
 * declared `idempotent`; `"always"`: also if it may have been executed, **so that it can write twice** (what DBUtils does,
 * C-11…C-15); `"never"`. Cursors, `forEach` and streams that were sent are never sent again, nor is anything in a lease or a
 * transaction.
 */
export type Replay = "safe" | "always" | "never";

/** Options that a view made by `with` gives to each of its statements. */
export interface StatementOptions {
  /**
   * Gives the statement up; the rejection is the signal's own reason. Waiting, it is taken out of the queue; sent, the server
   * is asked to cancel it, and if it does not in time, the connection is closed.
   */
  readonly signal?: AbortSignal;
  /**
   * Deadline of the statement in milliseconds from the call, the wait for a connection included; greater than 0. A
   * statement that was sent is cancelled then, and has one more second to settle: with its result, should that have come in
   * the last moment, else with a `StatementTimeoutError` that says what is known of it.
   *
   * A transaction of the view has to have begun by then, and has as long for its COMMIT, whose connection is closed then; what
   * became of it is asked for as `commitResolution` says.
   *
   * @default {none of its own; acquireTimeoutMs bounds the wait}
   */
  readonly timeoutMs?: number;
  /**
   * Declares that to execute a statement twice is the same as to execute it once, so that it is sent again when its
   * connection was lost and nobody knows whether it was executed.
   *
   * @default {false}
   */
  readonly idempotent?: boolean;
  /**
   * Whether a statement whose connection was lost is sent again.
   *
   * @default {that of the pool}
   */
  readonly replay?: Replay;
}

/** Checked options, and what keeps the time. */
export interface StatementLimits extends StatementOptions {
  /** Source of timers. */
  readonly clock: Clock;
}

/** Watches over one statement until it ends. */
export class Watch {
  readonly #statement: Statement;
  readonly #limits: StatementLimits;
  #timer: Timer | undefined;

  constructor(statement: Statement, limits: StatementLimits) {
    this.#statement = statement;
    this.#limits = limits;
    limits.signal?.addEventListener("abort", this, { once: true });
  }

  /** The signal aborted. */
  handleEvent(): void {
    this.#statement.giveUp(this.#limits.signal?.reason);
  }

  /**
   * Starts the deadline; does nothing if it has begun.
   *
   * @param elapsedMs How much of it is gone already.
   */
  startTimer(elapsedMs = 0): void {
    const { timeoutMs, clock } = this.#limits;
    if (timeoutMs === undefined || timeoutMs === Infinity || this.#timer !== undefined) return;
    this.#timer = clock.schedule(
      Math.max(0, timeoutMs - elapsedMs),
      () => this.#statement.timeOut(timeoutMs),
    );
  }

  /** The statement is over. */
  stop(): void {
    this.#timer?.cancel();
    this.#limits.signal?.removeEventListener("abort", this);
  }
}

/**
 * Puts a statement under its limits.
 *
 * @param statement Not yet sent.
 * @param limits Signal and deadline, if there are any.
 * @returns Whether it may be sent; `false` if its signal had aborted before, and it is over.
 */
export function watch(statement: Statement, limits: StatementLimits | undefined): boolean {
  if (limits === undefined) return true;
  if (limits.signal === undefined && limits.timeoutMs === undefined) return true;
  if (limits.signal?.aborted) {
    statement.reject(limits.signal.reason);
    statement.end();
    return false;
  }
  statement.watch = new Watch(statement, limits);
  return true;
}
