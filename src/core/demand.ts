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
  readonly bag: Pick<Bag<C>, "counts" | "usedHigh" | "total" | "coming">;
  /** Who waits. */
  readonly queue: Pick<WaiterQueue<C>, "line">;
  /** How many more connections may be shared. */
  readonly commons: { readonly free: number } | undefined;
  /** Counts connects of a kind that take too long, where connections are shared. */
  readonly patience: { hanging(reader: boolean): number } | undefined;
}

/**
 * Counts the connections that are wanted, and may be had: some are reserved for those of high priority, those who share
 * need no more than may be shared, and read-only connections are of no use to others, nor others to who wants those.
 */
export class Demand<C> {
  readonly #parts: DemandParts<C>;

  /** @param parts What demand is judged by. */
  constructor(parts: DemandParts<C>) {
    this.#parts = parts;
  }

  /** How many connections those who wait could use at once, of both kinds. */
  get count(): number {
    return this.of(false) + this.of(true);
  }

  /**
   * Tells how many connections those who wait could use at once.
   *
   * @param reader Whether read-only ones.
   * @returns How many.
   */
  of(reader: boolean): number {
    const { sizes, suspension, queue } = this.#parts;
    if (suspension.on) return 0;
    const { size, high, shared, sharedHigh } = queue.line(reader);
    if (size === 0) return 0;
    const toShare = shared === 0 ? 0 : this.#toShare(shared, reader);
    const count = size - shared + toShare;
    if (sizes.reserved === 0) return count;
    const ofHigh = high - sharedHigh + Math.min(sharedHigh, toShare);
    return Math.min(count, ofHigh + Math.max(0, this.#left));
  }

  /** How many connections those who share could use: who else waits needs another beside each that may never come. */
  #toShare(waiting: number, reader: boolean): number {
    const { commons, patience } = this.#parts;
    const free = commons?.free ?? 0;
    if (free === 0 || waiting <= free) return Math.min(waiting, free);
    return Math.min(waiting, free + (patience?.hanging(reader) ?? 0));
  }

  /**
   * Tells which connection is to be opened next.
   *
   * @returns Whether a read-only one; `undefined` if none is wanted that does not come already.
   */
  get next(): boolean | undefined {
    const plain = this.#isShort(false);
    if (!this.#isShort(true)) return plain ? false : undefined;
    return !plain || this.#goesBefore(true);
  }

  #isShort(reader: boolean): boolean {
    return this.of(reader) > this.#parts.bag.coming(reader);
  }

  /** Whether who is next in one line goes before who is in the other. */
  #goesBefore(reader: boolean): boolean {
    const { queue } = this.#parts;
    const ours = queue.line(reader).head;
    const theirs = queue.line(!reader).head;
    if (ours === undefined || theirs === undefined) return ours !== undefined;
    if (ours.wish.high !== theirs.wish.high) return ours.wish.high;
    return ours.since < theirs.since || ours.since === theirs.since && !reader;
  }

  /**
   * Tells how many connections have to go so that others can be opened.
   *
   * @param reader Whether those are wanted that are read-only.
   * @returns How many, of whatever kind; those that are being closed do not count.
   */
  inWay(reader: boolean): number {
    const { sizes, bag } = this.#parts;
    const wanted = this.of(reader) - bag.coming(reader);
    return Math.max(0, wanted - (sizes.max - bag.total) - bag.counts.closing);
  }

  /**
   * Tells whether a connection that nobody has any more has to make room for one of the other kind, as who waits for that
   * goes before.
   *
   * @param slot Its slot.
   * @returns Whether it is to be closed.
   */
  isInWay(slot: Slot<C>): boolean {
    const other = !slot.reader;
    return this.#parts.queue.line(other).size > 0 && this.inWay(other) > 0 &&
      this.#goesBefore(other);
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
   * @param slot Its slot; one that is still in the books as lent to somebody of normal priority may be lent to the next,
   * unless there may be fewer than before.
   * @returns `false` if it is reserved for others.
   */
  allowsSlot(wish: Wish, slot: Slot<C>): boolean {
    return this.allows(wish) || slot.state === "used" && !slot.high && this.#left === 0;
  }
}
