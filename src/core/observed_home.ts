/**
 * Tells when exclusive leases end.
 *
 * @module
 */

import type { LeaseHome } from "./lease.ts";
import type { Events } from "./observer.ts";
import type { Slot } from "./slot.ts";

/**
 * Takes exclusive leases back and tells the observer. What has to be told is in the slot, as nobody else has it: so the leases
 * need nothing of their own for it.
 */
export class ObservedHome<C> implements LeaseHome<C> {
  readonly #home: LeaseHome<C>;
  readonly #events: Events;

  /**
   * @param home Takes them back.
   * @param events Who watches.
   */
  constructor(home: LeaseHome<C>, events: Events) {
    this.#home = home;
    this.#events = events;
  }

  takeBack(slot: Slot<C>): void {
    this.#tell(slot);
    this.#home.takeBack(slot);
  }

  discard(slot: Slot<C>): void {
    this.#tell(slot);
    this.#home.discard(slot);
  }

  #tell({ steady, lentAt, site }: Slot<C>): void {
    const now = this.#events.now();
    this.#events.tellReleased(now, steady?.epoch ?? 0, now - lentAt, false, site?.label);
  }
}
