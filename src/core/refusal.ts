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
import type { Readiness } from "./readiness.ts";
import { tellRefused } from "./refusal_reason.ts";
import type { ServiceRate } from "./service_rate.ts";
import type { Sizes } from "./sizing.ts";
import type { Slot } from "./slot.ts";
import { describeStats, type PoolCounts } from "./stats.ts";
import type { Waiter } from "./waiter.ts";
import type { WaiterQueue } from "./waiter_queue.ts";
import type { Wish } from "./wish.ts";

/** What decides who may wait. */
export interface RefusalParts<C> {
  /** How many may wait, and whether anybody does for a server that cannot be had. */
  readonly options: Pick<ResolvedPoolOptions, "maxWaiters" | "unavailable">;
  /** How many connections there may be. */
  readonly sizes: Pick<Sizes, "max" | "reserved">;
  /** How many connects could be started now. */
  readonly room: () => number;
  /** Whether nothing is lent for the time being. */
  readonly suspension: { readonly on: boolean };
  /** Who waits for the pool to be ready. */
  readonly readiness: Pick<Readiness<C>, "refuse">;
  /** The books. */
  readonly bag: Pick<Bag<C>, "slots" | "counts" | "coming" | "idleOf" | "total" | "usedHigh">;
  /** Who waits. */
  readonly queue: Pick<WaiterQueue<C>, "all" | "has" | "line" | "size">;
  /** How many more connections may be shared, and how many that are have been asked for a sign of life. */
  readonly commons: { readonly free: number; readonly asking: number };
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
  readonly stats: () => PoolCounts;
}

/** Whether read-only: both kinds of connections. */
const KINDS = [false, true] as const;

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
    if (this.#isHopeless(wish.reader)) return this.#unavailable();
    const { options, sizes, bag, outage, suspension, stats } = this.#parts;
    if (timeoutMs === 0) {
      if (this.#ahead(wish) < this.#coming(wish)) return undefined;
      return outage.on && bag.total < sizes.max && !suspension.on
        ? this.#unavailable()
        : new TooManyConnectionsError(stats());
    }
    if (options.maxWaiters !== Infinity && this.#isFull(wish)) {
      return new TooManyWaitersError(stats());
    }
    return this.#tooLate(timeoutMs, wish);
  }

  /** How many connections go to others before a newcomer has one: those who share need few. */
  #ahead(wish: Wish): number {
    const { queue, commons } = this.#parts;
    const { size, high, shared } = queue.line(wish.reader);
    if (wish.high) return high;
    if (shared === 0) return size;
    return size - shared + (wish.use === "shared" ? 0 : Math.min(shared, commons.free));
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
    const { sizes, bag, commons, room, outage, suspension } = this.#parts;
    if (suspension.on) return 0;
    // One of those that are shared is being asked for a sign of life; who wants one alone and waits before gets none of it.
    const shared = wish.use === "shared" && commons.free === 0 ? 1 : 0;
    const { connecting, used } = bag.counts;
    const coming = bag.coming(wish.reader) + bag.idleOf(wish.reader);
    // Idle ones of the other kind make room.
    const free = room() + bag.idleOf(!wish.reader);
    const opening = !outage.on ? free : connecting > 0 || !outage.mayTry ? 0 : Math.min(1, free);
    if (sizes.reserved === 0 || wish.high) return coming + opening + shared;
    const allowed = sizes.max - sizes.reserved - (used - bag.usedHigh);
    return Math.min(coming + opening, Math.max(0, allowed)) + shared;
  }

  /** Whether a newcomer would surely wait in vain, where that is told at once. */
  #tooLate(timeoutMs: number, wish: Wish): AcquireTimeoutError | undefined {
    const { rate, suspension, stats } = this.#parts;
    if (suspension.on) return undefined;
    const waitMs = rate?.tooLongMs(this.#ahead(wish), timeoutMs);
    if (waitMs === undefined) return undefined;
    const counts = stats();
    const message =
      `Cannot acquire a connection within ${timeoutMs} ms as it would have to wait about ${waitMs} ms in the ` +
      `queue: ${describeStats(counts)}`;
    return new AcquireTimeoutError("queue", timeoutMs, counts, undefined, message);
  }

  /**
   * Tells why waiting for the pool to be ready is no use.
   *
   * @returns The error; `undefined` if it is of use.
   */
  ofReadiness(): Error | undefined {
    return this.#isHopeless(false) ? this.#unavailable() : undefined;
  }

  /**
   * A connect failed in vain: the next would fail alike.
   *
   * @param error Why.
   * @param reader Whether of a read-only connection: those have a login of their own.
   */
  rejected(error: unknown, reader: boolean): void {
    const { readiness, stats } = this.#parts;
    const rejected = (): Error => connectError(error, false, stats());
    if (!reader) readiness.refuse(() => true, rejected);
    this.#refuse(({ wish }) => wish.reader === reader, rejected);
  }

  /**
   * A connect failed: refuses who must not queue, and all for whom no connection is left, if that is wanted.
   *
   * @param error Why.
   */
  failed(error: unknown): void {
    const { readiness, stats } = this.#parts;
    const unavailable = (): Error => connectError(error, true, stats());
    readiness.refuse((timeoutMs) => timeoutMs === 0, unavailable);
    this.#refuse((waiter) => waiter.timeoutMs === 0, unavailable);
    for (const reader of KINDS) if (this.#failsFast(reader)) this.#refuseUnavailable(reader);
  }

  /**
   * All are served who could be: refuses who must not queue and waits to share, if nothing is under way any more. What was may
   * have gone to others, may take no more leases, or has not answered.
   */
  inVain(): void {
    const { bag, commons, stats } = this.#parts;
    const { connecting, checking, closing } = bag.counts;
    if (commons.asking + connecting + checking + closing > 0) return;
    this.#refuse(
      ({ timeoutMs, wish }) => timeoutMs === 0 && wish.use === "shared",
      () => new TooManyConnectionsError(stats()),
    );
  }

  /** Nothing is lent any more for the time being: refuses who must not queue. */
  suspended(): void {
    const { stats } = this.#parts;
    this.#refuse((waiter) => waiter.timeoutMs === 0, () => new TooManyConnectionsError(stats()));
  }

  /** A connection is gone: refuses all for whom none is left, if that is wanted. */
  lost(): void {
    if (this.#parts.queue.size === 0) return;
    for (const reader of KINDS) {
      const { size } = this.#parts.queue.line(reader);
      if (size > 0 && this.#isHopeless(reader)) this.#refuseUnavailable(reader);
    }
  }

  /** Whether nobody waits for a server that cannot be had, if that is wanted and so. */
  #isHopeless(reader: boolean): boolean {
    if (!this.#failsFast(reader)) return false;
    const { sizes, bag, outage } = this.#parts;
    // Whoever comes first after the pause waits for the attempt that is due.
    return bag.counts.connecting > 0 || !outage.mayTry || bag.total >= sizes.max;
  }

  /** Whether waiting is no use: the server cannot be had, and no connection is left that may be lent again. */
  #failsFast(reader: boolean): boolean {
    const { options, bag, outage, isLendable } = this.#parts;
    if (options.unavailable === "wait" || !outage.on) return false;
    for (const slot of bag.slots()) {
      if (slot.state === "connecting" || slot.state === "closing") continue;
      if (slot.reader === reader && isLendable(slot)) return false;
    }
    return true;
  }

  #unavailable(): ConnectError {
    const { outage, stats } = this.#parts;
    return connectError(outage.error, true, stats());
  }

  /** Nothing is left that could come back: only who waits for a connect that is under way waits on. */
  #refuseUnavailable(reader: boolean): void {
    const { bag, readiness } = this.#parts;
    let trials = bag.counts.connecting;
    const unavailable = (): Error => this.#unavailable();
    if (trials === 0 && !reader) readiness.refuse(() => true, unavailable);
    this.#refuse(({ wish }) => wish.reader === reader && trials-- <= 0, unavailable);
  }

  /** Rejects waiters; each gets an error object of its own. */
  #refuse(which: (waiter: Waiter<C>) => boolean, makeError: () => Error): void {
    const { queue, leave, events } = this.#parts;
    for (const waiter of queue.all().filter(which)) {
      // The callbacks before may have ended its wait.
      if (!queue.has(waiter)) continue;
      leave(waiter);
      const error = makeError();
      tellRefused(events, error, waiter.site);
      waiter.refused(error);
    }
  }
}
