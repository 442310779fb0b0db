/**
 * How many connections those who wait could use.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Slot } from "./slot.ts";
import type { WaiterQueue } from "./waiter_queue.ts";
import type { Wish } from "./wish.ts";

/** What demand is judged by. */
export interface DemandParts<C> {
  /** Limits. */
  readonly limits: { readonly max: number; readonly reserved: number };
  /** The books. */
  readonly bag: Pick<Bag<C>, "counts" | "usedHigh">;
  /** Who waits. */
  readonly queue: Pick<WaiterQueue<C>, "size" | "high">;
}

/** Counts the connections that are wanted, and may be had: some are reserved for those of high priority. */
export class Demand<C> {
  readonly #parts: DemandParts<C>;

  /** @param parts What demand is judged by. */
  constructor(parts: DemandParts<C>) {
    this.#parts = parts;
  }

  /** How many connections those who wait could use at once. */
  get count(): number {
    const { limits, queue } = this.#parts;
    const { size } = queue;
    if (limits.reserved === 0 || size === 0) return size;
    return Math.min(size, queue.high + Math.max(0, this.#left));
  }

  /** How many more connections those of normal priority may have. */
  get #left(): number {
    const { limits, bag } = this.#parts;
    return limits.max - limits.reserved - (bag.counts.used - bag.usedHigh);
  }

  /**
   * Tells whether somebody may have one more connection.
   *
   * @param wish What is wanted.
   * @returns `false` if all that are left are reserved for others.
   */
  allows(wish: Wish): boolean {
    return this.#parts.limits.reserved === 0 || wish.high || this.#left > 0;
  }

  /**
   * Tells whether somebody may have a connection that nobody has any more.
   *
   * @param wish What is wanted.
   * @param slot Its slot; one that is still in the books as lent to somebody of normal priority may be lent to the next.
   * @returns `false` if it is reserved for others.
   */
  allowsSlot(wish: Wish, slot: Slot<C>): boolean {
    return this.allows(wish) || slot.state === "used" && !slot.high;
  }
}
