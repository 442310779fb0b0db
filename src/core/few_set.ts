/**
 * A set that is nearly always empty.
 *
 * @module
 */

/** A set in the order of what was added, that takes no memory of its own before anything is. */
export class FewSet<T> implements Iterable<T> {
  #items: Set<T> | undefined;

  /** How many are in it. */
  get size(): number {
    return this.#items === undefined ? 0 : this.#items.size;
  }

  /**
   * Adds one.
   *
   * @param item Which; nothing is done for one that is in it.
   */
  add(item: T): void {
    this.#items ??= new Set();
    this.#items.add(item);
  }

  /**
   * Takes one out.
   *
   * @param item Which.
   * @returns Whether it was in it.
   */
  delete(item: T): boolean {
    return this.#items !== undefined && this.#items.delete(item);
  }

  [Symbol.iterator](): Iterator<T> {
    return (this.#items ?? []).values();
  }
}
