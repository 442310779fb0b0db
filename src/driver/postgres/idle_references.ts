/**
 * Lets idle connections go of the process, a moment later and all at once.
 *
 * @module
 */

/** How long an idle connection may hold the process, in milliseconds. */
const GRACE_MS = 10;

/** A connection that may hold the process. */
export interface Referenced {
  /** Lets the process exit although the connection is open, unless something waits on it by now. */
  unrefIfIdle(): void;
}

/**
 * A busy pool's connections are idle for microseconds between two statements. To let go of the process and take hold of
 * it again each time costs more than the rest of the pool does, so who becomes idle is looked at once more after a
 * moment, by a timer that itself holds the process: nobody leaves early, and an idle pool holds it for that moment only.
 */
export class IdleReferences {
  readonly #watched = new Set<Referenced>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * A connection became idle.
   *
   * @param connection Still referenced.
   */
  watch(connection: Referenced): void {
    this.#watched.add(connection);
    this.#timer ??= setTimeout(() => this.#sweep(), GRACE_MS);
  }

  /**
   * A connection is gone.
   *
   * @param connection Watched or not.
   */
  forget(connection: Referenced): void {
    this.#watched.delete(connection);
    if (this.#watched.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    this.#timer = undefined;
    for (const connection of this.#watched) connection.unrefIfIdle();
    // Who was busy comes again when it is idle.
    this.#watched.clear();
  }
}
