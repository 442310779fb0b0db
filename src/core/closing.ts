/**
 * How a pool is closed.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Clock, Timer } from "./clock.ts";
import { PoolClosedError } from "./errors.ts";
import type { Events } from "./observer.ts";
import type { Outage } from "./outage.ts";
import { tellRefused } from "./refusal_reason.ts";
import type { Removal } from "./removal.ts";
import type { PoolState } from "./stats.ts";
import type { WaiterQueue } from "./waiter_queue.ts";

/** What is there to be closed. */
export interface ClosingParts<C> {
  /** Source of time and timers. */
  readonly clock: Clock;
  /** The connections that are left. */
  readonly bag: Pick<Bag<C>, "total">;
  /** Who waits. */
  readonly queue: Pick<WaiterQueue<C>, "shift" | "dispose">;
  /** Paces connects, for which nobody waits any more. */
  readonly outage: Pick<Outage, "stopWaiting">;
  /** Closes the connections. */
  readonly removal: Pick<Removal<C>, "retireAll" | "closeUnused" | "destroyAll">;
  /** Who watches. */
  readonly events: Events;
}

/**
 * Ends the life of a pool: open, draining, closed. Waiters are rejected at once, connections that nobody has are closed,
 * those that are lent when they come back, or destroyed when the time is over.
 */
export class Closing<C> {
  readonly #parts: ClosingParts<C>;
  #state: PoolState = "open";
  #closed: Promise<void> | undefined;
  #resolve: (() => void) | undefined;
  #timer: Timer | undefined;
  /** When the time is over. */
  #at = Infinity;

  /** @param parts What is there to be closed. */
  constructor(parts: ClosingParts<C>) {
    this.#parts = parts;
  }

  /** Whether the pool lends, waits for what is lent, or is gone. */
  get state(): PoolState {
    return this.#state;
  }

  /** Whether the pool lends. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /**
   * Closes the pool, if that has not begun yet.
   *
   * @param timeoutMs How long to wait for what is lent, in milliseconds; a later call can only shorten the time.
   * @returns Resolved when every connection is gone.
   */
  close(timeoutMs: number): Promise<void> {
    // Set before any callback runs, as that may close too.
    const closed = this.#closed ??= new Promise((resolve) => this.#resolve = resolve);
    if (this.#state === "open") this.#begin(timeoutMs);
    this.#limit(timeoutMs);
    return closed;
  }

  #begin(timeoutMs: number): void {
    const { queue, outage, removal, events } = this.#parts;
    this.#state = "draining";
    events.tell("poolClosing", { timeoutMs });
    removal.retireAll("closing");
    outage.stopWaiting();
    for (let waiter = queue.shift(); waiter !== undefined; waiter = queue.shift()) {
      const error = new PoolClosedError();
      tellRefused(events, error, waiter.site);
      waiter.refused(error);
    }
    removal.closeUnused();
    this.freed();
  }

  /** A place became free: without any connection left the pool is closed, if it is to be. */
  freed(): void {
    const { bag, queue, events } = this.#parts;
    if (this.#state !== "draining" || bag.total > 0) return;
    this.#state = "closed";
    events.tell("poolClosed", {});
    this.#timer?.cancel();
    queue.dispose();
    this.#resolve?.();
  }

  #limit(timeoutMs: number): void {
    const { clock, removal } = this.#parts;
    const at = clock.now() + timeoutMs;
    if (this.#state === "closed" || at >= this.#at) return;
    this.#at = at;
    this.#timer?.cancel();
    this.#timer = clock.schedule(timeoutMs, () => removal.destroyAll());
  }
}
