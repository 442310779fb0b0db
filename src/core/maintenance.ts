/**
 * How connections that nobody uses are looked after.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Clock, Timer } from "./clock.ts";
import type { CloseReason } from "./observer.ts";
import type { ResolvedPoolOptions } from "./options.ts";
import type { Sizes } from "./sizing.ts";
import type { Slot } from "./slot.ts";
import type { Trust } from "./trust.ts";

/** When what could not be done when it was due is looked at again, in milliseconds. */
const AGAIN_MS = 10_000;

/** What is looked after. */
export interface MaintenanceParts<C> {
  /** Source of time and timers. */
  readonly clock: Clock;
  /** When what is due. */
  readonly options: Pick<ResolvedPoolOptions, "idleTimeoutMs" | "keepaliveMs" | "maxLifetimeMs">;
  /** How many are kept. */
  readonly sizes: Pick<Sizes, "minIdle">;
  /** Whether the pool lends. */
  readonly life: { readonly isOpen: boolean };
  /** The books. */
  readonly bag: Pick<Bag<C>, "counts" | "idle" | "idleOf" | "slots">;
  /** Tells what is worn. */
  readonly trust: Pick<Trust<C>, "isWorn">;
  /** Whether the server cannot be had: old connections are better than none then. */
  readonly outage: { readonly on: boolean };
  /** How many connects could be started now. */
  readonly room: () => number;
  /** Opens a connection that is to replace another. */
  readonly replace: (slot: Slot<C>) => void;
  /** Closes one. */
  readonly close: (slot: Slot<C>, reason?: CloseReason) => void;
  /** Asks for a sign of life on one; never rejected. */
  readonly check: (slot: Slot<C>) => Promise<void>;
  /** Called when some may have been closed. */
  readonly closed: () => void;
}

/**
 * Looks after idle connections: closes those that have not been used for too long and those that are worn, and asks for signs
 * of life on those that have given none for long. One timer, set for what is due first; none while nothing is idle.
 *
 * Connections are used in the reverse order of their last use, so that as many as have been unused for some time were not
 * needed in that time: of those as many are kept as there should be idle.
 */
export class Maintenance<C> {
  readonly #parts: MaintenanceParts<C>;
  /** Whether anything is ever due but the closing of the unused. */
  readonly #ages: boolean;
  /** Whether what is due first cannot be earlier because of a connection that becomes idle. */
  #covers: boolean;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  /** Whether a sign of life is being asked for: one at a time, as who comes shall find the others. */
  #asking = false;

  /** @param parts What is looked after. */
  constructor(parts: MaintenanceParts<C>) {
    this.#parts = parts;
    const { idleTimeoutMs, keepaliveMs, maxLifetimeMs } = parts.options;
    this.#ages = keepaliveMs !== Infinity || maxLifetimeMs !== Infinity;
    this.#covers = !this.#ages && idleTimeoutMs === Infinity;
  }

  /** A connection became idle. */
  kept(): void {
    if (!this.#covers) this.#kept();
  }

  #kept(): void {
    const { bag, sizes } = this.#parts;
    const first = this.#ages && this.#timer === undefined;
    if (first || bag.idleOf(true) > 0 || bag.idleOf(false) > sizes.minIdle) this.look();
  }

  /** Connections have come or changed: finds out anew what is due first. */
  look(): void {
    const { clock, options, life, bag } = this.#parts;
    if (!this.#ages && options.idleTimeoutMs === Infinity) return;
    // Read first, as that tells whether the machine slept.
    clock.now();
    const idle = bag.idle();
    if (idle.length === 0 || !life.isOpen) return this.stop();
    const surplus = this.#surplus(idle);
    this.#covers = surplus !== undefined || options.idleTimeoutMs === Infinity;
    this.#arm(Math.min(this.#unusedAt(surplus), this.#wornAt(), this.#quietAt(idle)));
  }

  /** Of the idle that are more than there should be, the one that has been unused for longest but for those that stay. */
  #surplus(idle: readonly Slot<C>[]): Slot<C> | undefined {
    const stocked = idle.filter(({ reader }) => !reader)[this.#parts.sizes.minIdle];
    const reader = idle.find(({ reader }) => reader);
    if (stocked === undefined || reader === undefined) return stocked ?? reader;
    return stocked.usedAt < reader.usedAt ? stocked : reader;
  }

  /** Whether there would be too few without it. Read-only ones are no stock. */
  #isNeeded({ reader }: Slot<C>): boolean {
    const { bag, sizes } = this.#parts;
    return !reader && bag.idleOf(false) <= sizes.minIdle;
  }

  #unusedAt(surplus: Slot<C> | undefined): number {
    if (surplus === undefined) return Infinity;
    const { clock, options, outage } = this.#parts;
    const at = surplus.usedAt + options.idleTimeoutMs;
    return outage.on ? Math.max(at, clock.now() + AGAIN_MS) : at;
  }

  #wornAt(): number {
    const { clock, bag, outage } = this.#parts;
    const now = clock.now();
    let first = Infinity;
    for (const slot of bag.slots()) {
      let at = slot.steady?.wornAt ?? Infinity;
      if (at <= now) {
        // What is lent is looked at when it comes back; what is to be replaced first, when that is done.
        if (slot.state !== "idle") continue;
        if (outage.on || this.#isNeeded(slot)) at = now + AGAIN_MS;
      }
      first = Math.min(first, at);
    }
    return first;
  }

  #quietAt(idle: readonly Slot<C>[]): number {
    if (this.#asking) return Infinity;
    return this.#quietest(idle).idleSince + this.#parts.options.keepaliveMs;
  }

  #quietest(idle: readonly Slot<C>[]): Slot<C> {
    return idle.reduce((first, slot) => slot.idleSince < first.idleSince ? slot : first);
  }

  #arm(at: number): void {
    if (at === this.#timerAt) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = at;
    if (at === Infinity) return;
    const { clock } = this.#parts;
    this.#timer = clock.schedule(Math.max(0, at - clock.now()), () => {
      this.#timer = undefined;
      this.#timerAt = Infinity;
      this.#run();
    });
    this.#timer.unref();
  }

  #run(): void {
    const { clock, closed } = this.#parts;
    clock.now();
    this.closeUnused();
    this.#closeWorn();
    this.#keepAlive();
    closed();
    this.look();
  }

  /**
   * Tells whether an idle connection has been unused for too long.
   *
   * @param slot Its slot.
   * @returns Whether it is to be closed, unless it is one of those that are kept.
   */
  isUnused(slot: Slot<C>): boolean {
    const { clock, options } = this.#parts;
    return clock.now() - slot.usedAt >= options.idleTimeoutMs;
  }

  /** Closes what has been unused for too long, but for as many as are kept; those first that were used least lately. */
  closeUnused(): void {
    const { bag, outage, sizes, close } = this.#parts;
    if (outage.on) return;
    const unused = bag.idle().filter((slot) => this.isUnused(slot));
    let spare = unused.filter(({ reader }) => !reader).length - sizes.minIdle;
    for (const slot of unused) {
      if (slot.reader || spare-- > 0) close(slot, "idle");
    }
  }

  /** Closes what is worn; where that would leave too few, another is opened first, if there is room. */
  #closeWorn(): void {
    const { bag, trust, room, replace, close } = this.#parts;
    const worn = bag.idle().filter((slot) => trust.isWorn(slot));
    // These first: one that cannot be replaced yet must not keep them, or their end would be due without end.
    for (const slot of worn) if (!this.#isNeeded(slot)) close(slot);
    for (const slot of worn) {
      if (slot.state !== "idle") continue;
      if (room() > 0) return replace(slot);
      if (bag.counts.connecting === 0) close(slot);
    }
  }

  #keepAlive(): void {
    const { clock, options, bag, check } = this.#parts;
    const idle = bag.idle();
    if (this.#asking || idle.length === 0) return;
    const quietest = this.#quietest(idle);
    if (clock.now() - quietest.idleSince < options.keepaliveMs) return;
    this.#asking = true;
    void check(quietest).then(() => {
      this.#asking = false;
      this.look();
    });
  }

  /**
   * The machine slept, and the monotonic clock with it: what is idle is older than it seems.
   *
   * @param gapMs For how long, in milliseconds.
   */
  slept(gapMs: number): void {
    if (gapMs <= 0) return;
    const { clock, bag } = this.#parts;
    for (const slot of bag.idle()) {
      slot.usedAt -= gapMs;
      slot.idleSince -= gapMs;
    }
    if (this.#timer !== undefined) this.#arm(clock.now());
  }

  /** Nothing is left to look after. */
  stop(): void {
    this.#covers = !this.#ages && this.#parts.options.idleTimeoutMs === Infinity;
    this.#arm(Infinity);
  }
}
