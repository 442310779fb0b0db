/**
 * One use of a scope's connection: from when it is asked for until it is over.
 *
 * @module
 */

import type { Clock, Timer } from "./clock.ts";
import type { Lease } from "./lease.ts";
import type { Asker } from "./nesting.ts";
import type { Place, ScopeLine } from "./scope_line.ts";

/** What wants a scope's connection. */
export interface VisitRequest<C> {
  /** Whether nothing else of the scope may use the connection at the same time. */
  readonly alone: boolean;
  /** Whether it is served also when the scope has ended since it was asked for, as a single statement is. */
  readonly outlasts?: boolean;
  /** Ends the wait; the rejection is its own reason. */
  readonly signal?: AbortSignal | null | undefined;
  /** Deadline of the wait, in milliseconds; the scope's, for the wait in line alone, when not given. */
  readonly timeoutMs?: number | undefined;
  /** What it calls itself, for people. */
  readonly label?: string | undefined;
  /**
   * It has the connection.
   *
   * @param lease The scope's.
   * @param visit Has to be left when it is over.
   */
  served(lease: Lease<C>, visit: Visit<C>): void;
  /**
   * It does not get the connection.
   *
   * @param error Why.
   */
  refused(error: unknown): void;
}

/** The scope, as its visits see it. */
export interface VisitHome<C> {
  /** Source of timers. */
  readonly clock: Clock;
  /** It is a visit's turn. */
  entered(visit: Visit<C>): void;
  /** A visit waits no more. */
  gaveUp(visit: Visit<C>): void;
  /** A visit that had the connection is over. */
  left(visit: Visit<C>): void;
  /** Makes the error of a deadline that passed. */
  timeoutError(timeoutMs: number, label?: string): Error;
}

/** How far a visit is: in line, waiting for the scope's connection to be opened, using it, over. */
export type VisitState = "in line" | "opening" | "using" | "over";

/** One use of a scope's connection. */
export class Visit<C> implements Place {
  readonly #home: VisitHome<C>;
  readonly #request: VisitRequest<C>;
  #timer: Timer | undefined;
  /** Where it stands in line. */
  readonly line: ScopeLine;
  /** Whether that is the scope's own line, and not that within a callback. */
  readonly isOutermost: boolean;
  state: VisitState = "in line";
  /** In whose callback it was asked for, if it had to wait. */
  asker: Asker<C> | undefined = undefined;
  /** Whether a transaction by hand was open when it began. */
  beganInside = false;

  constructor(
    home: VisitHome<C>,
    request: VisitRequest<C>,
    line: ScopeLine,
    isOutermost: boolean,
  ) {
    this.#home = home;
    this.#request = request;
    this.line = line;
    this.isOutermost = isOutermost;
  }

  /** Whether it is served also when the scope has ended. */
  get outlasts(): boolean {
    return this.#request.outlasts ?? false;
  }

  get alone(): boolean {
    return this.#request.alone;
  }

  /**
   * Tells how long the wait for the connection may last that begins for it: never less than by default, as others may come
   * to wait for the same.
   *
   * @param defaultMs Deadline where it has none of its own, in milliseconds.
   * @returns Milliseconds; `undefined` for the default.
   */
  patienceMs(defaultMs: number): number | undefined {
    const { timeoutMs } = this.#request;
    return timeoutMs !== undefined && timeoutMs > defaultMs ? timeoutMs : undefined;
  }

  /**
   * It has to wait.
   *
   * @param defaultMs Deadline where it has none of its own, in milliseconds.
   */
  waits(defaultMs: number): void {
    const { signal, timeoutMs = defaultMs } = this.#request;
    signal?.addEventListener("abort", this, { once: true });
    if (timeoutMs === Infinity || this.#timer !== undefined) return;
    this.#timer = this.#home.clock.schedule(timeoutMs, () => {
      this.refuse(this.#home.timeoutError(timeoutMs, this.#request.label));
    });
  }

  /** It has its turn, and waits for the connection to be opened. */
  waitsForConnection(): void {
    if (this.#request.timeoutMs === 0) this.refuse(this.#home.timeoutError(0));
    else this.waits(Infinity);
  }

  /** The signal aborted. */
  handleEvent(): void {
    this.refuse(this.#request.signal?.reason);
  }

  serve(): void {
    // The wait for the connection has the pool's deadline, unless there is one for both.
    if (this.#request.timeoutMs === undefined) this.#stopTimer();
    this.#home.entered(this);
  }

  /**
   * It has the connection.
   *
   * @param lease The scope's.
   */
  start(lease: Lease<C>): void {
    this.state = "using";
    this.#stopWaiting();
    this.#request.served(lease, this);
  }

  /**
   * It does not get the connection; does nothing if it has it already, or is over.
   *
   * @param error Why.
   */
  refuse(error: unknown): void {
    if (this.state === "using" || this.state === "over") return;
    this.leave();
    this.#request.refused(error);
  }

  /** It is over, or waits no more. Idempotent. */
  leave(): void {
    const { state } = this;
    if (state === "over") return;
    if (state === "using") {
      this.state = "over";
      return this.#home.left(this);
    }
    this.#stopWaiting();
    this.#home.gaveUp(this);
    this.state = "over";
  }

  #stopWaiting(): void {
    this.#stopTimer();
    this.#request.signal?.removeEventListener("abort", this);
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
