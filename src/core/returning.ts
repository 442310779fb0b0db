/**
 * What becomes of a connection that is given back.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import { clean, cleaningNeeded, type CleaningOptions } from "./cleaning.ts";
import type { ConnectionStatus, Driver, ResetLevel } from "./driver.ts";
import type { LeaseHome } from "./lease.ts";
import type { Clock } from "./clock.ts";
import type { Lending } from "./lending.ts";
import type { Events } from "./observer.ts";
import type { Removal } from "./removal.ts";
import type { Slot } from "./slot.ts";
import type { Trust } from "./trust.ts";
import type { Usage } from "./usage.ts";

/** Where connections that come back can go. */
export interface ReturningParts<C> {
  /** Tells what a connection is doing. */
  readonly driver: Driver<C>;
  /** How much is cleaned. */
  readonly options: CleaningOptions<C>;
  /** Source of time. */
  readonly clock: Pick<Clock, "now">;
  /** The books. */
  readonly bag: Pick<Bag<C>, "move">;
  /** Judges what comes back. */
  readonly trust: Trust<C>;
  /** Counts the doubts. */
  readonly generations: { readonly doubts: number };
  /** Closes what cannot be lent again. */
  readonly removal: Pick<Removal<C>, "close" | "destroy">;
  /** Lends on what can. */
  readonly lending: Pick<
    Lending<C>,
    "passOn" | "offer" | "welcome" | "leftToOthers" | "leftToHolders" | "isStillAsked"
  >;
  /** Counts and measures. */
  readonly usage: Pick<Usage<C>, "over">;
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** Whether a connection may be lent again at all. */
  readonly isLendable: (slot: Slot<C>) => boolean;
  /** The server has answered on a connection that nobody has. */
  readonly answered: (slot: Slot<C>, doubts: number) => void;
  /** A borrower has left its connection, which nobody can have yet: who waits may be allowed another one now. */
  readonly left: () => void;
  /** A worn connection is in use for want of another. */
  readonly replaceLater: (reader: boolean) => void;
}

/**
 * Takes connections back: closed is what cannot be trusted any more, cleaned what is dirty, off the borrower's path; the
 * rest is lent on or kept.
 */
export class Returning<C> implements LeaseHome<C> {
  readonly #parts: ReturningParts<C>;
  readonly #driver: Driver<C>;
  readonly #clock: Pick<Clock, "now">;
  readonly #usage: Pick<Usage<C>, "over">;
  readonly #trust: Trust<C>;
  readonly #lending: ReturningParts<C>["lending"];

  /** @param parts Where connections that come back can go. */
  constructor(parts: ReturningParts<C>) {
    this.#parts = parts;
    this.#driver = parts.driver;
    this.#clock = parts.clock;
    this.#usage = parts.usage;
    this.#trust = parts.trust;
    this.#lending = parts.lending;
  }

  takeBack(slot: Slot<C>): void {
    const { connection } = slot;
    // Lost, or destroyed at the end of close, while it was lent.
    if (slot.state !== "used" || connection === undefined) return;
    // Before anything is judged: a look at the clock may raise doubts.
    const now = this.#clock.now();
    const lending = this.#lending;
    const isHeld = slot.holders > 0;
    const isPacked = slot.shares > 0;
    if (isHeld && lending.leftToHolders(slot) || isPacked && lending.leftToOthers(slot)) return;
    const status = this.#driver.status(connection);
    const trust = this.#trust;
    if (status === "idle" && trust.isPlain(slot) && trust.isTrusted(slot)) {
      if (!isHeld && !isPacked) return lending.passOn(slot, now);
      this.#usage.over(slot, now, true);
      return lending.offer(slot);
    }
    if (status === "busy" || status === "unknown") {
      return this.#takeBackBusy(slot, now, isHeld);
    }
    this.#usage.over(slot, now, isHeld || isPacked);
    this.#takeBackWithCare(slot, status, isPacked);
  }

  #takeBackBusy(slot: Slot<C>, now: number, isHeld: boolean): void {
    const { removal, isLendable, left } = this.#parts;
    if (isHeld && isLendable(slot) && this.#lending.isStillAsked(slot)) {
      this.#usage.over(slot, now, true);
      return left();
    }
    removal.destroy(slot, "dirty");
  }

  /**
   * Takes a connection back that was left while it was asked for a sign of life, and has given one.
   *
   * @param slot Its slot; being checked until now.
   */
  takeBackAsked(slot: Slot<C>): void {
    const { connection } = slot;
    if (connection === undefined) return;
    const status = this.#driver.status(connection);
    // By a statement that was sent after it was asked.
    if (status === "busy" || status === "unknown") this.#parts.removal.destroy(slot, "dirty");
    else this.#takeBackWithCare(slot, status, false);
  }

  #takeBackWithCare(slot: Slot<C>, status: ConnectionStatus, isPacked: boolean): void {
    const { removal, isLendable, left, replaceLater, options } = this.#parts;
    if (!isLendable(slot) || this.#trust.isWornByNow(slot)) {
      removal.close(slot);
      return left();
    }
    if (slot.retiring) replaceLater(slot.reader);
    const level = cleaningNeeded(options.reset, status, isPacked);
    if (level === "none") this.#lending.welcome(slot);
    else {
      void this.#clean(slot, level);
      left();
    }
  }

  discard(slot: Slot<C>): void {
    // Who shares it has no right to.
    if (slot.holders > 0) return this.takeBack(slot);
    if (slot.state === "used") this.#parts.removal.destroy(slot, "destroyed");
  }

  async #clean(slot: Slot<C>, level: ResetLevel): Promise<void> {
    const { steady } = slot;
    if (steady === undefined) return;
    const { clock, bag, options, generations, events, answered, removal } = this.#parts;
    bag.move(slot, "resetting");
    const cleaning = slot.cleaning = new AbortController();
    const { doubts } = generations;
    const { epoch } = steady;
    const since = clock.now();
    const isClean = await clean(this.#driver, steady, level, options, cleaning.signal);
    slot.cleaning = undefined;
    if (slot.state !== "resetting") return;
    events.tell("reset", { epoch, level, ok: isClean, resetMs: clock.now() - since });
    // Whatever the reason: a connection that cannot be cleaned is not lent again.
    if (isClean) answered(slot, doubts);
    else removal.destroy(slot, "dirty");
  }
}
