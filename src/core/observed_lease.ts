/**
 * A lease whose end is told.
 *
 * @module
 */

import { type LeaseHome, PoolLease } from "./lease.ts";
import type { Events } from "./observer.ts";
import type { Slot } from "./slot.ts";
import type { TurnClock } from "./turn_clock.ts";

/** A lease that tells the observer when it ends. A class of its own, so that the others do not pay for it. */
export class ObservedLease<C> extends PoolLease<C> {
  readonly #events: Events;
  readonly #turn: Pick<TurnClock, "now">;
  readonly #since: number;
  readonly #shared: boolean;
  readonly #label: string | undefined;

  constructor(
    home: LeaseHome<C>,
    slot: Slot<C>,
    events: Events,
    turn: Pick<TurnClock, "now">,
    label: string | undefined,
  ) {
    super(home, slot);
    this.#events = events;
    this.#turn = turn;
    this.#since = turn.now();
    this.#shared = slot.shares > 0;
    this.#label = label;
  }

  override release(): void {
    this.#tell();
    super.release();
  }

  override destroy(): void {
    this.#tell();
    super.destroy();
  }

  #tell(): void {
    if (this.released) return;
    this.#events.tell("released", {
      epoch: this.epoch,
      heldMs: this.#turn.now() - this.#since,
      shared: this.#shared,
      label: this.#label,
    });
  }
}
