/**
 * How many connections those who wait could use.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Sizes } from "./sizing.ts";
import type { Slot } from "./slot.ts";
import type { WaiterQueue } from "./waiter_queue.ts";
import type { Wish } from "./wish.ts";

/** What demand is judged by. */
export interface DemandParts<C> {
  /** How many there may be, and are reserved. */
  readonly sizes: Pick<Sizes, "max" | "reserved">;
  /** Whether nothing is lent for the time being. */
  readonly suspension: { readonly on: boolean };
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
    const { sizes, suspension, queue } = this.#parts;
    if (suspension.on) return 0;
    const { size } = queue;
    if (sizes.reserved === 0 || size === 0) return size;
    return Math.min(size, queue.high + Math.max(0, this.#left));
  }

  /** How many more connections those of normal priority may have. */
  get #left(): number {
    const { sizes, bag } = this.#parts;
    return sizes.max - sizes.reserved - (bag.counts.used - bag.usedHigh);
  }

  /**
   * Tells whether somebody may have one more connection.
   *
   * @param wish What is wanted.
   * @returns `false` if all that are left are reserved for others.
   */
  allows(wish: Wish): boolean {
    return this.#parts.sizes.reserved === 0 || wish.high || this.#left > 0;
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
