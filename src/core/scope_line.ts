/**
 * Whose turn it is on the one connection of a scope.
 *
 * @module
 */

/** Somebody in a line. */
export interface Place {
  /** Whether nobody else may be served at the same time. */
  readonly alone: boolean;
  /** It is served; whoever put it into the line has to leave when done. */
  serve(): void;
}

/**
 * A line in which everybody is served in the order they came: single statements together, as the connection keeps them in
 * order, all else alone.
 */
export class ScopeLine {
  #together = 0;
  #alone = false;
  /** Made when somebody has to wait, which few do. */
  #waiting: Set<Place> | undefined;

  /**
   * Is served at once, if nobody is in the way.
   *
   * @param alone Whether nobody else may be served at the same time.
   * @returns Whether it is served; then {@linkcode ScopeLine.leave} has to be called.
   */
  tryEnter(alone: boolean): boolean {
    if ((this.#waiting !== undefined && this.#waiting.size > 0) || !this.#isFree(alone)) {
      return false;
    }
    this.#take(alone);
    return true;
  }

  /**
   * Waits at the end of the line.
   *
   * @param place Who is served in its turn.
   */
  wait(place: Place): void {
    this.#waiting ??= new Set();
    this.#waiting.add(place);
  }

  /**
   * Waits no more.
   *
   * @param place One that waits; nothing is done for another.
   */
  giveUp(place: Place): void {
    // Those behind it may go together with those who are served.
    if (this.#waiting?.delete(place)) this.#serve();
  }

  /**
   * Is done.
   *
   * @param alone What it entered as.
   */
  leave(alone: boolean): void {
    if (alone) this.#alone = false;
    else this.#together--;
    if (this.#waiting !== undefined) this.#serve();
  }

  #isFree(alone: boolean): boolean {
    return !this.#alone && (!alone || this.#together === 0);
  }

  #take(alone: boolean): void {
    if (alone) this.#alone = true;
    else this.#together++;
  }

  #serve(): void {
    // Who is served may leave at once, and so serve the next: the state is looked at anew for each.
    for (const place of this.#waiting ?? []) {
      if (!this.#isFree(place.alone)) return;
      this.#waiting?.delete(place);
      this.#take(place.alone);
      place.serve();
    }
  }
}
