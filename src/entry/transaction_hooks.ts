/**
 * What is done after a transaction.
 *
 * @module
 */

/** Functions that are called after a transaction, by how it ended. */
export class Hooks {
  #onCommit: (() => unknown)[] = [];
  #onRollback: ((error: unknown) => unknown)[] = [];

  /**
   * Adds one for the commit.
   *
   * @param fn Called once, after the server has confirmed it.
   */
  afterCommit(fn: () => unknown): void {
    this.#onCommit.push(fn);
  }

  /**
   * Adds one for the rollback.
   *
   * @param fn Called once, with what the transaction failed of.
   */
  afterRollback(fn: (error: unknown) => unknown): void {
    this.#onRollback.push(fn);
  }

  /**
   * Takes over those of a savepoint that is part of the transaction now.
   *
   * @param inner The savepoint's.
   */
  take(inner: Hooks): void {
    this.#onCommit.push(...inner.#onCommit);
    this.#onRollback.push(...inner.#onRollback);
  }

  /**
   * The transaction is in force.
   *
   * @returns Resolved when all were called; rejects with the first error of theirs.
   */
  async committed(): Promise<void> {
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
    for (const fn of this.#onRollback.splice(0)) {
      try {
        await fn(error);
      } catch {
        // The transaction's own error is on its way.
      }
    }
  }
}
