/**
 * Who waits, in order, and until when.
 *
 * @module
 */

import type { Clock, Timer } from "./clock.ts";
import { DeadlineHeap } from "./deadline_heap.ts";
import { ListeningWaiter, type Waiter } from "./waiter.ts";
import { WaiterLine } from "./waiter_line.ts";
import { PROMISED } from "./wish.ts";

/**
 * A FIFO queue, with a place in front for those of high priority, and one timer for all deadlines. Who wants a read-only
 * connection stands in a line of its own, as nobody else could take what is there for him.
 *
 * Waiters with equal timeouts queue in the order of their deadlines, so the queue itself is their timetable:
 * `#earliest` walks along it and never back. Only deadlines that are earlier than one queued before go to a heap, and
 * those of high priority, and of the second line.
 */
export class WaiterQueue<C> {
  readonly #clock: Clock;
  readonly #onDeadline: () => void;
  readonly #outOfOrder = new DeadlineHeap<C>();
  readonly #plain = new WaiterLine<C>();
  readonly #readers = new WaiterLine<C>();
  /** No waiter before this one has a deadline that is in order; it need not have one, either. */
  #earliest: Waiter<C> | undefined;
  /** Latest deadline that is in order. */
  #latest = -Infinity;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  /**
   * @param clock Source of time and timers.
   * @param onDeadline Called when a deadline may have passed; has to call {@linkcode WaiterQueue.takeExpired}.
   */
  constructor(clock: Clock, onDeadline: () => void) {
    this.#clock = clock;
    this.#onDeadline = onDeadline;
  }

  /** How many wait. */
  get size(): number {
    return this.#plain.size + this.#readers.size;
  }

  /**
   * Tells whether a waiter is queued.
   *
   * @param waiter Any waiter that was pushed here.
   * @returns `false` once it was shifted, removed or expired.
   */
  has(waiter: Waiter<C>): boolean {
    return this.line(waiter.wish.reader).has(waiter);
  }

  /** Who is served next of those who want no read-only connection. */
  get head(): Waiter<C> | undefined {
    return this.#plain.head;
  }

  /**
   * Gives one of the lines, to be looked at.
   *
   * @param reader Whether of those who want a read-only connection.
   * @returns The line.
   */
  line(reader: boolean): WaiterLine<C> {
    return reader ? this.#readers : this.#plain;
  }

  /** All who wait, in no order but that of each line. */
  all(): Waiter<C>[] {
    const all: Waiter<C>[] = [];
    for (const { head } of [this.#plain, this.#readers]) {
      for (let waiter = head; waiter !== undefined; waiter = waiter.next) all.push(waiter);
    }
    return all;
  }

  /**
   * Queues a waiter: at the end of its line, or behind the last of high priority.
   *
   * @param waiter Not yet queued.
   */
  push(waiter: Waiter<C>): void {
    const { deadline, wish } = waiter;
    if (wish === PROMISED) return this.append(waiter);
    this.line(wish.reader).push(waiter);
    if (deadline !== Infinity) {
      if (wish.high || wish.reader) this.#outOfOrder.add(waiter);
      else this.#plan(waiter, deadline);
      if (deadline < this.#timerAt) this.#arm(deadline);
    }
    this.#joined();
  }

  /**
   * Queues a waiter at the end: {@linkcode WaiterQueue.push} in fewer steps, as each shows where a thousand wait at a time.
   *
   * @param waiter Not yet queued; its wish is {@linkcode PROMISED}.
   */
  append(waiter: Waiter<C>): void {
    const { deadline } = waiter;
    this.#plain.append(waiter);
    if (deadline !== Infinity) {
      this.#plan(waiter, deadline);
      if (deadline < this.#timerAt) this.#arm(deadline);
    }
    this.#joined();
  }

  /** Puts a waiter at the end of the line in its place by deadline. */
  #plan(waiter: Waiter<C>, deadline: number): void {
    if (this.#earliest === undefined) {
      this.#earliest = waiter;
      this.#latest = deadline;
    } else if (deadline > this.#latest) this.#latest = deadline;
    else if (deadline < this.#latest) this.#outOfOrder.add(waiter);
  }

  /** The process must not end while somebody waits. */
  #joined(): void {
    if (this.#plain.size <= 1 && this.size === 1) this.#timer?.ref();
  }

  /**
   * Takes out who is next.
   *
   * @param reader Whether of those who want a read-only connection.
   * @returns The waiter, no longer queued nor listening to its signal; `undefined` if nobody waits.
   */
  shift(reader = false): Waiter<C> | undefined {
    const { head } = this.line(reader);
    if (head !== undefined) this.remove(head);
    return head;
  }

  /**
   * Takes a waiter out.
   *
   * @param waiter In the queue.
   */
  remove(waiter: Waiter<C>): void {
    const { next } = waiter;
    this.line(waiter.wish.reader).remove(waiter);
    this.#left(waiter, next);
  }

  /**
   * Takes out who is next: {@linkcode WaiterQueue.remove} in fewer steps.
   *
   * @param head Who is next of those who want no read-only connection; its wish is {@linkcode PROMISED}.
   */
  advance(head: Waiter<C>): void {
    this.#left(head, this.#plain.advance(head));
  }

  /** A waiter was unlinked. */
  #left(waiter: Waiter<C>, next: Waiter<C> | undefined): void {
    if (waiter === this.#earliest) this.#earliest = next;
    if (waiter.heapIndex >= 0) this.#outOfOrder.remove(waiter);
    if (waiter instanceof ListeningWaiter) waiter.deafen();
    // An idle pool must not keep the process alive. The timer stays armed: arming costs more than it firing in vain.
    if (next === undefined && this.size === 0) this.#timer?.unref();
  }

  /** Cancels the timer of a queue that will not be used again. */
  dispose(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }

  #arm(at: number): void {
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.schedule(Math.max(0, at - this.#clock.now()), () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    this.#onDeadline();
  }

  /**
   * Takes out a waiter whose deadline passed; to be called, when a deadline passes, until there is none.
   *
   * @param now The monotonic time.
   * @returns The waiter; `undefined` if the next deadline is yet to come, and the timer set for it.
   */
  takeExpired(now: number): Waiter<C> | undefined {
    const waiter = this.#next();
    if (waiter === undefined) return undefined;
    if (waiter.deadline <= now) {
      this.remove(waiter);
      return waiter;
    }
    // Who was told may have queued again and armed the timer already.
    if (waiter.deadline < this.#timerAt) this.#arm(waiter.deadline);
    return undefined;
  }

  #next(): Waiter<C> | undefined {
    const inOrder = this.#findEarliest();
    const outOfOrder = this.#outOfOrder.first;
    if (inOrder === undefined) return outOfOrder;
    return outOfOrder !== undefined && outOfOrder.deadline < inOrder.deadline
      ? outOfOrder
      : inOrder;
  }

  #findEarliest(): Waiter<C> | undefined {
    let waiter = this.#earliest;
    while (waiter !== undefined && (waiter.heapIndex >= 0 || waiter.deadline === Infinity)) {
      waiter = waiter.next;
    }
    return this.#earliest = waiter;
  }
}
