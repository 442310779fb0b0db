/**
 * The statements of one connection that wait to be sent.
 *
 * @module
 */

import type { Statement } from "./statement.ts";

/**
 * Statements in the order in which they are to be sent. Each is linked to its neighbours by its own `previous` and `next`:
 * one that is given up leaves without a search.
 */
export class WaitingStatements {
  #first: Statement | undefined;
  #last: Statement | undefined;

  /** The one that is sent next. */
  get first(): Statement | undefined {
    return this.#first;
  }

  /**
   * Adds one behind all others.
   *
   * @param statement Linked to none.
   */
  add(statement: Statement): void {
    statement.previous = this.#last;
    if (this.#last === undefined) this.#first = statement;
    else this.#last.next = statement;
    this.#last = statement;
  }

  /**
   * Adds one before all others.
   *
   * @param statement Linked to none.
   */
  addFirst(statement: Statement): void {
    statement.next = this.#first;
    if (this.#first === undefined) this.#last = statement;
    else this.#first.previous = statement;
    this.#first = statement;
  }

  /**
   * Tells whether a statement waits.
   *
   * @param statement Given to this connection before.
   * @returns Whether it is among these.
   */
  has(statement: Statement): boolean {
    return statement === this.#first || statement.previous !== undefined;
  }

  /**
   * Takes one out.
   *
   * @param statement One of these.
   */
  delete(statement: Statement): void {
    const { previous, next } = statement;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    statement.previous = statement.next = undefined;
  }

  /** Forgets all of them; their links are left to who takes them over. */
  clear(): void {
    this.#first = this.#last = undefined;
  }
}
