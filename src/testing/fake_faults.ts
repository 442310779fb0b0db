/**
 * What goes wrong at the fake server, how often.
 *
 * @module
 */

/** Operations that can be made to go wrong. */
export type FakeOperation =
  | "connect"
  | "close"
  | "ping"
  | "reset"
  | "execute"
  | "cancel"
  | "statement";

/**
 * When a connection breaks under a statement: before anything of it was sent; when it was sent and not executed; when
 * it was executed and the answer is lost.
 */
export type BreakPoint = "before send" | "after send" | "after apply";

/** What goes wrong. */
export type Fault =
  | { readonly kind: "refuse"; readonly error: Error }
  | { readonly kind: "delay"; readonly delayMs: number }
  | { readonly kind: "hold" }
  | { readonly kind: "break"; readonly point: BreakPoint };

/** A call that got no answer yet, because of `FakeDriver.hold`. */
export interface HeldCall {
  /** What was called. */
  readonly operation: FakeOperation;
  /** Id of the connection; 0 for a connect. */
  readonly connection: number;
  /** Answers it after all; does nothing when the caller's side is gone. */
  answer(): void;
  /**
   * Refuses it after all.
   *
   * @param error Why; by default the server cannot be had, or refuses the statement.
   */
  refuse(error?: Error): void;
}

interface PlannedFault {
  readonly fault: Fault;
  left: number;
}

/** Faults in the order they were asked for, per operation. */
export class FaultPlan {
  readonly #planned = new Map<FakeOperation, PlannedFault[]>();

  /**
   * Plans a fault after those already planned.
   *
   * @param operation For what.
   * @param fault What goes wrong.
   * @param times How often; `Infinity` until cleared.
   */
  add(operation: FakeOperation, fault: Fault, times: number): void {
    const list = this.#planned.get(operation);
    if (list === undefined) this.#planned.set(operation, [{ fault, left: times }]);
    else list.push({ fault, left: times });
  }

  /**
   * Takes the fault that the next call meets.
   *
   * @param operation What is called.
   * @returns The fault; `undefined` if all goes well.
   */
  next(operation: FakeOperation): Fault | undefined {
    const list = this.#planned.get(operation);
    const planned = list?.[0];
    if (list === undefined || planned === undefined) return undefined;
    if (--planned.left <= 0) list.shift();
    return planned.fault;
  }

  /**
   * Forgets what was planned.
   *
   * @param operation For what; for everything when not given.
   */
  clear(operation?: FakeOperation): void {
    if (operation === undefined) this.#planned.clear();
    else this.#planned.delete(operation);
  }
}
