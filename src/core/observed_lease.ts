/**
 * A lease whose begin and end are told.
 *
 * @module
 */

import { type LeaseHome, PoolLease } from "./lease.ts";
import type { Events } from "./observer.ts";
import type { Slot } from "./slot.ts";
import type { TurnClock } from "./turn_clock.ts";

/** A lease that tells the observer. A class of its own, so that the others do not pay for it. */
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
    this.#shared = slot.shares + slot.holders > 0;
    this.#label = label;
  }

  /**
   * Tells that it was acquired.
   *
   * @param waitMs How long it was waited for, in milliseconds.
   */
  begin(waitMs: number): void {
    this.#tell("acquired", this.#since, waitMs);
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
    const now = this.#turn.now();
    this.#tell("released", now, now - this.#since);
  }

  #tell(name: "acquired" | "released", at: number, ms: number): void {
    this.#events.tellLease(name, at, this.epoch, ms, this.#shared, this.#label);
  }
}
