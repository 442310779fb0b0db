/**
 * What a loss means for the connections that are left.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Driver, LossScope } from "./driver.ts";
import { type Generations, scopeOfLoss } from "./generations.ts";
import type { Events } from "./observer.ts";
import { isAtHome, type Removal } from "./removal.ts";
import type { Slot } from "./slot.ts";
import type { SlowStart } from "./slow_start.ts";

/** What is lost, and what that changes. */
export interface LossesParts<C> {
  /** Knows how far a loss reaches. */
  readonly driver: Driver<C>;
  /** Whether the pool lends. */
  readonly life: { readonly isOpen: boolean };
  /** The books. */
  readonly bag: Pick<Bag<C>, "slots">;
  /** Counts doubts and generations. */
  readonly generations: Generations;
  /** Paces the connects that follow the end of a generation. */
  readonly slowStart: Pick<SlowStart, "begin">;
  /** Takes connections out. */
  readonly removal: Removal<C>;
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** Called when a generation ended: who keeps a connection of it is to give that back. */
  readonly ended: () => void;
  /** Called when a place became free. */
  readonly freed: () => void;
}

/** Takes lost connections out of the pool and draws the conclusions: doubts, or the end of the present generation. */
export class Losses<C> {
  readonly #parts: LossesParts<C>;

  /** @param parts What is lost, and what that changes. */
  constructor(parts: LossesParts<C>) {
    this.#parts = parts;
  }

  /**
   * Tells whether a connection may be lent again, once it is clean and trusted.
   *
   * @param slot Its slot.
   * @returns `false` if the pool is closing, or the generation of the connection has ended.
   */
  isLendable(slot: Slot<C>): boolean {
    const { life, generations } = this.#parts;
    return life.isOpen && slot.generation === generations.current;
  }

  /**
   * An open connection was lost.
   *
   * @param slot Its slot; gone from now on.
   * @param cause What is known of the loss.
   */
  lost(slot: Slot<C>, cause: unknown): void {
    const { driver, removal, events, freed } = this.#parts;
    const { state } = slot;
    const scope = scopeOfLoss(driver, cause);
    const asked = state === "checking";
    // What broke it was our own deadline: nobody answered.
    const mute = scope === "own" && (asked || state === "resetting");
    const reach = mute ? "doubt" : scope;
    if (state !== "closing") {
      events.tell("lost", { epoch: slot.steady?.epoch ?? 0, scope: reach, state, cause });
    }
    removal.drop(slot);
    this.note(slot, reach, asked);
    freed();
  }

  /**
   * A connection gave no sign of life.
   *
   * @param slot Its slot; gone from now on.
   */
  unanswered(slot: Slot<C>): void {
    const { removal, freed } = this.#parts;
    removal.discard(slot, "unanswered");
    this.note(slot, "single", true);
    freed();
  }

  /**
   * Draws the conclusions from a loss; who calls this has to wake who waits.
   *
   * @param slot What was lost; gone by now.
   * @param scope How far the loss reaches.
   * @param asked Whether the server was being asked for a sign of life.
   */
  note(slot: Slot<C>, scope: LossScope, asked = false): void {
    // That the old ones go is no news.
    if (!this.isLendable(slot)) return;
    const { generations } = this.#parts;
    const all = asked && scope !== "generation"
      ? generations.unanswered()
      : generations.lost(scope);
    if (all) this.#condemn();
  }

  /**
   * Somebody says that the server is no good any more.
   *
   * @param connection Where that was seen; any connection, when not given.
   */
  condemn(connection: C | undefined): void {
    const { life, generations, freed } = this.#parts;
    if (!life.isOpen) return;
    if (connection !== undefined && !this.#isPresent(connection)) return;
    if (generations.mayCondemn()) this.#condemn();
    freed();
  }

  #isPresent(connection: C): boolean {
    const { bag, generations } = this.#parts;
    for (const slot of bag.slots()) {
      if (slot.connection === connection) return slot.generation === generations.current;
    }
    return false;
  }

  /** The present generation ends; who calls this has to wake who waits. */
  #condemn(): void {
    const { bag, generations, slowStart, removal, events, ended } = this.#parts;
    const { current } = generations;
    const present = [...bag.slots()].filter(({ generation }) => generation === current);
    if (present.length === 0) return;
    slowStart.begin();
    generations.end();
    events.tell("condemned", { connections: present.length });
    for (const slot of present) {
      removal.retire(slot, "condemned");
      if (slot.state === "connecting") removal.close(slot);
      else if (isAtHome(slot)) removal.discard(slot);
    }
    ended();
  }
}
