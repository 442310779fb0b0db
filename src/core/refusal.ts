/**
 * Why an acquire gets no connection.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import { connectError } from "./connect_failure.ts";
import {
  AcquireTimeoutError,
  type ConnectError,
  TooManyConnectionsError,
  TooManyWaitersError,
} from "./errors.ts";
import type { ResolvedPoolOptions } from "./options.ts";
import type { Events } from "./observer.ts";
import type { Outage } from "./outage.ts";
import { tellRefused } from "./refusal_reason.ts";
import type { ServiceRate } from "./service_rate.ts";
import type { Slot } from "./slot.ts";
import { describeStats, type PoolStats } from "./stats.ts";
import type { Waiter } from "./waiter.ts";
import type { WaiterQueue } from "./waiter_queue.ts";
import type { Wish } from "./wish.ts";

/** What decides who may wait. */
export interface RefusalParts<C> {
  /** Limits, and whether anybody waits for a server that cannot be had. */
  readonly options: Pick<ResolvedPoolOptions, "max" | "maxWaiters" | "reserved" | "unavailable">;
  /** The books. */
  readonly bag: Pick<Bag<C>, "slots" | "counts" | "total" | "usedHigh">;
  /** Who waits. */
  readonly queue: Pick<WaiterQueue<C>, "head" | "has" | "high" | "size">;
  /** Tells how long a newcomer will wait, if that may be a reason. */
  readonly rate: Pick<ServiceRate, "tooLongMs"> | undefined;
  /** Whether the server can be had. */
  readonly outage: Pick<Outage, "on" | "error" | "mayTry">;
  /** Whether a connection may be lent again at all. */
  readonly isLendable: (slot: Slot<C>) => boolean;
  /** Ends somebody's wait. */
  readonly leave: (waiter: Waiter<C>) => void;
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** The pool's counts. */
  readonly stats: () => PoolStats;
}

/** Decides who is let into the queue, and who has to leave it because a connect failed. */
export class Refusal<C> {
  readonly #parts: RefusalParts<C>;

  /** @param parts What decides who may wait. */
  constructor(parts: RefusalParts<C>) {
    this.#parts = parts;
  }

  /**
   * Tells why a new waiter is not let in.
   *
   * @param timeoutMs Its deadline, in milliseconds from now; 0 if it must not queue.
   * @param wish What it wants.
   * @returns The error; `undefined` if it may wait.
   */
  ofNewcomer(timeoutMs: number, wish: Wish): Error | undefined {
    if (this.#isHopeless()) return this.#unavailable();
    const { options, bag, outage, stats } = this.#parts;
    if (timeoutMs === 0) {
      if (this.#ahead(wish) < this.#coming(wish)) return undefined;
      return outage.on && bag.total < options.max
        ? this.#unavailable()
        : new TooManyConnectionsError(stats());
    }
    if (options.maxWaiters !== Infinity && this.#isFull(wish)) {
      return new TooManyWaitersError(stats());
    }
    return this.#tooLate(timeoutMs, wish);
  }

  /** How many are served before a newcomer. */
  #ahead(wish: Wish): number {
    const { queue } = this.#parts;
    return wish.high ? queue.high : queue.size;
  }

  /** Whether as many wait as may, not counting those for whom a connection comes. */
  #isFull(wish: Wish): boolean {
    const { options, queue } = this.#parts;
    if (this.#ahead(wish) < this.#coming(wish)) return false;
    return queue.size - this.#coming(wish) >= options.maxWaiters;
  }

  /**
   * Connects and checks under way, and those that can be started now: each serves one waiter without queueing. Those
   * that are reserved do not come for everybody.
   */
  #coming(wish: Wish): number {
    const { options, bag, outage } = this.#parts;
    const { connecting, checking, idle, used } = bag.counts;
    const coming = connecting + checking + idle;
    const free = options.max - bag.total;
    const opening = !outage.on ? free : connecting > 0 || !outage.mayTry ? 0 : Math.min(1, free);
    if (options.reserved === 0 || wish.high) return coming + opening;
    const allowed = options.max - options.reserved - (used - bag.usedHigh);
    return Math.min(coming + opening, Math.max(0, allowed));
  }

  /** Whether a newcomer would surely wait in vain, where that is told at once. */
  #tooLate(timeoutMs: number, wish: Wish): AcquireTimeoutError | undefined {
    const { rate, stats } = this.#parts;
    const waitMs = rate?.tooLongMs(this.#ahead(wish), timeoutMs);
    if (waitMs === undefined) return undefined;
    const counts = stats();
    const message =
      `Cannot acquire a connection within ${timeoutMs} ms as it would have to wait about ${waitMs} ms in the ` +
      `queue: ${describeStats(counts)}`;
    return new AcquireTimeoutError("queue", timeoutMs, counts, undefined, message);
  }

  /**
   * A connect failed in vain: the next would fail alike.
   *
   * @param error Why.
   */
  rejected(error: unknown): void {
    this.#refuse(() => true, error, false);
  }

  /**
   * A connect failed: refuses who must not queue, and all for whom no connection is left, if that is wanted.
   *
   * @param error Why.
   */
  failed(error: unknown): void {
    this.#refuse((waiter) => waiter.timeoutMs === 0, error, true);
    if (this.#failsFast()) this.#refuseUnavailable();
  }

  /** A connection is gone: refuses all for whom none is left, if that is wanted. */
  lost(): void {
    if (this.#parts.queue.size > 0 && this.#isHopeless()) this.#refuseUnavailable();
  }

  /** Whether nobody waits for a server that cannot be had, if that is wanted and so. */
  #isHopeless(): boolean {
    if (!this.#failsFast()) return false;
    const { options, bag, outage } = this.#parts;
    // Whoever comes first after the pause waits for the attempt that is due.
    return bag.counts.connecting > 0 || !outage.mayTry || bag.total >= options.max;
  }

  /** Whether waiting is no use: the server cannot be had, and no connection is left that may be lent again. */
  #failsFast(): boolean {
    const { options, bag, outage, isLendable } = this.#parts;
    if (options.unavailable === "wait" || !outage.on) return false;
    for (const slot of bag.slots()) {
      if (slot.state === "connecting" || slot.state === "closing") continue;
      if (isLendable(slot)) return false;
    }
    return true;
  }

  #unavailable(): ConnectError {
    const { outage, stats } = this.#parts;
    return connectError(outage.error, true, stats());
  }

  /** Nothing is left that could come back: only who waits for a connect that is under way waits on. */
  #refuseUnavailable(): void {
    const { bag, outage } = this.#parts;
    let trials = bag.counts.connecting;
    this.#refuse(() => trials-- <= 0, outage.error, true);
  }

  /** Rejects waiters because of a failed connect; each gets an error object of its own. */
  #refuse(which: (waiter: Waiter<C>) => boolean, cause: unknown, retryable: boolean): void {
    const { queue, leave, events, stats } = this.#parts;
    const concerned: Waiter<C>[] = [];
    for (let waiter = queue.head; waiter !== undefined; waiter = waiter.next) {
      if (which(waiter)) concerned.push(waiter);
    }
    for (const waiter of concerned) {
      // The callbacks before may have ended its wait.
      if (!queue.has(waiter)) continue;
      leave(waiter);
      const error = connectError(cause, retryable, stats());
      tellRefused(events, error, waiter.site);
      waiter.refused(error);
    }
  }
}
