/**
 * What becomes of leases that are not given back.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Clock, Timer } from "./clock.ts";
import type { Driver } from "./driver.ts";
import { holderOf } from "./holders.ts";
import type { Events } from "./observer.ts";
import type { Slot } from "./slot.ts";

/** How often what is lent is looked at, in milliseconds. */
const LOOK_MS = 1_000;
/** So many leases in a millisecond no server can keep up with; to remember each would take a tenth of the time they take. */
const BUSY_PER_MS = 100;
/** After how many leases it is worth while to find out how fast they come. */
const PACED = 0x4000;

/** A lease that has been out for a while, as its connection remembers it. */
export interface WatchedLease<C> {
  /** What was lent. */
  readonly slot: Slot<C>;
  /** Whether the lease was garbage-collected. */
  collected: boolean;
}

/** Tells when an object was garbage-collected; the part of a `FinalizationRegistry` that is needed here. */
export interface Registry<T> {
  /**
   * Watches an object.
   *
   * @param target The object.
   * @param held What to tell when it was collected.
   */
  register(target: WeakKey, held: T): void;
}

/** What is watched, and who is told. */
export interface LeaseWatchParts<C> {
  /** Source of time and timers. */
  readonly clock: Clock;
  /** Held for so long, a lease is reported, in milliseconds. */
  readonly leakAfterMs: number;
  /** Tells what a connection is doing. */
  readonly driver: Pick<Driver<C>, "status">;
  /** The books. */
  readonly bag: Pick<Bag<C>, "slots">;
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** How many leases there have been. */
  readonly leases: () => number;
  /** Called at each look, with the time. */
  readonly looked: (now: number) => void;
  /** Looks at shared leases: of those that have one connection each is watched by itself. */
  readonly shares: { look(now: number): number };
  /** A connection was lent to somebody who forgot it. */
  readonly forgotten: (slot: Slot<C>) => void;
  /** Makes what tells of collected objects; `undefined` where there is nothing of the kind. */
  readonly registry: (<T>(collected: (held: T) => void) => Registry<T>) | undefined;
}

/**
 * Looks at what is lent, once a second while there is anything new: tells of leases that are held for too long, and finds those that
 * nobody can give back any more, because they were garbage-collected.
 *
 * To be watched by the engine costs more than to be lent. So a slot itself holds its lease, which costs nothing, until the
 * next look: only what is out then is handed to the engine, and let go of.
 */
export class LeaseWatch<C> {
  readonly #parts: LeaseWatchParts<C>;
  readonly #registry: Registry<WatchedLease<C>> | undefined;
  #timer: Timer | undefined;
  #remembers = true;
  #busy = false;
  /** When it was looked last, and how many leases there had been. */
  #lookedAt = 0;
  #leases = 0;

  /** @param parts What is watched, and who is told. */
  constructor(parts: LeaseWatchParts<C>) {
    this.#parts = parts;
    this.#registry = parts.registry<WatchedLease<C>>?.((watched) => this.#collected(watched));
  }

  /** Whether the next look is to come. */
  get isOn(): boolean {
    return this.#timer !== undefined;
  }

  /**
   * Whether slots are to remember what they lend: not while leases come and go as they only do where nothing is behind them.
   * A slot that does not must forget what was watched before, or its end would be taken for that of the lease it has.
   */
  get remembers(): boolean {
    return this.#remembers;
  }

  /** Whether nothing has to be done for a lease: the next look is to come, and no slot remembers. */
  get isBusy(): boolean {
    return this.#busy;
  }

  /** To be called every now and then: a process that is busy with nothing but leases has no turn for timers. */
  pace(): void {
    if (this.#timer === undefined || this.#parts.leases() - this.#leases < PACED) return;
    this.#pace(this.#parts.clock.now());
    this.#busy = !this.#remembers;
  }

  /** Something is lent; to be called when no look is to come. */
  begin(): void {
    this.#wait(Math.min(LOOK_MS, this.#parts.leakAfterMs));
  }

  /** Nothing is lent any more, for good. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#busy = false;
  }

  #wait(delayMs: number): void {
    this.#timer = this.#parts.clock.schedule(delayMs, () => this.#look());
    this.#timer.unref();
    this.#busy = !this.#remembers;
  }

  #look(): void {
    this.#timer = undefined;
    this.#busy = false;
    const { clock, bag, looked, shares } = this.#parts;
    const now = clock.now();
    looked(now);
    this.#pace(now);
    let nextMs = shares.look(now);
    for (const slot of [...bag.slots()]) {
      if (slot.state !== "used" || slot.holders > 0) continue;
      // Single statements that share a connection have an end of their own.
      nextMs = Math.min(
        nextMs,
        slot.shares > 0 ? LOOK_MS : Math.min(this.#leakIn(slot, now), this.#watch(slot)),
      );
    }
    // What is lent next comes with the next look if there is to be one anyway; else it begins anew.
    if (nextMs < Infinity && !this.isOn) this.#wait(Math.min(nextMs, LOOK_MS));
  }

  /** Finds out how fast leases come and go. */
  #pace(now: number): void {
    const leases = this.#parts.leases();
    this.#remembers = leases - this.#leases < BUSY_PER_MS * Math.max(1, now - this.#lookedAt);
    this.#leases = leases;
    this.#lookedAt = now;
    if (this.#remembers) return;
    // What is remembered may be over, and another lease out that is not.
    for (const slot of this.#parts.bag.slots()) slot.lease = slot.watched = undefined;
  }

  /** Tells of a lease that is held for too long, once; says in how many milliseconds it would be. */
  #leakIn(slot: Slot<C>, now: number): number {
    const { leakAfterMs, events } = this.#parts;
    if (slot.reported === slot.lentAt) return Infinity;
    const leftMs = slot.lentAt + leakAfterMs - now;
    if (leftMs > 0) return leftMs;
    slot.reported = slot.lentAt;
    events.tell("leaked", holderOf(slot, now));
    return Infinity;
  }

  /** Hands a lease to the engine, and lets go of it; says in how many milliseconds it has to be looked at again. */
  #watch(slot: Slot<C>): number {
    const { lease, watched } = slot;
    if (lease === undefined) {
      if (watched?.collected) this.#bury(watched);
      return slot.watched?.collected ? LOOK_MS : Infinity;
    }
    if (this.#registry !== undefined) {
      slot.watched = { slot, collected: false };
      this.#registry.register(lease, slot.watched);
      slot.lease = undefined;
    }
    return Infinity;
  }

  #collected(watched: WatchedLease<C>): void {
    const { slot } = watched;
    watched.collected = true;
    // Of a lease that was released nobody wants to know: its slot is free, or has another lease by now.
    if (slot.watched !== watched || slot.lease !== undefined || slot.state !== "used") return;
    if (slot.holders > 0) return;
    this.#bury(watched);
    if (slot.state === "used" && !this.isOn) this.begin();
  }

  /** Takes a connection back that was forgotten, as soon as no statement is under way that somebody may still wait for. */
  #bury({ slot }: WatchedLease<C>): void {
    const { clock, driver, events, forgotten } = this.#parts;
    if (slot.connection !== undefined && driver.status(slot.connection) === "busy") return;
    slot.watched = undefined;
    events.tell("collected", holderOf(slot, clock.now()));
    forgotten(slot);
  }
}

/** The engine's own registry, where there is one. */
export const engineRegistry: (<T>(collected: (held: T) => void) => Registry<T>) | undefined =
  typeof FinalizationRegistry === "function"
    ? <T>(collected: (held: T) => void) => new FinalizationRegistry<T>(collected)
    : undefined;
