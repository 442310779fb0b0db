/**
 * One call on a fake connection's wire.
 *
 * @module
 */

import type { Evidence } from "../core/driver.ts";
import type { FakeOperation } from "./fake_faults.ts";
import type { Execution } from "./fake_session.ts";

/** One call on the wire: what is asked for, how far it got, and who waits for the answer. */
export class WireCall {
  /** What is called. */
  readonly operation: FakeOperation;
  /** The statement; empty for other operations. */
  readonly text: string;
  /** What the server does when the call arrives. */
  readonly execute: () => Execution;
  /** Settled by {@linkcode WireCall.settle}, or by the caller's signal. */
  readonly promise: Promise<string>;
  /** How far it got. */
  evidence: Evidence = "unsent";
  #resolve: (value: string) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #deafen: (() => void) | undefined;

  constructor(operation: FakeOperation, text: string, execute: () => Execution) {
    this.operation = operation;
    this.text = text;
    this.execute = execute;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /**
   * Ends the wait when the caller's signal aborts.
   *
   * @param signal The signal.
   * @param aborted Called before the rejection.
   */
  listen(signal: AbortSignal, aborted: () => void): void {
    const onAbort = (): void => {
      aborted();
      this.settle(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#deafen = () => signal.removeEventListener("abort", onAbort);
  }

  /**
   * Ends the wait; does nothing when it ended before.
   *
   * @param error Why it failed; `undefined` if it did not.
   * @param value The answer.
   */
  settle(error: unknown, value = ""): void {
    this.#deafen?.();
    this.#deafen = undefined;
    if (error === undefined) this.#resolve(value);
    else this.#reject(error);
  }
}
