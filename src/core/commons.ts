/**
 * Which connections are shared by several leases.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { Driver } from "./driver.ts";
import type { Events } from "./observer.ts";
import type { Slot } from "./slot.ts";
import type { Trust } from "./trust.ts";

/** What is shared, and how it is judged. */
export interface CommonsParts<C> {
  /** Tells what a connection is doing, and asks for a sign of life. */
  readonly driver: Pick<Driver<C>, "status" | "ping">;
  /** Most connections that take shared leases. */
  readonly maxShared: number;
  /** Deadline of a check, in milliseconds. */
  readonly checkTimeoutMs: number;
  /** Source of time and timers. */
  readonly clock: Clock;
  /** Judges connections. */
  readonly trust: Pick<Trust<C>, "isTrusted" | "isRestless">;
  /** Whether the server cannot be had now. */
  readonly outage: { readonly on: boolean };
  /** Counts the doubts. */
  readonly generations: { readonly doubts: number };
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** Somebody who waits can have one now, or has to get another. */
  readonly changed: () => void;
  /** One was asked that its last holder had left meanwhile, and the server gave a sign of life, or did not. */
  readonly adopted: (slot: Slot<C>, ok: boolean) => void;
}

/**
 * The connections that are held by shared leases. One more lease is given the connection that has the fewest; never one
 * that is in a transaction, to be replaced, or in doubt: that one is asked for a sign of life first, behind what is in
 * flight. If none comes it takes no more leases; those that have it are not touched, as it may only be slow.
 *
 * At most `maxShared` take leases at any instant. Those that are busy, in doubt, or being asked count, as they may take
 * more when they have answered. Those that take none do not: they are to be replaced, or somebody has left them in a
 * transaction, and how long they are held is up to those who have them. Another may be shared in place of such a one; then
 * that other one goes before it, and it takes leases again only when one of those before it does not.
 */
export class Commons<C> {
  readonly #parts: CommonsParts<C>;
  /** The first `maxShared` of those that can take leases do. */
  readonly #slots: Slot<C>[] = [];
  readonly #asking = new Set<Slot<C>>();
  /** Those that are asked, and that nobody holds any more. */
  readonly #adopted = new Set<Slot<C>>();
  #leases = 0;
  /** The one that has just answered. */
  #answered: Slot<C> | undefined;

  /** @param parts What is shared, and how it is judged. */
  constructor(parts: CommonsParts<C>) {
    this.#parts = parts;
  }

  /** How many connections are held by shared leases. */
  get connections(): number {
    return this.#slots.length;
  }

  /** How many shared leases there are. */
  get leases(): number {
    return this.#leases;
  }

  /** How many shared connections are being asked for a sign of life; the answer of one that is gone nobody waits for. */
  get asking(): number {
    return this.#slots.filter((slot) => this.#asking.has(slot)).length;
  }

  /** How many more connections may be shared. Those that take no more leases do not count. */
  get free(): number {
    const taking = this.#slots.filter((slot) => this.#takes(slot)).length;
    return Math.max(0, this.#parts.maxShared - taking);
  }

  /** Those that take leases, if nothing speaks against it now. */
  *#taking(): Generator<Slot<C>, void, void> {
    let left = this.#parts.maxShared;
    for (const slot of this.#slots) {
      if (left === 0) return;
      if (!this.#takes(slot)) continue;
      left--;
      yield slot;
    }
  }

  #takes(slot: Slot<C>): boolean {
    const { connection, retiring, reason } = slot;
    if (connection === undefined) return false;
    const { driver, outage } = this.#parts;
    // An old connection is better than none.
    if (retiring && !(outage.on && reason === "worn")) return false;
    const status = driver.status(connection);
    return status === "idle" || status === "busy";
  }

  /**
   * Finds the connection with the fewest leases.
   *
   * @returns Its slot; `undefined` if none takes one more as it is.
   */
  find(): Slot<C> | undefined {
    let found: Slot<C> | undefined;
    for (const slot of this.#taking()) {
      if (found !== undefined && found.holders <= slot.holders) continue;
      if (!this.#isInDoubt(slot)) found = slot;
    }
    return found;
  }

  #isInDoubt(slot: Slot<C>): boolean {
    const { driver, trust } = this.#parts;
    if (slot === this.#answered) return false;
    // Being asked makes it busy, too.
    if (!trust.isTrusted(slot) || this.#asking.has(slot)) return true;
    // One that is busy need not be asked.
    return slot.connection !== undefined && driver.status(slot.connection) === "idle" &&
      trust.isRestless(slot);
  }

  /** Asks those in doubt for a sign of life. */
  ask(): void {
    for (const slot of [...this.#taking()]) {
      if (this.#isInDoubt(slot) && !this.#asking.has(slot)) void this.#ask(slot);
    }
  }

  async #ask(slot: Slot<C>): Promise<void> {
    const { driver, clock, checkTimeoutMs, generations, events, changed, adopted } = this.#parts;
    const { connection, steady } = slot;
    if (connection === undefined) return;
    this.#asking.add(slot);
    const { doubts } = generations;
    const epoch = steady?.epoch ?? 0;
    const since = clock.now();
    let ok = true;
    try {
      await withDeadline((signal) => driver.ping(connection, { signal }), {
        clock,
        timeoutMs: checkTimeoutMs,
        timeoutError: () => new Error(`no answer within ${checkTimeoutMs} ms`),
      });
    } catch {
      ok = false;
    }
    this.#asking.delete(slot);
    const isAdopted = this.#adopted.delete(slot) && slot.state === "checking";
    if (slot.holders === 0 && !isAdopted) return;
    events.tell("checked", { epoch, purpose: "lend", ok, checkMs: clock.now() - since });
    if (ok) {
      slot.cleared = doubts;
      slot.idleSince = clock.now();
    }
    if (isAdopted) return adopted(slot, ok);
    if (ok) this.#answered = slot;
    else {
      slot.retiring = true;
      slot.reason = "unanswered";
      slot.plainUntil = 0;
    }
    changed();
    this.#answered = undefined;
  }

  /**
   * The last one who had a connection has left it. If it is being asked for a sign of life, that it is busy says nothing, and
   * somebody waits for it.
   *
   * @param slot Its slot.
   * @returns Whether it is to be kept, as being checked, until it is told of as adopted.
   */
  adopts(slot: Slot<C>): boolean {
    if (!this.#asking.has(slot)) return false;
    this.#adopted.add(slot);
    return true;
  }

  /**
   * A connection is lent to one more.
   *
   * @param slot Its slot.
   * @param now The pool's time.
   */
  joined(slot: Slot<C>, now: number): void {
    if (slot.holders++ === 0) this.#add(slot);
    this.#leases++;
    slot.idleSince = now;
  }

  /**
   * One who had a connection has it no more.
   *
   * @param slot Its slot.
   * @returns Whether others still have it.
   */
  left(slot: Slot<C>): boolean {
    this.#leases--;
    if (--slot.holders > 0) return true;
    this.#remove(slot);
    return false;
  }

  /**
   * A connection is gone, whoever had it.
   *
   * @param slot Its slot.
   */
  forget(slot: Slot<C>): void {
    if (slot.holders === 0) return;
    this.#leases -= slot.holders;
    slot.holders = 0;
    this.#remove(slot);
  }

  /**
   * Has the connection with the fewest leases take no more, so that its place becomes free some time. Does nothing while
   * another was given up that is still held: those who share need one, too.
   */
  giveUpOne(): void {
    const slots = this.#slots;
    if (slots.some(({ retiring, reason }) => retiring && reason === "exchanged")) return;
    const slot = slots.filter(({ retiring }) => !retiring)
      .sort((a, b) => a.holders - b.holders)[0];
    if (slot === undefined) return;
    slot.retiring = true;
    slot.reason = "exchanged";
    slot.plainUntil = 0;
  }

  /** One more is shared, instead of those that take no leases now: if they could later, they would be one too many. */
  #add(slot: Slot<C>): void {
    const index = this.#slots.findIndex((other) => !this.#takes(other));
    this.#slots.splice(index < 0 ? this.#slots.length : index, 0, slot);
  }

  #remove(slot: Slot<C>): void {
    this.#slots.splice(this.#slots.indexOf(slot), 1);
  }
}
