/**
 * A lease of a connection that others have, too, whose begin and end are told.
 *
 * @module
 */

import { type LeaseHome, PoolLease } from "./lease.ts";
import type { Events } from "./observer.ts";
import type { Slot } from "./slot.ts";

/** A lease that tells the observer. A class of its own, so that the others do not pay for it. */
export class ObservedLease<C> extends PoolLease<C> {
  readonly #events: Events;
  readonly #since: number;
  readonly #shared: boolean;
  readonly #label: string | undefined;

  constructor(
    home: LeaseHome<C>,
    slot: Slot<C>,
    events: Events,
    label: string | undefined,
  ) {
    super(home, slot);
    this.#events = events;
    this.#since = events.now();
    this.#shared = slot.shares + slot.holders > 0;
    this.#label = label;
  }

  /**
   * Tells that it was acquired.
   *
   * @param waitMs How long it was waited for, in milliseconds.
   */
  begin(waitMs: number): void {
    this.#events.tellAcquired(this.#since, this.epoch, waitMs, this.#shared, this.#label);
  }

  override release(): void {
    this.#end();
    super.release();
  }

  override destroy(): void {
    this.#end();
    super.destroy();
  }

  #end(): void {
    if (this.released) return;
    const now = this.#events.now();
    this.#events.tellReleased(now, this.epoch, now - this.#since, this.#shared, this.#label);
  }
}
