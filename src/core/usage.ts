/**
 * How much a pool is used.
 *
 * @module
 */

import type { Bag } from "./bag.ts";

import { type DurationStats, Histogram } from "./histogram.ts";
import type { Slot } from "./slot.ts";
import { Suggestion } from "./suggestion.ts";

/**
 * Counts acquires, and measures how long they wait and connections are used, by whole milliseconds of the pool's turn
 * clock. What happens at every acquire and release costs an increment or two.
 */
export class Usage<C> {
  readonly #bag: Pick<Bag<C>, "slots" | "counts">;
  readonly #suggestion = new Suggestion();
  readonly #waited = new Histogram();
  readonly #used = new Histogram();
  readonly #connected = new Histogram();
  /** Leases but the quick ones. */
  #acquires = 0;
  /** Leases that neither waited nor came after one that lasted, not by whole milliseconds. */
  #quick = 0;
  /** How long connections were shared. */
  #sharedMs = 0;
  #lastConnectMs = 0;

  /** @param bag The books. */
  constructor(bag: Pick<Bag<C>, "slots" | "counts">) {
    this.#bag = bag;
  }

  /** How long the last connect took, in milliseconds. */
  get lastConnectMs(): number {
    return this.#lastConnectMs;
  }

  /** Leases and single statements so far. */
  get acquires(): number {
    return this.#acquires + this.#quick;
  }

  /**
   * A connection is lent.
   *
   * @param slot Its slot.
   * @param now The time.
   */
  lent(slot: Slot<C>, now: number): void {
    this.#acquires++;
    slot.uses++;
    if (slot.shares + slot.holders < 2) slot.lentAt = now;
  }

  /**
   * {@linkcode Usage.lent} of a connection that nobody shares.
   *
   * @param slot Its slot.
   * @param now The time.
   */
  lentAlone(slot: Slot<C>, now: number): void {
    this.#acquires++;
    slot.uses++;
    slot.lentAt = now;
  }

  /**
   * A connection goes from a borrower who had it alone to the next one: {@linkcode Usage.over}, {@linkcode Usage.waited} and
   * {@linkcode Usage.lentAlone} in one.
   *
   * @param slot Its slot.
   * @param now The time.
   * @param since When the next one began to wait.
   */
  passedOn(slot: Slot<C>, now: number, since: number): void {
    if (slot.lentAt === now && since === now) {
      this.#quick++;
      slot.uses++;
    } else {
      this.#used.record(now - slot.lentAt);
      this.#waited.record(now - since);
      this.lentAlone(slot, now);
    }
  }

  /**
   * An acquire that waited is served.
   *
   * @param ms How long it had waited.
   */
  waited(ms: number): void {
    this.#waited.record(ms);
  }

  /**
   * A connection is in use no more, be it that it is given to the next.
   *
   * @param slot Its slot.
   * @param now The time.
   * @param shared Whether several had it at the same time.
   */
  over(slot: Slot<C>, now: number, shared: boolean): void {
    const ms = now - slot.lentAt;
    if (shared) this.#sharedMs += ms;
    else this.#used.record(ms);
  }

  /**
   * A connection was opened.
   *
   * @param ms How long that took.
   */
  connected(ms: number): void {
    this.#lastConnectMs = ms;
    this.#connected.record(ms);
  }

  /**
   * Looks at the demand, as has to be done every now and then.
   *
   * @param now The time.
   * @param inVain How many acquires got nothing so far.
   * @param waiting How many wait.
   */
  look(now: number, inVain: number, waiting: number): void {
    let usedMs = this.#used.sum + this.#sharedMs;
    for (const { state, lentAt } of this.#bag.slots()) {
      if (state === "used") usedMs += now - lentAt;
    }
    const served = this.acquires;
    this.#suggestion.look({ at: now, usedMs, asked: served + inVain + waiting, served });
  }

  /**
   * Sums up.
   *
   * @returns Counts and times.
   */
  stats(): {
    readonly acquires: number;
    readonly waits: number;
    readonly releases: number;
    readonly waitMs: DurationStats;
    readonly useMs: DurationStats;
    readonly connectMs: DurationStats;
    readonly suggestedMax: number | undefined;
  } {
    const { acquires } = this;
    const quick = this.#quick;
    const waits = this.#waited.stats(quick).count;
    return {
      acquires,
      waits,
      releases: acquires - this.#leases(),
      waitMs: this.#waited.stats(acquires - waits + quick),
      useMs: this.#used.stats(quick),
      connectMs: this.#connected.stats(),
      suggestedMax: this.#suggestion.size,
    };
  }

  /** Leases and single statements that are not over. */
  #leases(): number {
    let leases = 0;
    for (const { state, shares, holders } of this.#bag.slots()) {
      if (state === "used") leases += Math.max(1, shares + holders);
    }
    return leases;
  }
}
