/**
 * Which connections are asked for a sign of life.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Clock } from "./clock.ts";
import type { Demand } from "./demand.ts";
import type { Lending } from "./lending.ts";
import type { CheckedEvent, Events } from "./observer.ts";
import type { Slot } from "./slot.ts";

/** What is checked, and who is told. */
export interface CheckingParts<C> {
  /** Deadline of a check, in milliseconds. */
  readonly checkTimeoutMs: number;
  /** Source of time. */
  readonly clock: Pick<Clock, "now">;
  /** Whether the pool lends. */
  readonly life: { readonly isOpen: boolean };
  /** The books. */
  readonly bag: Pick<Bag<C>, "top" | "readerTop" | "checking" | "move">;
  /** How many are wanted. */
  readonly demand: Pick<Demand<C>, "of">;
  /** Finds and lends what needs no check. */
  readonly lending: Pick<Lending<C>, "mayServe" | "takeReady" | "serve">;
  /** Counts the doubts. */
  readonly generations: { readonly doubts: number };
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** The server has answered: the slot, and how many doubts there had been when it was asked. */
  readonly answered: (slot: Slot<C>, doubts: number) => void;
  /** It has not. */
  readonly unanswered: (slot: Slot<C>) => void;
}

/** Checks idle connections: those that cannot be lent as they are, when somebody waits for one, and whichever is named. */
export class Checking<C> {
  readonly #parts: CheckingParts<C>;

  /** @param parts What is checked, and who is told. */
  constructor(parts: CheckingParts<C>) {
    this.#parts = parts;
  }

  /** Checks as many as are wanted: connects under way may take longer. What needs no check is lent. */
  checkIdle(): void {
    this.#checkSome(false);
    if (this.#parts.bag.readerTop !== undefined) this.#checkSome(true);
  }

  #checkSome(reader: boolean): void {
    const { life, bag, demand, lending } = this.#parts;
    while (lending.mayServe && life.isOpen && bag.checking(reader) < demand.of(reader)) {
      const ready = lending.takeReady(reader);
      const slot = reader ? bag.readerTop : bag.top;
      if (ready !== undefined) {
        if (!lending.serve(ready)) return;
      } else if (slot !== undefined) void this.check(slot, "lend");
      else return;
    }
  }

  /**
   * Asks the server for a sign of life on a connection.
   *
   * @param slot Its slot, idle; `checking` until the answer.
   * @param purpose What for.
   * @returns Resolved when the connection is idle again, lent, or gone. Never rejected.
   */
  async check(slot: Slot<C>, purpose: CheckedEvent["purpose"]): Promise<void> {
    const { steady } = slot;
    if (steady === undefined) return;
    const { clock, bag, checkTimeoutMs, generations, events, answered, unanswered } = this.#parts;
    bag.move(slot, "checking");
    const { doubts } = generations;
    const { epoch } = steady;
    const since = slot.begunAt = clock.now();
    const isAlive = await steady.check({ timeoutMs: checkTimeoutMs });
    if (slot.state !== "checking") return;
    const checkMs = clock.now() - since;
    events.tell("checked", { epoch, purpose, ok: isAlive, checkMs });
    if (isAlive) answered(slot, doubts);
    else unanswered(slot);
  }
}
