/**
 * How many single statements share a connection, and which one.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Driver } from "./driver.ts";
import { PipelineSearch } from "./pipeline_search.ts";
import type { Slot } from "./slot.ts";

/** Over how many statements is averaged: one slow in a hundred must not be forgotten in between … */
const MEMORY = 512;
/** … and what is rarer must be remembered for longer, as many more may be sent behind it. */
const LONG_MEMORY = 16_384;
/** A connection is stuck in a slow statement when it has not answered for so long, in milliseconds … */
const SLOW_MS = 10;
/** … and the others have each had so many turns meanwhile: else it is this process that is slow … */
const SLOW_TURNS = 4;
/**
 * … and more, the shorter that was, as where many processes share a processor a server is not served for a while by chance:
 * milliseconds times turns.
 */
const SLOW_MS_TURNS = 400;
/** Nothing was sent for a while, in milliseconds. */
const PAUSE_MS = 100;
/** Share of statements that may be sent behind a slow one. */
const UNLUCKY = 0.005;

/** How many connections are looked at for one that takes a statement. */
const LOOKS = 4;

/** What else there is for a statement. */
export interface Choice {
  /** Whether it could have a connection of its own, idle or yet to be opened. */
  readonly alone: boolean;
  /** How many wait. */
  readonly waiting: number;
}

/**
 * Packs single statements on few connections where that serves them sooner: one connection with ten statements costs one
 * write and one wake-up where ten connections cost ten. A {@linkcode PipelineSearch} finds out on how many.
 *
 * Each connection takes its fair share and no more; none where some statements are slow, as who is sent behind one of
 * those waits longer than in the queue; and none while it has not answered for a while.
 */
export class Multiplexer<C> {
  readonly #driver: Driver<C>;
  readonly #clock: Clock;
  readonly #maxPipeline: number;
  #search: PipelineSearch;
  /** The connection that takes the next statement, while it can. */
  #candidate: Slot<C> | undefined;
  /** Connections that are shared, and statements on them. */
  #connections = 0;
  #statements = 0;
  /** Time, in the clock's monotonic time, up to which `#areaMs` is summed up. */
  #summedAt = 0;
  #areaMs = 0;
  /** Share of statements that were slow, of late and in the long run. */
  #slow = 0;
  #slowEver = 0;
  /** How often another connection than the last one answered, and which one that was. */
  #turns = 0;
  #answering: Slot<C> | undefined;

  /**
   * @param driver Says whether a connection takes one more.
   * @param clock Measures.
   * @param limits `max`: most connections; `maxPipeline`: most statements in flight on one.
   */
  constructor(
    driver: Driver<C>,
    clock: Clock,
    limits: { readonly max: number; readonly maxPipeline: number },
  ) {
    this.#driver = driver;
    this.#clock = clock;
    this.#maxPipeline = limits.maxPipeline;
    this.#search = new PipelineSearch(limits.max);
  }

  /**
   * The pool has another limit: what was found out under the old one is forgotten.
   *
   * @param max Most connections.
   */
  resize(max: number): void {
    this.#search = new PipelineSearch(max);
  }

  /**
   * Finds a connection in use that takes one more statement.
   *
   * @param choice What else there is for it.
   * @returns Its slot, if there is one.
   */
  find(choice: Choice): Slot<C> | undefined {
    let slot = this.#candidate;
    for (let look = 0; look < LOOKS && slot !== undefined; look++) {
      if (this.takes(slot, choice)) return slot;
      slot = slot.right;
    }
    return undefined;
  }

  /**
   * Tells whether a connection takes one more statement.
   *
   * @param slot Its slot.
   * @param choice What else there is for the statement.
   * @returns `false` also when it is to be replaced, or has not answered for a while: nobody knows how long what it has in hand will take.
   */
  takes(slot: Slot<C>, choice: Choice): boolean {
    const { connection, shares } = slot;
    if (shares === 0 || slot.state !== "used" || slot.retiring || connection === undefined) {
      return false;
    }
    const { width } = this.#search;
    if (width === 0 || choice.alone && this.#connections < width) return false;
    return shares < this.#fairShare(width, choice.waiting) &&
      this.#clock.now() - slot.answeredAt < SLOW_MS &&
      this.#driver.canPipeline?.(connection) === true;
  }

  #fairShare(width: number, waiting: number): number {
    const share = Math.floor((this.#statements + waiting) / width) + 1;
    return Math.min(share, this.#maxPipeline, UNLUCKY / Math.max(this.#slow, this.#slowEver));
  }

  /**
   * A statement was given to a connection.
   *
   * @param slot Its slot.
   * @param waiting How many wait.
   */
  joined(slot: Slot<C>, waiting: number): void {
    if (this.#statements === 0) this.#begins();
    const now = this.#sum(waiting);
    if (slot.shares++ === 0) {
      this.#link(slot);
      slot.answeredAt = now;
      slot.turn = this.#turns;
    }
    this.#statements++;
    this.#candidate = slot;
  }

  /**
   * A statement is over.
   *
   * @param slot Its slot.
   * @param waiting How many wait.
   */
  left(slot: Slot<C>, waiting: number): void {
    const now = this.#sum(waiting);
    this.#search.completed(this.#areaMs, this.#statements + waiting, this.#statements);
    this.#areaMs = 0;
    if (slot !== this.#answering) {
      this.#answering = slot;
      this.#turns++;
    }
    const stuck = this.#connections > 1 &&
      isStuck(now - slot.answeredAt, (this.#turns - slot.turn) / this.#connections);
    const slow = stuck ? 1 : 0;
    this.#slow += (slow - this.#slow) / MEMORY;
    this.#slowEver += (slow - this.#slowEver) / LONG_MEMORY;
    slot.answeredAt = now;
    slot.turn = this.#turns;
    this.forget(slot, 1);
    if (slot.shares > 0) this.#candidate = slot;
  }

  /**
   * Statements are gone from a connection.
   *
   * @param slot Its slot.
   * @param count How many; all of them, if the connection is gone.
   */
  forget(slot: Slot<C>, count: number): void {
    if (count === 0) return;
    slot.shares -= count;
    this.#statements -= count;
    if (slot.shares > 0) return;
    this.#unlink(slot);
  }

  #link(slot: Slot<C>): void {
    const left = this.#candidate ?? slot;
    const right = left.right ?? slot;
    slot.left = left;
    slot.right = right;
    left.right = right.left = slot;
    this.#connections++;
  }

  #unlink(slot: Slot<C>): void {
    const { left = slot, right = slot } = slot;
    left.right = right;
    right.left = left;
    slot.left = slot.right = undefined;
    if (slot === this.#candidate) this.#candidate = right === slot ? undefined : right;
    if (slot === this.#answering) this.#answering = undefined;
    this.#connections--;
  }

  /** The first statement is sent since none was in flight: how long who waits has waited till now is no measure of anything. */
  #begins(): void {
    const now = this.#clock.now();
    if (now - this.#summedAt > PAUSE_MS) this.#search.pause();
    this.#summedAt = now;
  }

  /** Brings the sum of waiting and served statements over time up to now. */
  #sum(waiting: number): number {
    const now = this.#clock.now();
    this.#areaMs += (now - this.#summedAt) * (this.#statements + waiting);
    this.#summedAt = now;
    return now;
  }
}

function isStuck(silentMs: number, turns: number): boolean {
  return silentMs > SLOW_MS && turns > SLOW_TURNS && silentMs * turns > SLOW_MS_TURNS;
}
