/**
 * Array types are learnt once, by one connection, before any other sends a statement.
 *
 * @module
 */

/**
 * Lets one opening through first, the one that learns the types; the others wait for it. A statement sent before would
 * have its arrays parsed as text for as long as its connection lives.
 */
export class TypeGate {
  #learnt = false;
  #learning: Promise<void> | undefined;
  /** How often what was learnt was forgotten. */
  #forgotten = 0;

  /**
   * Opens something, as the one that learns or after it.
   *
   * @param open Opens; told whether it is the one that learns.
   * @param signal Ends the wait.
   * @returns What `open` returns.
   */
  async enter<T>(open: (learn: boolean) => Promise<T>, signal?: AbortSignal): Promise<T> {
    while (!this.#learnt) {
      signal?.throwIfAborted();
      if (this.#learning === undefined) return await this.#learn(open);
      // Who leaves early is told by its own deadline; the one that learns ends by its own, too.
      await this.#learning;
    }
    return await open(false);
  }

  #learn<T>(open: (learn: boolean) => Promise<T>): Promise<T> {
    const forgotten = this.#forgotten;
    const opening = open(true);
    this.#learning = opening.then(
      () => {
        // Forgotten meanwhile: the question may have been asked before what it is to learn was there.
        this.#learnt = forgotten === this.#forgotten;
      },
      () => {},
    ).finally(() => {
      this.#learning = undefined;
    });
    return opening;
  }

  /** What was learnt may no longer hold: the next opening learns anew. */
  forget(): void {
    this.#forgotten++;
    this.#learnt = false;
  }
}
