/**
 * A queued acquire.
 *
 * @module
 */

import type { Lease } from "./lease.ts";
import type { Site } from "./site.ts";
import { EXCLUSIVE, type Wish } from "./wish.ts";

/** Takes a waiter whose signal aborted out of its queue. */
export interface WaiterHome<C> {
  /**
   * The waiter's signal aborted.
   *
   * @param waiter The waiter; still queued.
   * @param reason The signal's reason.
   */
  aborted(waiter: Waiter<C>, reason: unknown): void;
}

/**
 * A queued acquire: a node of the queue, an entry of the deadlines, and the listener of its own signal, in one object
 * because a hundred thousand of them may wait.
 */
export class Waiter<C> {
  /** Receives the lease. Exactly one of `lent` and `refused` is called, once, synchronously. */
  declare readonly lent: (lease: Lease<C>) => void;
  /** Receives the reason why there is none. */
  declare readonly refused: (error: unknown) => void;
  /** Length of its deadline in milliseconds from the call; `Infinity` for none; 0 for one that must not queue. */
  declare readonly timeoutMs: number;
  /** When its deadline passes, in the clock's monotonic time; `Infinity` for none. */
  declare readonly deadline: number;
  /** What it wants. */
  declare readonly wish: Wish;
  /** Since when it waits, in the clock's monotonic time. */
  declare readonly since: number;
  /** Where the acquire was made, if that is known. */
  declare readonly site: Site | undefined;
  /** Its neighbours in its line: who is served before, and who after. */
  declare previous: Waiter<C> | undefined;
  declare next: Waiter<C> | undefined;
  /** Place in the heap of deadlines that are out of order; -1 when not there. */
  declare heapIndex: number;

  constructor(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    timeoutMs: number,
    deadline: number,
    wish = EXCLUSIVE,
    since = 0,
    site: Site | undefined = undefined,
  ) {
    // First what is looked at when it is served, so that it lies together.
    this.next = undefined;
    this.previous = undefined;
    this.lent = lent;
    this.wish = wish;
    this.since = since;
    this.heapIndex = -1;
    this.site = site;
    this.deadline = deadline;
    this.timeoutMs = timeoutMs;
    this.refused = refused;
  }
}

/** A waiter with a signal. A class of its own, so that the many without do not pay for it in memory. */
export class ListeningWaiter<C> extends Waiter<C> {
  #home: WaiterHome<C> | undefined = undefined;
  /** What it listens to. */
  signal: AbortSignal | undefined = undefined;

  /**
   * Listens to a signal until {@linkcode ListeningWaiter.deafen}.
   *
   * @param signal The caller's signal.
   * @param home Told when it aborts.
   */
  listen(signal: AbortSignal, home: WaiterHome<C>): void {
    this.signal = signal;
    this.#home = home;
    signal.addEventListener("abort", this, { once: true });
  }

  /** Stops listening: a long-lived signal must not hold on to waiters that are served. */
  deafen(): void {
    if (this.signal === undefined) return;
    this.signal.removeEventListener("abort", this);
    this.signal = undefined;
  }

  /** The signal aborted. */
  handleEvent(): void {
    this.#home?.aborted(this, this.signal?.reason);
  }
}
