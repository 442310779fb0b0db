/**
 * How a pool is closed, and opened again.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Clock, Timer } from "./clock.ts";
import { PoolClosedError } from "./errors.ts";
import type { Events } from "./observer.ts";
import { tellRefused } from "./refusal_reason.ts";
import type { Removal } from "./removal.ts";
import type { PoolState } from "./stats.ts";
import type { Waiter } from "./waiter.ts";
import type { WaiterQueue } from "./waiter_queue.ts";

/** What is there to be closed. */
export interface ClosingParts<C> {
  /** Source of time and timers. */
  readonly clock: Clock;
  /** The connections that are left. */
  readonly bag: Pick<Bag<C>, "total">;
  /** Who waits. */
  readonly queue: Pick<WaiterQueue<C>, "shift" | "dispose">;
  /** Closes the connections. */
  readonly removal: Pick<Removal<C>, "retireAll" | "closeUnused" | "destroyAll">;
  /** Who watches. */
  readonly events: Events;
  /** Ends what goes on in the background. */
  readonly stop: () => void;
  /** Called when the last connection is gone. */
  readonly closed: () => void;
  /** Called when the pool lends again: its books are as new. */
  readonly opened: () => void;
}

/** A promise, and what settles it. */
interface Pending {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The life of a pool: open, draining, closed, and perhaps open again. When it is closed waiters are rejected at once,
 * connections that nobody has are closed, those that are lent when they come back, or destroyed when the time is over.
 */
export class Closing<C> {
  readonly #parts: ClosingParts<C>;
  /** Whether the pool lends. A plain field, as it is read at every acquire that waits. */
  isOpen = true;
  #state: Exclude<PoolState, "suspended"> = "open";
  #closed: Pending | undefined;
  /** Whether it is to be opened again when it is closed, and who waits for that. */
  #reopened: Pending | undefined;
  #timer: Timer | undefined;
  /** When the time is over. */
  #at = Infinity;

  /** @param parts What is there to be closed. */
  constructor(parts: ClosingParts<C>) {
    this.#parts = parts;
  }

  /** Whether the pool lends, waits for what is lent, or is gone. */
  get state(): Exclude<PoolState, "suspended"> {
    return this.#state;
  }

  /**
   * Closes the pool, if that has not begun yet. It stays closed, though it was to be opened again.
   *
   * @param timeoutMs How long to wait for what is lent, in milliseconds; a later call can only shorten the time.
   * @returns Resolved when every connection is gone.
   */
  close(timeoutMs: number): Promise<void> {
    // Set before any callback runs, as that may close too.
    const closed = this.#closed ??= Promise.withResolvers<void>();
    const reopened = this.#reopened;
    this.#reopened = undefined;
    if (this.#state === "open") this.#begin(timeoutMs);
    this.#limit(timeoutMs);
    reopened?.reject(new PoolClosedError("Cannot open the pool as it was closed again"));
    return closed.promise;
  }

  /**
   * Opens the pool again, when it is closed; does nothing if it is open.
   *
   * @returns Resolved when it lends; rejected if it was closed again before.
   */
  open(): Promise<void> {
    if (this.#state === "draining") {
      return (this.#reopened ??= Promise.withResolvers<void>()).promise;
    }
    if (this.#state === "closed") this.#open();
    return Promise.resolve();
  }

  #open(): void {
    this.#state = "open";
    this.isOpen = true;
    this.#closed = undefined;
    this.#at = Infinity;
    this.#parts.events.tell("poolOpened", {});
    this.#parts.opened();
  }

  #begin(timeoutMs: number): void {
    const { queue, removal, events, stop } = this.#parts;
    this.#state = "draining";
    this.isOpen = false;
    events.tell("poolClosing", { timeoutMs });
    removal.retireAll("closing");
    stop();
    const next = (): Waiter<C> | undefined => queue.shift() ?? queue.shift(true);
    for (let waiter = next(); waiter !== undefined; waiter = next()) {
      const error = new PoolClosedError();
      tellRefused(events, error, waiter.site);
      waiter.refused(error);
    }
    removal.closeUnused();
    this.freed();
  }

  /** A place became free: without any connection left the pool is closed, if it is to be. */
  freed(): void {
    const { bag, queue, events, closed } = this.#parts;
    if (this.#state !== "draining" || bag.total > 0) return;
    this.#state = "closed";
    events.tell("poolClosed", {});
    this.#timer?.cancel();
    this.#timer = undefined;
    queue.dispose();
    const reopened = this.#reopened;
    this.#reopened = undefined;
    this.#closed?.resolve();
    closed();
    if (reopened === undefined) return;
    this.#open();
    reopened.resolve();
  }

  #limit(timeoutMs: number): void {
    const { clock, removal } = this.#parts;
    const at = clock.now() + timeoutMs;
    if (this.#state !== "draining" || at >= this.#at) return;
    this.#at = at;
    this.#timer?.cancel();
    this.#timer = clock.schedule(timeoutMs, () => removal.destroyAll());
  }
}
