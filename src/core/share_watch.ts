/**
 * What becomes of shared leases that are not given back.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Driver } from "./driver.ts";
import type { LeaseHome, PoolLease } from "./lease.ts";
import type { Registry } from "./lease_watch.ts";
import type { Events } from "./observer.ts";
import type { Site } from "./site.ts";
import type { Slot } from "./slot.ts";

/** How often is looked whether what is under way on a connection that was forgotten is over, in milliseconds. */
const LOOK_MS = 1_000;

/**
 * A share that is out: of several leases of one connection each has to be known by itself. It is where its lease goes to, so
 * that it ends with that.
 */
export class WatchedShare<C> implements LeaseHome<C> {
  /** What was lent. */
  readonly slot: Slot<C>;
  /** Where it was asked for, if that is known. */
  readonly site: Site | undefined;
  /** Since when it is out, by the pool's turn clock. */
  readonly since: number;
  /** The lease, until the engine watches it: held any longer it could not be collected. */
  lease: PoolLease<C> | undefined = undefined;
  /** Whether it was told of for being out for too long. */
  reported = false;
  /** Whether the lease was garbage-collected. */
  collected = false;
  readonly #home: LeaseHome<C>;
  readonly #over: (share: WatchedShare<C>) => void;

  /**
   * @param slot What is lent.
   * @param site Where it was asked for, if that is known.
   * @param since Since when it is out.
   * @param home Takes it back.
   * @param over Called when it is given back.
   */
  constructor(
    slot: Slot<C>,
    site: Site | undefined,
    since: number,
    home: LeaseHome<C>,
    over: (share: WatchedShare<C>) => void,
  ) {
    this.slot = slot;
    this.site = site;
    this.since = since;
    this.#home = home;
    this.#over = over;
  }

  takeBack(slot: Slot<C>): void {
    this.#over(this);
    this.#home.takeBack(slot);
  }

  discard(slot: Slot<C>): void {
    this.#over(this);
    this.#home.discard(slot);
  }
}

/** What is watched, and who is told. */
export interface ShareWatchParts<C> {
  /** Source of time. */
  readonly clock: Pick<Clock, "now">;
  /** Held for so long, a share is reported, in milliseconds. */
  readonly leakAfterMs: number;
  /** Tells what a connection is doing. */
  readonly driver: Pick<Driver<C>, "status">;
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** Makes what tells of collected objects; `undefined` where there is nothing of the kind. */
  readonly registry: (<T>(collected: (held: T) => void) => Registry<T>) | undefined;
  /** Has {@linkcode ShareWatch.look} called within a second. */
  readonly wake: () => void;
}

/**
 * Tells of shares that are held for too long, and gives those back that nobody can give back any more, because they were
 * garbage-collected. Their connection is not closed: others have it, and a share has no part of its session to itself.
 *
 * As with exclusive leases only what is out at a look is handed to the engine, as most are back before.
 */
export class ShareWatch<C> {
  readonly #parts: ShareWatchParts<C>;
  readonly #registry: Registry<WatchedShare<C>> | undefined;
  readonly #shares = new Set<WatchedShare<C>>();
  readonly #over = (share: WatchedShare<C>): void => void this.#shares.delete(share);

  /** @param parts What is watched, and who is told. */
  constructor(parts: ShareWatchParts<C>) {
    this.#parts = parts;
    this.#registry = parts.registry<WatchedShare<C>>?.((share) => this.#collected(share));
  }

  /** How many shares are out, for all that is known. */
  get size(): number {
    return this.#shares.size;
  }

  /**
   * A connection is lent to one more.
   *
   * @param slot Its slot.
   * @param site Where it was asked for, if that is known.
   * @param now The time.
   * @param home Takes it back.
   * @returns Where its lease is to go to; has to be given the lease.
   */
  begin(slot: Slot<C>, site: Site | undefined, now: number, home: LeaseHome<C>): WatchedShare<C> {
    const share = new WatchedShare(slot, site, now, home, this.#over);
    this.#shares.add(share);
    return share;
  }

  /**
   * Looks at all that is out.
   *
   * @param now The time.
   * @returns In how many milliseconds it has to be looked again; `Infinity` if not before another is lent.
   */
  look(now: number): number {
    let nextMs = Infinity;
    for (const share of this.#shares) {
      this.#hand(share);
      if (share.slot.state !== "used") this.#shares.delete(share);
      else if (share.collected) nextMs = Math.min(nextMs, this.#bury(share) ? Infinity : LOOK_MS);
      else nextMs = Math.min(nextMs, this.#leakIn(share, now));
    }
    return nextMs;
  }

  /** Hands a lease to the engine, and lets go of it. */
  #hand(share: WatchedShare<C>): void {
    const { lease } = share;
    if (lease === undefined) return;
    this.#registry?.register(lease, share);
    share.lease = undefined;
  }

  /** Tells of a share that is held for too long, once; says in how many milliseconds it would be. */
  #leakIn(share: WatchedShare<C>, now: number): number {
    if (share.reported) return Infinity;
    const leftMs = share.since + this.#parts.leakAfterMs - now;
    if (leftMs > 0) return leftMs;
    share.reported = true;
    this.#tell("leaked", share, now);
    return Infinity;
  }

  #collected(share: WatchedShare<C>): void {
    // Nobody wants to know of one that was given back.
    if (!this.#shares.has(share)) return;
    share.collected = true;
    if (!this.#bury(share)) this.#parts.wake();
  }

  /** Gives a share back that was forgotten; not the last one while somebody may still wait for a statement. */
  #bury(share: WatchedShare<C>): boolean {
    const { clock, driver } = this.#parts;
    const { slot } = share;
    const { connection } = slot;
    if (slot.state === "used") {
      const isLast = slot.holders === 1;
      if (isLast && connection !== undefined && driver.status(connection) === "busy") return false;
      this.#tell("collected", share, clock.now());
      share.takeBack(slot);
    } else this.#shares.delete(share);
    return true;
  }

  #tell(event: "leaked" | "collected", { slot, site, since }: WatchedShare<C>, now: number): void {
    this.#parts.events.tell(event, {
      epoch: slot.steady?.epoch ?? 0,
      heldMs: now - since,
      label: site?.label,
      stack: site?.stack,
    });
  }
}
