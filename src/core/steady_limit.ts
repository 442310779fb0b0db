/**
 * How long one unit of work may take: its caller's signal and deadline.
 *
 * @module
 */

import { abortable } from "./abortable.ts";
import type { Clock, Timer } from "./clock.ts";
import { type Outcome, StatementTimeoutError } from "./errors.ts";
import { checkDuration, checkSignal } from "./validate.ts";

/** What a caller may limit a unit of work by. */
export interface LimitOptions {
  /** Ends the unit of work; the rejection is the signal's own reason. */
  readonly signal?: AbortSignal;
  /** Deadline of the whole unit of work in milliseconds, from the call; greater than 0, `Infinity` allowed. */
  readonly timeoutMs?: number;
}

/** The limit of one unit of work, which begins now. */
export class Limit {
  readonly #timeoutMs: number;
  readonly #outer: AbortSignal | undefined;
  readonly #controller: AbortController | undefined;
  readonly #timer: Timer | undefined;
  readonly #onAbort: (() => void) | undefined;
  #timedOut = false;

  /**
   * @param action What is being done, for messages.
   * @param clock Source of timers.
   * @param options The caller's signal and deadline.
   * @throws {TypeError} If one of them has the wrong type.
   * @throws {RangeError} If the deadline is out of range.
   */
  constructor(action: string, clock: Clock, options: LimitOptions) {
    const outer = this.#outer = checkSignal(action, options.signal);
    const timeoutMs = this.#timeoutMs = options.timeoutMs === undefined
      ? Infinity
      : checkDuration(action, "timeoutMs", options.timeoutMs, { zero: false, infinity: true });
    if (outer === undefined && timeoutMs === Infinity) return;
    const controller = this.#controller = new AbortController();
    if (outer?.aborted) controller.abort(outer.reason);
    else if (outer !== undefined) {
      this.#onAbort = () => controller.abort(outer.reason);
      outer.addEventListener("abort", this.#onAbort, { once: true });
    }
    if (timeoutMs !== Infinity && !controller.signal.aborted) {
      this.#timer = clock.schedule(timeoutMs, () => {
        if (controller.signal.aborted) return;
        this.#timedOut = true;
        controller.abort(new StatementTimeoutError(timeoutMs, "not-applied"));
      });
    }
  }

  /** Aborts at the limit; `undefined` if there is none. */
  get signal(): AbortSignal | undefined {
    return this.#controller?.signal;
  }

  /** Whether the limit was reached. */
  get reached(): boolean {
    return this.#controller?.signal.aborted ?? false;
  }

  /**
   * Makes the error for a limit that was reached.
   *
   * @param outcome What is known of the work.
   * @returns The signal's own reason, or an error that names the deadline.
   */
  error(outcome: Outcome): unknown {
    return this.#timedOut
      ? new StatementTimeoutError(this.#timeoutMs, outcome)
      : this.#controller?.signal.reason;
  }

  /**
   * Waits for a promise, or until the limit.
   *
   * @param promise What to wait for; it goes on in any case.
   * @returns Its result.
   */
  race<T>(promise: Promise<T>): Promise<T> {
    return abortable(promise, this.signal);
  }

  /** The unit of work is over. */
  end(): void {
    this.#timer?.cancel();
    if (this.#onAbort !== undefined) this.#outer?.removeEventListener("abort", this.#onAbort);
  }
}
