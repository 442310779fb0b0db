/**
 * The pool's books: which slots there are and what each is doing. Synchronous; knows no promise, no clock, no driver.
 *
 * @module
 */

import type { Slot, SlotState } from "./slot.ts";

/** States that count against the limit. */
export type CountedState = Exclude<SlotState, "gone">;

/** Slots by state. All changes of a slot's state go through here, so that the counts cannot drift. */
export class Bag<C> {
  readonly #slots = new Set<Slot<C>>();
  readonly #counts: Record<CountedState, number> = {
    connecting: 0,
    idle: 0,
    used: 0,
    checking: 0,
    resetting: 0,
    closing: 0,
  };
  #usedHigh = 0;
  /** Most recently used idle slot; the stack is linked so that a lost one leaves its middle without a scan. */
  #top: Slot<C> | undefined;

  /** Slots in any state. */
  get total(): number {
    return this.#slots.size;
  }

  /** How many slots are in each state; changes as they change. */
  get counts(): Readonly<Record<CountedState, number>> {
    return this.#counts;
  }

  /** How many of the used are lent to borrowers of high priority. */
  get usedHigh(): number {
    return this.#usedHigh;
  }

  /** The idle slot that was used last; its neighbours `below` have been idle for longer. */
  get top(): Slot<C> | undefined {
    return this.#top;
  }

  /** All slots, in no order that means anything. */
  slots(): IterableIterator<Slot<C>> {
    return this.#slots.values();
  }

  /**
   * Takes in a new slot; it is `connecting`.
   *
   * @param slot The slot.
   */
  add(slot: Slot<C>): void {
    this.#slots.add(slot);
    this.#counts[slot.state as CountedState]++;
  }

  /**
   * Lends the slot that was used last.
   *
   * @returns A slot that was idle and now is used; `undefined` if none is idle.
   */
  takeIdle(): Slot<C> | undefined {
    const slot = this.#top;
    if (slot === undefined) return undefined;
    this.#top = slot.below;
    if (slot.below !== undefined) {
      slot.below.above = undefined;
      slot.below = undefined;
    }
    slot.state = "used";
    const counts = this.#counts;
    counts.idle--;
    counts.used++;
    return slot;
  }

  /**
   * Takes back a slot that was lent.
   *
   * @param slot Used; idle afterwards.
   */
  putBack(slot: Slot<C>): void {
    if (slot.high) this.#unmarkHigh(slot);
    slot.state = "idle";
    const counts = this.#counts;
    counts.used--;
    counts.idle++;
    this.#push(slot);
  }

  /**
   * Puts back a slot that was looked at and not used: where its last use puts it among the idle.
   *
   * @param slot In any state but idle; idle afterwards.
   */
  restore(slot: Slot<C>): void {
    const { state, usedAt } = slot;
    if (state === "gone" || state === "idle") return;
    if (slot.high) this.#unmarkHigh(slot);
    const counts = this.#counts;
    counts[state]--;
    counts.idle++;
    slot.state = "idle";
    let above: Slot<C> | undefined;
    let below = this.#top;
    while (below !== undefined && below.usedAt > usedAt) {
      above = below;
      below = below.below;
    }
    slot.above = above;
    slot.below = below;
    if (above === undefined) this.#top = slot;
    else above.below = slot;
    if (below !== undefined) below.above = slot;
  }

  /**
   * Lists the idle slots.
   *
   * @returns The one that has been unused for longest first.
   */
  idle(): Slot<C>[] {
    const idle: Slot<C>[] = [];
    for (let slot = this.#top; slot !== undefined; slot = slot.below) idle.push(slot);
    return idle.reverse();
  }

  /**
   * Changes a slot's state; `gone` takes it out of the books.
   *
   * @param slot The slot.
   * @param to Its new state.
   */
  move(slot: Slot<C>, to: SlotState): void {
    const from = slot.state;
    if (from === to || from === "gone") return;
    const counts = this.#counts;
    counts[from]--;
    if (slot.high) this.#unmarkHigh(slot);
    if (from === "idle") this.#unlink(slot);
    slot.state = to;
    if (to === "gone") {
      this.#slots.delete(slot);
      return;
    }
    counts[to]++;
    if (to === "idle") this.#push(slot);
  }

  /**
   * A slot is lent to a borrower of high priority.
   *
   * @param slot Used; counted as such until it is something else.
   */
  markHigh(slot: Slot<C>): void {
    slot.high = true;
    this.#usedHigh++;
  }

  #unmarkHigh(slot: Slot<C>): void {
    slot.high = false;
    this.#usedHigh--;
  }

  #push(slot: Slot<C>): void {
    const top = this.#top;
    if (top !== undefined) {
      top.above = slot;
      slot.below = top;
    }
    this.#top = slot;
  }

  #unlink(slot: Slot<C>): void {
    if (slot.above === undefined) this.#top = slot.below;
    else slot.above.below = slot.below;
    if (slot.below !== undefined) slot.below.above = slot.above;
    slot.above = slot.below = undefined;
  }
}
