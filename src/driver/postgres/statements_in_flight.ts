/**
 * The statements of one connection that were sent and are not over.
 *
 * @module
 */

import type { Statement } from "./statement.ts";
import type { WireTap } from "./wire_tap.ts";

/**
 * Statements in flight, oldest first, linked by their own `next`; more than one only of those that are pipelined. How far
 * each has got is told by its place among what left and what was answered, as the tap counts them.
 */
export class StatementsInFlight {
  readonly #tap: WireTap;
  #oldest: Statement | undefined;
  #newest: Statement | undefined;
  /** The first of them that has not left yet. */
  #leaving: Statement | undefined;
  /** The last of them that porsager was given. */
  lastOfPorsager: Statement | undefined = undefined;
  /** Whether another may be sent behind the newest. */
  followable = false;

  /** @param tap Of their connection. */
  constructor(tap: WireTap) {
    this.#tap = tap;
  }

  /** The one that the server executes, as far as is known. */
  get oldest(): Statement | undefined {
    return this.#oldest;
  }

  /** The one that was sent last. */
  get newest(): Statement | undefined {
    return this.#newest;
  }

  /** Whether there are several. */
  get areSeveral(): boolean {
    return this.#oldest !== this.#newest;
  }

  /**
   * Adds the only one.
   *
   * @param statement To be sent now; none other is in flight.
   */
  start(statement: Statement): void {
    this.#oldest = this.#newest = this.#leaving = statement;
    statement.executesBefore = this.#tap.executesSent;
    statement.syncsBefore = this.#tap.syncsSent;
  }

  /**
   * Adds one behind the others; each has one Execute and one Sync.
   *
   * @param statement To be sent now.
   * @param oldest The oldest of the others.
   */
  follow(statement: Statement, oldest: Statement): void {
    const newest = this.#newest ?? oldest;
    statement.executesBefore = newest.executesBefore + 1;
    statement.syncsBefore = newest.syncsBefore + 1;
    newest.next = statement;
    this.#newest = statement;
    this.#leaving ??= statement;
  }

  /** Bytes left: a statement is on its way as soon as what executes it is among them. */
  wrote(): void {
    const { executesSent } = this.#tap;
    let statement = this.#leaving;
    for (; statement !== undefined; statement = statement.next) {
      if (executesSent <= statement.executesBefore) break;
      if (statement.evidence === "unsent") statement.evidence = "sent";
    }
    this.#leaving = statement;
  }

  /**
   * Tells whether the server has said the last of a statement: nothing that comes later is about it.
   *
   * @param statement Given to this connection before.
   * @returns Whether it is answered.
   */
  isAnswered(statement: Statement): boolean {
    // Of one that porsager does not hear of the answer may have come and not be read.
    if (statement.known !== undefined) return statement.isRead;
    return statement.evidence !== "unsent" && statement.syncsBefore < this.#tap.syncsAnswered;
  }

  /**
   * Takes out the oldest, if it is answered and not the newest: that one is over when all is quiet.
   *
   * @returns The statement, if it was taken.
   */
  takeAnswered(): Statement | undefined {
    const oldest = this.#oldest;
    if (oldest === undefined || oldest === this.#newest) return undefined;
    if (oldest.syncsBefore >= this.#tap.syncsAnswered) return undefined;
    this.#oldest = oldest.next;
    oldest.next = undefined;
    return oldest;
  }

  /**
   * Takes out all of them.
   *
   * @returns The oldest, still linked to the others.
   */
  takeAll(): Statement | undefined {
    const oldest = this.#oldest;
    this.#oldest =
      this.#newest =
      this.#leaving =
      this.lastOfPorsager =
        undefined;
    return oldest;
  }
}
