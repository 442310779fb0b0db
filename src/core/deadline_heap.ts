/**
 * Deadlines that are out of order, earliest first.
 *
 * @module
 */

import type { Waiter } from "./waiter.ts";

/** A binary heap of waiters by deadline; each knows its place, so that leaving costs a logarithm and no scan. */
export class DeadlineHeap<C> {
  readonly #heap: Waiter<C>[] = [];

  /** The waiter whose deadline passes first. */
  get first(): Waiter<C> | undefined {
    return this.#heap[0];
  }

  /**
   * Adds a waiter.
   *
   * @param waiter Not yet in the heap.
   */
  add(waiter: Waiter<C>): void {
    this.#heap.push(waiter);
    this.#up(waiter, this.#heap.length - 1);
  }

  /**
   * Takes a waiter out.
   *
   * @param waiter In the heap.
   */
  remove(waiter: Waiter<C>): void {
    const index = waiter.heapIndex;
    const last = this.#heap.pop();
    waiter.heapIndex = -1;
    if (last === undefined || last === waiter) return;
    this.#up(last, index);
    this.#down(last, last.heapIndex);
  }

  #up(waiter: Waiter<C>, from: number): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#heap[parentIndex];
      if (parent === undefined || parent.deadline <= waiter.deadline) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(waiter, index);
  }

  #down(waiter: Waiter<C>, from: number): void {
    let index = from;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = this.#heap[childIndex];
      if (child === undefined) break;
      const right = this.#heap[childIndex + 1];
      if (right !== undefined && right.deadline < child.deadline) {
        child = right;
        childIndex++;
      }
      if (child.deadline >= waiter.deadline) break;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(waiter, index);
  }

  #place(waiter: Waiter<C>, index: number): void {
    this.#heap[index] = waiter;
    waiter.heapIndex = index;
  }
}
