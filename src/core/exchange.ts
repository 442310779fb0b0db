/**
 * Connections of one kind make room for the other.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Commons } from "./commons.ts";
import type { Demand } from "./demand.ts";
import type { Removal } from "./removal.ts";

/** What may make room, and for whom. */
export interface ExchangeParts<C> {
  /** Whether the pool lends. */
  readonly life: { readonly isOpen: boolean };
  /** The books. */
  readonly bag: Pick<Bag<C>, "oldestIdle" | "total" | "readers">;
  /** How much room is wanted. */
  readonly demand: Pick<Demand<C>, "inWay">;
  /** What is shared. */
  readonly commons: Pick<Commons<C>, "giveUpOne">;
  /** Closes what is in the way. */
  readonly removal: Pick<Removal<C>, "close">;
}

/**
 * Closes idle connections of the kind that nobody waits for when the pool is full and somebody waits for the other: the
 * limit is hard, and holds for both.
 */
export class Exchange<C> {
  readonly #parts: ExchangeParts<C>;

  /** @param parts What may make room, and for whom. */
  constructor(parts: ExchangeParts<C>) {
    this.#parts = parts;
  }

  /** Makes as much room as is wanted and can be had. */
  makeRoom(): void {
    if (!this.#parts.life.isOpen) return;
    this.#makeRoomFor(true);
    this.#makeRoomFor(false);
  }

  #makeRoomFor(reader: boolean): void {
    const { bag, demand, commons, removal } = this.#parts;
    for (let count = demand.inWay(reader); count > 0; count--) {
      const slot = bag.oldestIdle(!reader);
      if (slot !== undefined) removal.close(slot, "exchanged");
      // Else those who share could go on for ever among themselves.
      else if (!reader && bag.readers === bag.total) return commons.giveUpOne();
      else return;
    }
  }
}
