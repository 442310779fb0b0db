/**
 * Whether a connection can be lent as it is.
 *
 * @module
 */

import type { Generations } from "./generations.ts";
import type { Slot } from "./slot.ts";
import type { TurnClock } from "./turn_clock.ts";

/** Idle for so long or less, a connection has not grown old meanwhile; and a busy one is judged no more often. */
const FRESH_MS = 1_000;

/** What connections are judged by. */
export interface TrustOptions {
  /** How long one may be idle and be lent without asking the server, in milliseconds. */
  readonly checkAfterIdleMs: number;
  /** How long one may be idle at all, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** Whether each return needs a second look, be it for the uses or for cleaning. */
  readonly looksTwice: boolean;
}

/**
 * Judges connections: trusted or in doubt, rested or idle for too long, worn or not. What is asked at every acquire and
 * release costs a few comparisons; what costs more is asked once a second.
 */
export class Trust<C> {
  readonly #turn: TurnClock;
  readonly #generations: Pick<Generations, "doubts">;
  readonly #outage: { readonly on: boolean };
  readonly #checkAfterIdleMs: number;
  readonly #looksTwice: boolean;
  /** Idle for so long or less, a connection that is trusted is lent without a second look. */
  readonly #freshMs: number;

  /**
   * @param turn Source of time; may raise doubts when it is read.
   * @param generations Counts the doubts.
   * @param outage Whether the server cannot be had now.
   * @param options Limits.
   */
  constructor(
    turn: TurnClock,
    generations: Pick<Generations, "doubts">,
    outage: { readonly on: boolean },
    options: TrustOptions,
  ) {
    this.#turn = turn;
    this.#generations = generations;
    this.#outage = outage;
    this.#checkAfterIdleMs = options.checkAfterIdleMs;
    this.#looksTwice = options.looksTwice;
    this.#freshMs = options.checkAfterIdleMs === 0
      ? -1
      : Math.min(FRESH_MS, options.checkAfterIdleMs, options.idleTimeoutMs);
  }

  /**
   * Tells whether an idle connection can be lent without a second look.
   *
   * @param slot Its slot.
   * @returns `false` if it needs that look, whatever that will find.
   */
  isFresh(slot: Slot<C>): boolean {
    // The time first: a look at the clock may raise doubts.
    return this.#turn.now() - slot.idleSince <= this.#freshMs && !slot.retiring &&
      this.isTrusted(slot);
  }

  /**
   * Tells whether an idle connection has been so for too long to be lent unasked.
   *
   * @param slot Its slot.
   * @returns Whether the server has to give a sign of life first.
   */
  isRestless(slot: Slot<C>): boolean {
    const idleMs = this.#turn.now() - slot.idleSince;
    return this.#checkAfterIdleMs === 0 || idleMs > this.#checkAfterIdleMs;
  }

  /**
   * Tells whether the server has given a sign of life on a connection since there were doubts.
   *
   * @param slot Its slot.
   * @returns Whether nothing has been heard since that speaks against it.
   */
  isTrusted(slot: Slot<C>): boolean {
    return slot.cleared === this.#generations.doubts;
  }

  /**
   * Tells whether a connection has been used, or has lived, as long as it may. An old connection is better than none:
   * while the server cannot be had, none is too old.
   *
   * @param slot Its slot.
   * @returns Whether it is to be closed.
   */
  isWorn(slot: Slot<C>): boolean {
    return slot.steady?.worn() === true && !this.#outage.on;
  }

  /**
   * {@linkcode Trust.isWorn} where it is asked often: age is looked at once a second. One that is worn retires.
   *
   * @param slot Its slot.
   * @returns Whether it is to be closed.
   */
  isWornByNow(slot: Slot<C>): boolean {
    if (this.isPlain(slot)) return false;
    if (slot.steady?.worn() === true) slot.retiring = true;
    else if (!this.#looksTwice) slot.plainUntil = this.#turn.latest + FRESH_MS;
    return slot.retiring && !this.#outage.on;
  }

  /**
   * Tells whether a connection has been looked at of late. Under load somebody always looks at the clock: it need not be
   * looked at here.
   *
   * @param slot Its slot.
   * @returns Whether no second look is needed when it comes back idle and trusted.
   */
  isPlain(slot: Slot<C>): boolean {
    return slot.plainUntil > this.#turn.latest;
  }
}
