/**
 * What becomes of connections that stay with an owner from scope to scope.
 *
 * @module
 */

import type { Clock, Timer } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { Driver } from "./driver.ts";
import type { Generations } from "./generations.ts";
import { type Lease, PoolLease } from "./lease.ts";
import type { LeaseWatch } from "./lease_watch.ts";
import type { Losses } from "./losses.ts";
import type { Events } from "./observer.ts";
import type { ResolvedPoolOptions } from "./options.ts";
import type { Slot } from "./slot.ts";
import type { Trust } from "./trust.ts";
import type { Usage } from "./usage.ts";

/** When a worn connection that could not be replaced is looked at again, in milliseconds. */
const AGAIN_MS = 10_000;

/** What such connections are judged by. */
export interface KeepingParts<C> {
  /** Asks for signs of life. */
  readonly driver: Pick<Driver<C>, "ping">;
  /** Source of time and timers. */
  readonly clock: Clock;
  /** When it is asked, and for how long it is waited. */
  readonly options: Pick<ResolvedPoolOptions, "checkAfterIdleMs" | "checkTimeoutMs" | "maxUses">;
  /** Tells what is worn, and what is in doubt. */
  readonly trust: Pick<Trust<C>, "isTrusted" | "isWorn">;
  /** Counts the doubts. */
  readonly generations: Pick<Generations, "doubts" | "answered">;
  /** Whether the pool lends nothing for the time being. */
  readonly suspension: { readonly on: boolean };
  /** Whether a connection may be kept: neither evicted, nor of a generation that has ended, nor one too many. */
  readonly isKept: (slot: Slot<C>) => boolean;
  /** Draws the conclusions from one that does not answer. */
  readonly losses: Pick<Losses<C>, "unanswered">;
  /** Looks after what is held for too long. */
  readonly watch: Pick<LeaseWatch<C>, "isOn" | "begin">;
  /** Counts and measures. */
  readonly usage: Pick<Usage<C>, "passedOn">;
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
}

/**
 * Judges connections that stay with an owner: what makes the pool close an idle connection, or ask on it for a sign of life
 * before it is lent, does so here between two scopes, never under one.
 */
export class Keeping<C> {
  readonly #parts: KeepingParts<C>;

  /** @param parts What such connections are judged by. */
  constructor(parts: KeepingParts<C>) {
    this.#parts = parts;
  }

  /**
   * Tells whether an owner may keep its connection. While the server cannot be had, or the pool lends nothing, an old
   * connection is better than none.
   *
   * @param lease The owner's lease; no scope has it.
   * @returns Whether; if not, or if there is none any more, it is to be given back.
   */
  mayStay(lease: Lease<C>): boolean {
    const slot = PoolLease.slotOf(lease);
    if (slot === undefined || slot.state !== "used") return false;
    const { trust, suspension, isKept } = this.#parts;
    if (isKept(slot) && (suspension.on || !trust.isWorn(slot))) return true;
    // Whoever looked at it of late did not see this.
    slot.plainUntil = 0;
    return false;
  }

  /**
   * Tells whether the server has to give a sign of life on a connection before its owner uses it again.
   *
   * @param lease The owner's lease.
   * @param idleMs For how long it was not used, in milliseconds.
   * @returns Whether.
   */
  isInDoubt(lease: Lease<C>, idleMs: number): boolean {
    const slot = PoolLease.slotOf(lease);
    const { options, trust } = this.#parts;
    return idleMs >= options.checkAfterIdleMs || slot !== undefined && !trust.isTrusted(slot);
  }

  /**
   * Asks the server for a sign of life. Without one the connection is lost to its owner, and others of its age are in doubt.
   *
   * @param lease The owner's lease.
   * @returns Whether there was one; never rejects.
   */
  async check(lease: Lease<C>): Promise<boolean> {
    const slot = PoolLease.slotOf(lease);
    if (slot === undefined) return false;
    const { driver, clock, options, generations, losses, events } = this.#parts;
    const { checkTimeoutMs: timeoutMs } = options;
    const { connection, epoch } = lease;
    const { doubts } = generations;
    const since = clock.now();
    const tell = (ok: boolean): void =>
      events.tell("checked", { epoch, purpose: "lend", ok, checkMs: clock.now() - since });
    let isTold = false;
    const failed = (): Error => {
      if (!isTold) tell(false);
      isTold = true;
      // Given back, or lost, meanwhile: somebody else has drawn the conclusions.
      if (!lease.released && slot.state === "used") losses.unanswered(slot);
      return new Error(`no answer within ${timeoutMs} ms`);
    };
    try {
      await withDeadline((signal) => driver.ping(connection, { signal }), {
        clock,
        timeoutMs,
        // It is given up before the call is: what that does to it is no second loss.
        timeoutError: failed,
      });
    } catch {
      failed();
      return false;
    }
    tell(true);
    if (slot.state !== "used") return false;
    slot.cleared = doubts;
    generations.answered();
    return true;
  }

  /**
   * A scope has its owner's connection once more: that is a use as any other.
   *
   * @param lease The owner's lease.
   */
  usedAgain(lease: Lease<C>): void {
    const slot = PoolLease.slotOf(lease);
    if (slot === undefined) return;
    const { clock, options, usage, watch } = this.#parts;
    if (options.maxUses !== Infinity) slot.steady?.countUse();
    const now = clock.now();
    usage.passedOn(slot, now, now);
    slot.reported = -1;
    if (!watch.isOn) watch.begin();
  }

  /**
   * No scope has its owner's connection: to keep it is no leak.
   *
   * @param lease The owner's lease.
   */
  rests(lease: Lease<C>): void {
    const slot = PoolLease.slotOf(lease);
    if (slot !== undefined) slot.reported = slot.lentAt;
  }

  /**
   * Calls back when a connection will be too old to be kept; after a pause, if it is already, and has to be kept.
   *
   * @param lease The owner's lease.
   * @param fn What to call.
   * @returns Ends the wait; `undefined` if it never will be.
   */
  whenWorn(lease: Lease<C>, fn: () => void): Timer | undefined {
    const at = PoolLease.slotOf(lease)?.steady?.wornAt ?? Infinity;
    if (at === Infinity) return undefined;
    const { clock } = this.#parts;
    const now = clock.now();
    const timer = clock.schedule(at > now ? at - now : AGAIN_MS, fn);
    timer.unref();
    return timer;
  }
}
