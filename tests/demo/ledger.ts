/**
 * The client's own record of what it ordered and what it was told.
 *
 * @module
 */

import type { Order, Receipt } from "./order.ts";

/**
 * How an order ended for the client: it has the receipt; it was told that the order is surely not taken; or it does not
 * know.
 */
export type Fate = "acknowledged" | "failed" | "unknown";

/** One order as the client remembers it. */
export interface Entry {
  readonly order: Order;
  readonly fate: Fate;
  /** What the receipt says it costs; only of those acknowledged. */
  readonly totalCents?: number;
}

/** The record. */
export class Ledger {
  readonly #entries = new Map<string, Entry>();
  readonly #acknowledged: string[] = [];
  readonly #surprises: string[] = [];

  /** All orders that have ended. */
  get entries(): ReadonlyMap<string, Entry> {
    return this.#entries;
  }

  /** How many orders are acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  /** What the service said that can't be true, given what it said before. */
  get surprises(): readonly string[] {
    return this.#surprises;
  }

  /**
   * The receipt came.
   *
   * @param order The order.
   * @param receipt Its receipt.
   */
  acknowledge(order: Order, { totalCents, repeated }: Receipt): void {
    this.#entries.set(order.id, { order, fate: "acknowledged", totalCents });
    this.#acknowledged.push(order.id);
    // An order is sent again only after the word that it had no effect.
    if (repeated) this.surprise(`order ${order.id} was said to have no effect, but had been taken`);
  }

  /**
   * The order ended otherwise.
   *
   * @param order The order.
   * @param fate How.
   */
  end(order: Order, fate: "failed" | "unknown"): void {
    this.#entries.set(order.id, { order, fate });
  }

  /**
   * The service said what can't be true.
   *
   * @param what What.
   */
  surprise(what: string): void {
    this.#surprises.push(what);
  }

  /** @returns One of the orders acknowledged, any; undefined if there is none. */
  pick(): Entry | undefined {
    const id = this.#acknowledged[Math.floor(Math.random() * this.#acknowledged.length)];
    return id === undefined ? undefined : this.#entries.get(id);
  }
}
