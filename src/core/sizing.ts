/**
 * How many connections there may be.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import { checkMax, checkReserved, type ResolvedPoolOptions } from "./options.ts";
import type { Removal } from "./removal.ts";
import type { Slot } from "./slot.ts";
import { checkAtMost } from "./validate.ts";

/** The limits as they are now. */
export interface Sizes {
  /** Most connections at any instant. */
  readonly max: number;
  /** Connections that are kept idle. */
  readonly minIdle: number;
  /** Most connections that are kept idle. */
  readonly maxIdle: number;
  /** Of all, those that only acquires of high priority may take. */
  readonly reserved: number;
  /** Most connects under way at any instant. */
  readonly maxPendingConnects: number;
}

/** The limits of a pool. Plain fields, as they are read at every acquire and release; only {@linkcode Sizing.resize} writes them. */
export class Sizing implements Sizes {
  max: number;
  readonly minIdle: number;
  readonly reserved: number;
  maxIdle: number;
  maxPendingConnects: number;
  readonly #maxIdle: number | undefined;
  readonly #maxPendingConnects: number | undefined;
  readonly #most: number;

  /**
   * @param options The limits at first; those that are not given follow `max`.
   * @param most How many connections of the driver there may be: 1, or `Infinity`.
   */
  constructor(
    options: Pick<
      ResolvedPoolOptions,
      "max" | "minIdle" | "maxIdle" | "maxPendingConnects" | "reserved"
    >,
    most: number,
  ) {
    this.#most = most;
    const { max, minIdle, maxIdle, maxPendingConnects, reserved } = options;
    this.max = max;
    this.minIdle = minIdle;
    this.reserved = reserved;
    this.#maxIdle = maxIdle;
    this.#maxPendingConnects = maxPendingConnects;
    this.maxIdle = maxIdle ?? max;
    this.maxPendingConnects = maxPendingConnects ?? max;
  }

  /**
   * Changes the limit.
   *
   * @param max Most connections from now on.
   * @throws {TypeError} If it is not a number.
   * @throws {RangeError} If it is not an integer, or less than 1 or than `minIdle`, or not greater than `reserved`; or not 1, where the driver has room for one only.
   */
  resize(max: number): void {
    const action = "resize pool";
    checkMax(action, max, this.#most);
    checkAtMost(action, "minIdle", this.minIdle, "max", max);
    checkReserved(action, this.reserved, max);
    this.max = max;
    this.maxIdle = this.#maxIdle ?? max;
    this.maxPendingConnects = this.#maxPendingConnects ?? max;
  }
}

/** What is there to be closed. */
export interface ShrinkingParts<C> {
  /** The limits. */
  readonly sizes: Sizes;
  /** The books. */
  readonly bag: Pick<Bag<C>, "slots" | "idle" | "counts" | "total">;
  /** Closes connections. */
  readonly removal: Pick<Removal<C>, "close" | "retire">;
}

/** Closes what is above the limits. */
export class Shrinking<C> {
  readonly #parts: ShrinkingParts<C>;

  /** @param parts What is there to be closed. */
  constructor(parts: ShrinkingParts<C>) {
    this.#parts = parts;
  }

  /** How many connections more there are than there may be, but for those that are being closed. */
  get excess(): number {
    const { bag, sizes } = this.#parts;
    return bag.total - bag.counts.closing - sizes.max;
  }

  /**
   * There may be fewer than before: closes what nobody has, the one that has been unused for longest first. What is lent
   * has to be looked at when it comes back.
   */
  shrink(): void {
    const { bag, removal } = this.#parts;
    for (const slot of [...bag.idle(), ...this.#in("connecting"), ...this.#in("checking")]) {
      if (this.excess <= 0) return;
      removal.close(slot, "resized");
    }
    let shared = this.excess;
    for (const slot of bag.slots()) {
      slot.plainUntil = 0;
      // One that is never without statements would never come back.
      if (slot.shares + slot.holders > 0 && shared-- > 0) removal.retire(slot, "resized");
    }
  }

  #in(state: "connecting" | "checking"): Slot<C>[] {
    return [...this.#parts.bag.slots()].filter((slot) => slot.state === state);
  }

  /** Nobody waits: closes the idle that are more than there may be, the one that has been unused for longest first. */
  trim(): void {
    const { bag, sizes, removal } = this.#parts;
    if (bag.counts.idle <= sizes.maxIdle) return;
    for (const slot of bag.idle()) {
      if (bag.counts.idle <= sizes.maxIdle) return;
      removal.close(slot, "surplus");
    }
  }
}
