/**
 * How connections leave the pool.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Clock } from "./clock.ts";
import type { CloseReason, Events } from "./observer.ts";
import type { Slot } from "./slot.ts";
import type { Usage } from "./usage.ts";

/** Generation of what is condemned by itself. */
const NO_GENERATION = -1;

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

/** What leaves, and who is told. */
export interface RemovalParts<C> {
  /** Source of time. */
  readonly clock: Pick<Clock, "now">;
  /** The books. */
  readonly bag: Bag<C>;
  /** Knows which connections single statements share, if any can. */
  readonly shared: Forgetting<C> | undefined;
  /** Counts and measures. */
  readonly usage: Pick<Usage<C>, "over">;
  /** Knows which connections leases share. */
  readonly commons: { forget(slot: Slot<C>): void };
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** Called when a place became free. */
  readonly freed: () => void;
}

/**
 * Takes connections out of the pool: in an orderly way, which takes a while and counts against the limit until it is
 * over, or at once.
 */
export class Removal<C> {
  readonly #parts: RemovalParts<C>;

  /** @param parts What leaves, and who is told. */
  constructor(parts: RemovalParts<C>) {
    this.#parts = parts;
  }

  /**
   * Closes a connection that nobody has, in an orderly way; its place is free when that is over.
   *
   * @param slot Its slot; `closing` from now on.
   * @param reason Why; what it was retired for, when not given.
   */
  close(slot: Slot<C>, reason: CloseReason = slot.reason): void {
    const { clock, bag, freed } = this.#parts;
    this.#tell(slot, reason);
    bag.move(slot, "closing");
    slot.begunAt = clock.now();
    slot.steady?.close().then(() => {
      this.drop(slot);
      freed();
    });
  }

  /**
   * Closes a connection at once, whoever has it, and fills its place.
   *
   * @param slot Its slot; gone from now on.
   * @param reason Why; what it was retired for, when not given.
   */
  destroy(slot: Slot<C>, reason: CloseReason = slot.reason): void {
    this.discard(slot, reason);
    this.#parts.freed();
  }

  /**
   * Closes a connection at once. Who calls this has to say `freed` when its own books are in order.
   *
   * @param slot Its slot; gone from now on.
   * @param reason Why; what it was retired for, when not given.
   */
  discard(slot: Slot<C>, reason: CloseReason = slot.reason): void {
    this.#tell(slot, reason);
    this.drop(slot);
    slot.steady?.destroy();
  }

  /** Tells that the pool closes a connection, or gives up to open it. */
  #tell(slot: Slot<C>, reason: CloseReason): void {
    const { clock, events } = this.#parts;
    const { state, steady, background, bornAt, openedAt, uses } = slot;
    if (state === "connecting") {
      const connectMs = clock.now() - bornAt;
      const phase = steady !== undefined && steady.counters.opens > 0 ? "session" : "connect";
      events.tell("connectFailed", { background, phase, error: undefined, connectMs });
    } else if (state !== "closing" && state !== "gone") {
      const ageMs = clock.now() - openedAt;
      events.tell("closed", { epoch: steady?.epoch ?? 0, reason, ageMs, uses });
    }
  }

  /**
   * Takes a connection out of the books that is closed already. Who calls this has to say `freed` when its own books are
   * in order.
   *
   * @param slot Its slot; gone from now on.
   */
  drop(slot: Slot<C>): void {
    const { clock, bag, shared, commons, usage } = this.#parts;
    if (slot.state === "used") usage.over(slot, clock.now(), slot.shares + slot.holders > 0);
    shared?.forget(slot, slot.shares);
    if (slot.holders > 0) commons.forget(slot);
    bag.move(slot, "gone");
    slot.cleaning?.abort();
  }

  /**
   * A connection is to be replaced as soon as it can be: when it comes back, if it is lent.
   *
   * @param slot Its slot.
   * @param reason Why.
   */
  retire(slot: Slot<C>, reason: CloseReason): void {
    slot.retiring = true;
    slot.reason = reason;
    slot.plainUntil = 0;
  }

  /**
   * A connection shall not be lent again, whatever is left: it is closed now if nobody has it, else when it comes back.
   *
   * @param slot Its slot.
   * @param reason Why.
   */
  condemn(slot: Slot<C>, reason: CloseReason): void {
    this.retire(slot, reason);
    slot.generation = NO_GENERATION;
    if (isAtHome(slot) || slot.state === "connecting") this.close(slot);
  }

  /**
   * Retires all connections.
   *
   * @param reason Why.
   */
  retireAll(reason: CloseReason): void {
    for (const slot of this.#parts.bag.slots()) this.retire(slot, reason);
  }

  /** Closes, in an orderly way, what nobody has; gives up connects under way. */
  closeUnused(): void {
    for (const slot of [...this.#parts.bag.slots()]) {
      if (isAtHome(slot) || slot.state === "connecting") this.close(slot);
    }
  }

  /** Closes all connections at once, whoever has them. */
  destroyAll(): void {
    for (const slot of [...this.#parts.bag.slots()]) this.destroy(slot);
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
