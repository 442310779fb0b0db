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
  /** The same of those that are read-only. */
  #readerTop: Slot<C> | undefined;
  #readers = 0;
  #readersConnecting = 0;
  #readersChecking = 0;
  #readersIdle = 0;

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

  /** The idle slot that was used last and is not read-only; its neighbours `below` have been idle for longer. */
  get top(): Slot<C> | undefined {
    return this.#top;
  }

  /** {@linkcode Bag.top} of the read-only ones. */
  get readerTop(): Slot<C> | undefined {
    return this.#readerTop;
  }

  /** Slots of read-only connections in any state. */
  get readers(): number {
    return this.#readers;
  }

  /**
   * Tells how many connections are being opened or checked.
   *
   * @param reader Whether those are meant that are read-only.
   * @returns How many.
   */
  coming(reader: boolean): number {
    const connecting = this.#readersConnecting;
    const ofKind = reader ? connecting : this.#counts.connecting - connecting;
    return ofKind + this.checking(reader);
  }

  /**
   * Tells how many connections are idle.
   *
   * @param reader Whether those are meant that are read-only.
   * @returns How many.
   */
  idleOf(reader: boolean): number {
    const idle = this.#readersIdle;
    return reader ? idle : this.#counts.idle - idle;
  }

  /**
   * Tells how many connections are being checked.
   *
   * @param reader Whether those are meant that are read-only.
   * @returns How many.
   */
  checking(reader: boolean): number {
    const checking = this.#readersChecking;
    return reader ? checking : this.#counts.checking - checking;
  }

  /**
   * Finds the connection that has been idle for longest.
   *
   * @param reader Whether one that is read-only.
   * @returns Its slot.
   */
  oldestIdle(reader: boolean): Slot<C> | undefined {
    let slot = reader ? this.#readerTop : this.#top;
    while (slot?.below !== undefined) slot = slot.below;
    return slot;
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
    if (!slot.reader) return;
    this.#readers++;
    this.#readersConnecting++;
  }

  /**
   * Lends the slot that was used last and is not read-only.
   *
   * @returns A slot that was idle and now is used; `undefined` if there is none.
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
    if (slot.high) this.mark(slot, false);
    if (slot.reader) this.#readersIdle++;
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
    if (slot.high) this.mark(slot, false);
    const counts = this.#counts;
    counts[state]--;
    counts.idle++;
    slot.state = "idle";
    if (slot.reader) this.#moveReader(state, "idle");
    let above: Slot<C> | undefined;
    let below = slot.reader ? this.#readerTop : this.#top;
    while (below !== undefined && below.usedAt > usedAt) {
      above = below;
      below = below.below;
    }
    slot.above = above;
    slot.below = below;
    if (above !== undefined) above.below = slot;
    else if (slot.reader) this.#readerTop = slot;
    else this.#top = slot;
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
    if (this.#readerTop === undefined) return idle.reverse();
    for (let slot: Slot<C> | undefined = this.#readerTop; slot !== undefined; slot = slot.below) {
      idle.push(slot);
    }
    return idle.sort((a, b) => a.usedAt - b.usedAt);
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
    if (slot.high) this.mark(slot, false);
    if (slot.reader) this.#moveReader(from, to);
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
   * A slot is lent to a borrower of another priority than it was, if it was.
   *
   * @param slot Used; counted as such until it is something else.
   * @param high Whether to one of high priority.
   */
  mark(slot: Slot<C>, high: boolean): void {
    if (slot.high === high) return;
    slot.high = high;
    this.#usedHigh += high ? 1 : -1;
  }

  #moveReader(from: SlotState, to: SlotState): void {
    if (from === "connecting") this.#readersConnecting--;
    if (from === "checking") this.#readersChecking--;
    if (from === "idle") this.#readersIdle--;
    if (to === "checking") this.#readersChecking++;
    if (to === "idle") this.#readersIdle++;
    if (to === "gone") this.#readers--;
  }

  #push(slot: Slot<C>): void {
    const top = slot.reader ? this.#readerTop : this.#top;
    if (top !== undefined) {
      top.above = slot;
      slot.below = top;
    }
    if (slot.reader) this.#readerTop = slot;
    else this.#top = slot;
  }

  #unlink(slot: Slot<C>): void {
    if (slot === this.#top) this.#top = slot.below;
    else if (slot === this.#readerTop) this.#readerTop = slot.below;
    else if (slot.above !== undefined) slot.above.below = slot.below;
    if (slot.below !== undefined) slot.below.above = slot.above;
    slot.above = slot.below = undefined;
  }
}
