/**
 * One line of those who wait for the same kind of connection.
 *
 * @module
 */

import type { Waiter } from "./waiter.ts";

/** Waiters in a linked list: those of high priority first, equals in the order they came. */
export class WaiterLine<C> {
  /** Who is next. */
  head: Waiter<C> | undefined = undefined;
  /** How many there are. */
  size = 0;
  /** How many of them are of high priority. */
  high = 0;
  /** How many of them take a connection that others have, too, for as long as they like. */
  shared = 0;
  /** How many of those are of high priority, and how many must not queue. */
  sharedHigh = 0;
  sharedNow = 0;
  #tail: Waiter<C> | undefined = undefined;
  #lastHigh: Waiter<C> | undefined = undefined;

  /**
   * Tells whether a waiter is in the line.
   *
   * @param waiter One that was pushed here.
   * @returns `false` once it was taken out.
   */
  has(waiter: Waiter<C>): boolean {
    return waiter === this.head || waiter.previous !== undefined;
  }

  /**
   * Puts a waiter in its place.
   *
   * @param waiter In no line.
   */
  push(waiter: Waiter<C>): void {
    const { wish } = waiter;
    if (wish.use === "shared") this.#countShared(waiter, 1);
    if (wish.high) this.#pushHigh(waiter);
    else this.append(waiter);
  }

  /**
   * Puts a waiter at the end.
   *
   * @param waiter In no line; it wants a connection alone, and is not of high priority.
   */
  append(waiter: Waiter<C>): void {
    this.size++;
    const tail = this.#tail;
    this.#tail = waiter;
    if (tail === undefined) this.head = waiter;
    else {
      tail.next = waiter;
      waiter.previous = tail;
    }
  }

  /**
   * Takes out who is next.
   *
   * @param head The first; it wants a connection alone, and is not of high priority.
   * @returns Who is next then.
   */
  advance(head: Waiter<C>): Waiter<C> | undefined {
    const { next } = head;
    this.size--;
    this.head = next;
    if (next === undefined) this.#tail = undefined;
    else {
      next.previous = undefined;
      // A served waiter that is old already would keep all younger ones from being collected young.
      head.next = undefined;
    }
    return next;
  }

  /**
   * Finds who is next of those who do not share.
   *
   * @returns The waiter; `undefined` if all take a connection that others have, too.
   */
  firstAlone(): Waiter<C> | undefined {
    if (this.shared === this.size) return undefined;
    let waiter = this.head;
    while (waiter?.wish.use === "shared") waiter = waiter.next;
    return waiter;
  }

  #countShared({ wish, timeoutMs }: Waiter<C>, count: number): void {
    this.shared += count;
    if (wish.high) this.sharedHigh += count;
    if (timeoutMs === 0) this.sharedNow += count;
  }

  #pushHigh(waiter: Waiter<C>): void {
    this.size++;
    const previous = this.#lastHigh;
    const next = previous === undefined ? this.head : previous.next;
    this.#lastHigh = waiter;
    this.high++;
    waiter.previous = previous;
    waiter.next = next;
    if (previous === undefined) this.head = waiter;
    else previous.next = waiter;
    if (next === undefined) this.#tail = waiter;
    else next.previous = waiter;
  }

  /**
   * Takes a waiter out.
   *
   * @param waiter In the line.
   */
  remove(waiter: Waiter<C>): void {
    const { next, previous } = waiter;
    if (previous === undefined) this.head = next;
    else previous.next = next;
    if (next === undefined) this.#tail = previous;
    else next.previous = previous;
    waiter.next = waiter.previous = undefined;
    this.size--;
    const { use, high } = waiter.wish;
    if (use === "shared") this.#countShared(waiter, -1);
    if (!high) return;
    this.high--;
    if (waiter === this.#lastHigh) this.#lastHigh = previous;
  }
}
