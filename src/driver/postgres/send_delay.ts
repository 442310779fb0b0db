/**
 * How long statements may be kept back so that more of them leave together.
 *
 * @module
 */

/** No server executes a statement in less, in milliseconds: reckoned shorter than it is, so little is kept back too long. */
const SHORTEST_MS = 0.01;
/** The first that are sent to an idle server are timed, later one of so many. */
const FIRST = 64;
const TIMED = 16;
/** Where the server may run out of work, this part of what it has in hand may be kept back: it waits as much longer. */
const SMALL_PART = 8;

/**
 * A write costs the client, and the wake-up that follows costs the server, as much as a short statement does. As long as
 * the server has more in hand than it can execute in the time that a statement takes to get there, nothing is lost by
 * keeping the next ones back, and they share one write. Where it has less, or nobody knows how long that is, they are
 * kept back for a small part of the time that they take anyway.
 *
 * How long a statement takes is measured on an idle connection: there and back, and to be executed.
 */
export class SendDelay {
  #roundTripMs = Infinity;
  #sent = 0;
  #sentAt: number | undefined;
  readonly #now: () => number;

  /** @param now Tells the time in fractions of milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Statements left, and the server had none in hand. */
  left(): void {
    if (this.#sent++ > FIRST && this.#sent % TIMED !== 0) return;
    this.#sentAt = this.#now();
  }

  /** The first answer came since the server had none in hand. */
  answered(): void {
    if (this.#sentAt === undefined) return;
    this.#roundTripMs = Math.min(this.#roundTripMs, this.#now() - this.#sentAt);
    this.#sentAt = undefined;
  }

  /**
   * Tells whether statements that are kept back have to leave.
   *
   * @param waiting How many are.
   * @param inHand How many the server has that are not answered.
   * @returns Whether they are as many as may be kept back.
   */
  isDue(waiting: number, inHand: number): boolean {
    const isBusy = inHand * SHORTEST_MS >= this.#roundTripMs;
    return waiting * (isBusy ? 1 : SMALL_PART) >= inHand;
  }
}
