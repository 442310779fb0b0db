/**
 * What is done after a transaction.
 *
 * @module
 */

import { ScopeError } from "../core/errors.ts";

/** Functions that are called after a transaction, by how it ended. */
export class Hooks {
  /** How it ended: what comes later is never called. */
  #end: { readonly error: unknown } | "committed" | undefined;
  #onCommit: (() => unknown)[] = [];
  #onRollback: ((error: unknown) => unknown)[] = [];

  /**
   * Adds one for the commit.
   *
   * @param fn Called once, after the server has confirmed it.
   * @throws {ScopeError} If it has ended.
   */
  afterCommit(fn: () => unknown): void {
    this.#checkOpen();
    this.#onCommit.push(fn);
  }

  /**
   * Adds one for the rollback.
   *
   * @param fn Called once, with what the transaction failed of.
   * @throws {ScopeError} If it has ended.
   */
  afterRollback(fn: (error: unknown) => unknown): void {
    this.#checkOpen();
    this.#onRollback.push(fn);
  }

  /**
   * Takes over those of a savepoint that is part of the transaction now.
   *
   * @param inner The savepoint's.
   * @returns What the transaction failed of, if it was rolled back before: then those for that are to be called, and are
   * not taken over.
   */
  take(inner: Hooks): { readonly error: unknown } | undefined {
    if (this.#end !== undefined && this.#end !== "committed") return this.#end;
    this.#onCommit.push(...inner.#onCommit);
    this.#onRollback.push(...inner.#onRollback);
    return undefined;
  }

  #checkOpen(): void {
    if (this.#end === undefined) return;
    throw new ScopeError("Cannot have a function called after the transaction as that has ended");
  }

  /**
   * The transaction is in force.
   *
   * @returns Resolved when all were called; rejects with the first error of theirs.
   */
  async committed(): Promise<void> {
    this.#end = "committed";
    const failures: unknown[] = [];
    for (const fn of this.#onCommit.splice(0)) {
      try {
        await fn();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /**
   * Nothing of it is in force.
   *
   * @param error What it failed of.
   * @returns Resolved when all were called; what they throw is less worth knowing than why they were.
   */
  async rolledBack(error: unknown): Promise<void> {
    this.#end = { error };
    for (const fn of this.#onRollback.splice(0)) {
      try {
        await fn(error);
      } catch {
        // The transaction's own error is on its way.
      }
    }
  }
}
