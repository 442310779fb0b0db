/**
 * A set that rarely has more than one in it.
 *
 * @module
 */

/** A set in the order of what was added, that takes no memory of its own before there is a second one. */
export class FewSet<T extends object> implements Iterable<T> {
  /** The only one, as long as there never were two. */
  #only: T | undefined;
  #all: Set<T> | undefined;

  /** How many are in it. */
  get size(): number {
    if (this.#all !== undefined) return this.#all.size;
    return this.#only === undefined ? 0 : 1;
  }

  /** The only one in it, if there never were two. */
  get only(): T | undefined {
    return this.#only;
  }

  /**
   * Adds one.
   *
   * @param item Which; nothing is done for one that is in it.
   */
  add(item: T): void {
    if (this.#all !== undefined) this.#all.add(item);
    else if (this.#only === undefined) this.#only = item;
    else if (this.#only !== item) {
      this.#all = new Set([this.#only, item]);
      this.#only = undefined;
    }
  }

  /**
   * Takes one out; does nothing for one that is not in it.
   *
   * @param item Which.
   */
  delete(item: T): void {
    if (this.#all !== undefined) this.#all.delete(item);
    else if (this.#only === item) this.#only = undefined;
  }

  [Symbol.iterator](): Iterator<T> {
    return (this.#all ?? (this.#only === undefined ? [] : [this.#only])).values();
  }
}
