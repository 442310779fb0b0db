/**
 * Array types are learnt once, by one connection, before any other sends a statement.
 *
 * @module
 */

/** What is known of array types; may be shared by gates whose promises must not be. */
export interface TypeMemory {
  /** Whether they were learnt. */
  learnt: boolean;
  /** How often what was learnt was forgotten. */
  forgotten: number;
}

/**
 * Lets one opening through first, the one that learns the types; the others wait for it. A statement sent before would
 * have its arrays parsed as text for as long as its connection lives.
 */
export class TypeGate {
  readonly #memory: TypeMemory;
  #learning: Promise<void> | undefined;

  /** @param memory What is known already. */
  constructor(memory: TypeMemory = { learnt: false, forgotten: 0 }) {
    this.#memory = memory;
  }

  /**
   * Opens something, as the one that learns or after it.
   *
   * @param open Opens; told whether it is the one that learns.
   * @param signal Ends the wait.
   * @returns What `open` returns.
   */
  async enter<T>(open: (learn: boolean) => Promise<T>, signal?: AbortSignal): Promise<T> {
    while (!this.#memory.learnt) {
      signal?.throwIfAborted();
      if (this.#learning === undefined) return await this.#learn(open);
      // Who leaves early is told by its own deadline; the one that learns ends by its own, too.
      await this.#learning;
    }
    return await open(false);
  }

  #learn<T>(open: (learn: boolean) => Promise<T>): Promise<T> {
    const { forgotten } = this.#memory;
    const opening = open(true);
    this.#learning = opening.then(
      () => {
        // Forgotten meanwhile: the question may have been asked before what it is to learn was there.
        this.#memory.learnt = forgotten === this.#memory.forgotten;
      },
      () => {},
    ).finally(() => {
      this.#learning = undefined;
    });
    return opening;
  }

  /** What was learnt may no longer hold: the next opening learns anew. */
  forget(): void {
    this.#memory.forgotten++;
    this.#memory.learnt = false;
  }
}
