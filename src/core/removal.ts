/**
 * How connections leave the pool.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Slot } from "./slot.ts";

/** Forgets the statements on a connection that is gone. */
export interface Forgetting<C> {
  /**
   * Statements are gone from a connection.
   *
   * @param slot Its slot.
   * @param count How many.
   */
  forget(slot: Slot<C>, count: number): void;
}

/**
 * Takes connections out of the pool: in an orderly way, which takes a while and counts against the limit until it is
 * over, or at once.
 */
export class Removal<C> {
  readonly #bag: Bag<C>;
  readonly #shared: Forgetting<C> | undefined;
  readonly #freed: () => void;

  /**
   * @param bag The books.
   * @param shared Knows which connections are shared, if any can be.
   * @param freed Called when a place became free.
   */
  constructor(bag: Bag<C>, shared: Forgetting<C> | undefined, freed: () => void) {
    this.#bag = bag;
    this.#shared = shared;
    this.#freed = freed;
  }

  /**
   * Closes a connection that nobody has, in an orderly way; its place is free when that is over.
   *
   * @param slot Its slot; `closing` from now on.
   */
  close(slot: Slot<C>): void {
    this.#bag.move(slot, "closing");
    slot.steady?.close().then(() => {
      this.drop(slot);
      this.#freed();
    });
  }

  /**
   * Closes a connection at once, whoever has it, and fills its place.
   *
   * @param slot Its slot; gone from now on.
   */
  destroy(slot: Slot<C>): void {
    this.discard(slot);
    this.#freed();
  }

  /**
   * Closes a connection at once. Who calls this has to say `freed` when its own books are in order.
   *
   * @param slot Its slot; gone from now on.
   */
  discard(slot: Slot<C>): void {
    this.drop(slot);
    slot.steady?.destroy();
  }

  /**
   * Takes a connection out of the books that is closed already. Who calls this has to say `freed` when its own books are
   * in order.
   *
   * @param slot Its slot; gone from now on.
   */
  drop(slot: Slot<C>): void {
    this.#shared?.forget(slot, slot.shares);
    this.#bag.move(slot, "gone");
    slot.cleaning?.abort();
  }

  /**
   * A connection is to be replaced as soon as it can be: when it comes back, if it is lent.
   *
   * @param slot Its slot.
   */
  retire(slot: Slot<C>): void {
    slot.retiring = true;
    slot.plainUntil = 0;
  }

  /** Retires all connections. */
  retireAll(): void {
    for (const slot of this.#bag.slots()) this.retire(slot);
  }

  /** Closes, in an orderly way, what nobody has; gives up connects under way. */
  closeUnused(): void {
    for (const slot of [...this.#bag.slots()]) {
      if (isAtHome(slot) || slot.state === "connecting") this.close(slot);
    }
  }

  /** Closes all connections at once, whoever has them. */
  destroyAll(): void {
    for (const slot of [...this.#bag.slots()]) this.destroy(slot);
  }
}

/**
 * Tells whether nobody has a connection, and it is not being cleaned.
 *
 * @param slot Its slot.
 * @returns Whether it can be closed now.
 */
export function isAtHome<C>(slot: Slot<C>): boolean {
  return slot.state === "idle" || slot.state === "checking";
}
