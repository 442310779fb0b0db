/**
 * How many connections are kept although nobody waits for them.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Clock } from "./clock.ts";
import { Outage } from "./outage.ts";
import type { Sizes } from "./sizing.ts";

/** After so many milliseconds without a setback the first pause is short again. */
const FORGET_MS = 60_000;

/** A pause of the stock is no outage: each failed connect is told by itself. */
const QUIET = { tell: (): void => {} };

/** What is kept in stock, and for whom. */
export interface StockParts<C> {
  /** Source of time, timers and chance. */
  readonly clock: Clock;
  /** How many are kept. */
  readonly sizes: Pick<Sizes, "minIdle">;
  /** The books. */
  readonly bag: Pick<Bag<C>, "counts" | "coming" | "idleOf">;
  /** How many those who wait will take. */
  readonly demand: { of(reader: boolean): number };
  /** Called when the next connect may be tried. */
  readonly retry: () => void;
}

/**
 * Keeps the stock: tells when there is too little of it, and paces what is done about that. Nobody waits for it, so a server
 * that refuses for good, or ends each new connection at once, must not be stormed: with each setback the pause before the
 * next connect gets longer. Who waits for a connection is not held up by that.
 */
export class Stock<C> {
  readonly #parts: StockParts<C>;
  readonly #pause: Outage;
  #failedAt = -Infinity;

  /** @param parts What is kept in stock, and for whom. */
  constructor(parts: StockParts<C>) {
    this.#parts = parts;
    this.#pause = new Outage(parts.clock, Infinity, parts.retry, QUIET);
  }

  /** Whether fewer connections are idle, or will be, than there should be. */
  get isLow(): boolean {
    const { sizes, bag, demand } = this.#parts;
    const stocked = bag.coming(false) + bag.idleOf(false) + bag.counts.resetting;
    return stocked - demand.of(false) < sizes.minIdle;
  }

  /**
   * Tells whether a connect for the stock may be tried now; if not, `retry` is called when it may.
   *
   * @returns `false` in a pause, and after one while another connect is under way.
   */
  mayTry(): boolean {
    const pause = this.#pause;
    if (!pause.on) return true;
    if (!pause.mayTry) pause.wait(false);
    return pause.mayTry && this.#parts.bag.counts.connecting === 0;
  }

  /**
   * A connect failed for good, or what it opened did not last.
   *
   * @param error Why.
   */
  failed(error: unknown): void {
    const now = this.#parts.clock.now();
    if (now - this.#failedAt > FORGET_MS) this.#pause.ended();
    this.#failedAt = now;
    this.#pause.failed(error);
  }

  /** The pool closes: no pause, and no timer. */
  stop(): void {
    this.#pause.ended();
    this.#failedAt = -Infinity;
  }
}
