/**
 * How long those wait for one more connection who could share one that there is.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Clock, Timer } from "./clock.ts";
import type { Slot } from "./slot.ts";
import type { Waiter } from "./waiter.ts";

/** Whatever takes no longer is waited for, in milliseconds … */
const LEAST_MS = 100;
/** … as is what takes no longer than so many times what the last connect took … */
const FACTOR = 2;
/** … but nothing that takes longer than this. */
const MOST_MS = 1_000;
/** Nor is anything waited for longer than this part of a waiter's time. */
const PART = 0.5;

/** What is waited for, and who has to know that it takes too long. */
export interface PatienceParts<C> {
  /** Source of time and timers. */
  readonly clock: Clock;
  /** How many there may be. */
  readonly sizes: { readonly max: number };
  /** The books. */
  readonly bag: Pick<Bag<C>, "slots" | "total">;
  /** How long the last connect took that succeeded, in milliseconds. */
  readonly lastConnectMs: () => number;
  /** Called when something takes too long from now on. */
  readonly over: () => void;
}

/**
 * Tells whether it is worth while to wait for one more connection where one could be shared at once: connects, checks and
 * closes that hang would hold up everybody until their deadlines.
 */
export class Patience<C> {
  readonly #parts: PatienceParts<C>;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  /** @param parts What is waited for, and who has to know that it takes too long. */
  constructor(parts: PatienceParts<C>) {
    this.#parts = parts;
  }

  /**
   * Tells whether who is next has waited long enough, or waits for something that takes too long.
   *
   * @param reader Whether a read-only connection is waited for.
   * @param waiter Who is next, if not somebody who has come just now.
   * @returns Whether what can be shared is to be shared.
   */
  isOver(reader: boolean, waiter: Waiter<C> | undefined): boolean {
    const { clock, bag } = this.#parts;
    const now = clock.now();
    if (waiter !== undefined && leftOf(waiter, now) <= 0) return true;
    for (const slot of bag.slots()) if (this.#leftOf(slot, reader, now) <= 0) return true;
    return false;
  }

  /**
   * Counts connects that take too long.
   *
   * @param reader Whether of read-only connections.
   * @returns How many.
   */
  hanging(reader: boolean): number {
    const { clock, bag } = this.#parts;
    const now = clock.now();
    let count = 0;
    for (const slot of bag.slots()) {
      if (slot.state !== "connecting" || slot.reader !== reader) continue;
      if (this.#leftOf(slot, reader, now) <= 0) count++;
    }
    return count;
  }

  /**
   * Has `over` called when who is next has waited long enough, or something takes too long.
   *
   * @param waiter Who is next, and could share.
   */
  begin(waiter: Waiter<C>): void {
    const { clock, bag } = this.#parts;
    const now = clock.now();
    let nextMs = Infinity;
    const consider = (leftMs: number): void => {
      if (leftMs > 0) nextMs = Math.min(nextMs, leftMs);
    };
    consider(leftOf(waiter, now));
    for (const slot of bag.slots()) consider(this.#leftOf(slot, waiter.wish.reader, now));
    if (now + nextMs < this.#timerAt) this.#arm(now, nextMs);
  }

  #arm(now: number, delayMs: number): void {
    const { clock, over } = this.#parts;
    this.#timer?.cancel();
    this.#timerAt = now + delayMs;
    this.#timer = clock.schedule(delayMs, () => {
      this.stop();
      over();
    });
    // Who waits has a deadline, and keeps the process alive by that.
    this.#timer.unref();
  }

  /** Nobody waits any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }

  /** For how many milliseconds something may go on that is waited for; `Infinity` if it is not. */
  #leftOf({ state, reader, begunAt }: Slot<C>, forReader: boolean, now: number): number {
    const { sizes, bag, lastConnectMs } = this.#parts;
    // Connects of the other kind take turns with those of this one; a place in a full pool is of use to both.
    const isWaitedFor = state === "connecting" || state === "checking" && reader === forReader ||
      state === "closing" && bag.total >= sizes.max;
    if (!isWaitedFor) return Infinity;
    const limitMs = Math.min(MOST_MS, Math.max(LEAST_MS, FACTOR * lastConnectMs()));
    return begunAt + limitMs - now;
  }
}

/** For how many milliseconds somebody waits for more than is needed. */
function leftOf<C>({ since, timeoutMs }: Waiter<C>, now: number): number {
  // Who must not queue has no deadline.
  return timeoutMs === 0 ? Infinity : Math.ceil(since + timeoutMs * PART - now);
}
