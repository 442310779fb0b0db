/**
 * What losses say about the connections that are left.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Driver, LossScope } from "./driver.ts";
import { ConnectError } from "./errors.ts";
import type { Events } from "./observer.ts";

/** A second loss within so many milliseconds is the end of a generation; doubts are not raised more often. */
const WINDOW_MS = 1_000;
/** First and longest pause between two generations that end because somebody says so. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Tells what a loss means for the other connections.
 *
 * @param driver Is asked, if it can tell.
 * @param cause What is known of the loss.
 * @returns How far it reaches.
 */
export function scopeOfLoss<C>(driver: Driver<C>, cause: unknown): LossScope {
  return driver.lossOf === undefined ? "single" : driver.lossOf(cause);
}

/**
 * Tells what a failed connect means for the connections that are open.
 *
 * @param driver Is asked, if it can tell.
 * @param error Why it failed.
 * @returns How far it reaches.
 */
export function scopeOfFailure<C>(driver: Driver<C>, error: unknown): LossScope {
  const ofSession = error instanceof ConnectError && error.phase === "session";
  if (driver.lossOf === undefined || error instanceof ConnectError && !ofSession) return "doubt";
  const scope = driver.lossOf(ofSession ? error.cause : error);
  // What was never open is no loss.
  return scope === "single" ? "doubt" : scope;
}

/**
 * All connections opened between two outages are one generation. A loss puts the present one in *doubt*: the server has
 * to give a sign of life on each of the older connections before that is lent. The loss of all, a second loss within a
 * second, or a second check in a row without an answer ends it: none of its connections is lent again.
 */
export class Generations {
  readonly #clock: Clock;
  readonly #events: Pick<Events, "tell">;
  #current = 0;
  #doubts = 0;
  #doubtedAt = -Infinity;
  #lostAt = -Infinity;
  /** Checks that got no answer since the last sign of life. */
  #unanswered = 0;
  /** Whether a connection of the present generation was opened. */
  #proved = true;
  #pauseMs = FIRST_PAUSE_MS;
  #condemnedAt = -Infinity;
  #askedAt = -Infinity;

  /**
   * @param clock Source of time.
   * @param events Who watches.
   */
  constructor(clock: Clock, events: Pick<Events, "tell">) {
    this.#clock = clock;
    this.#events = events;
  }

  /** Number of the present generation. */
  get current(): number {
    return this.#current;
  }

  /** How many doubts there have been, ends of generations included: who was cleared of so many is trusted. */
  get doubts(): number {
    return this.#doubts;
  }

  /** Nobody knows what became of the connections. */
  doubt(): void {
    this.#doubts++;
    this.#doubtedAt = this.#clock.now();
    this.#events.tell("doubted", {});
  }

  /**
   * A connection of the present generation was lost, or another could not be opened.
   *
   * @param scope What that means.
   * @returns Whether the generation has to end.
   */
  lost(scope: LossScope): boolean {
    if (scope === "own" || scope === "generation") return scope === "generation";
    const now = this.#clock.now();
    if (scope === "doubt") {
      // Deadlines of statements may pass by the dozen: each would have all connections checked.
      if (now - this.#doubtedAt >= WINDOW_MS) this.doubt();
      return false;
    }
    const again = now - this.#lostAt <= WINDOW_MS;
    this.#lostAt = now;
    this.doubt();
    return again;
  }

  /**
   * A check failed.
   *
   * @returns Whether the generation has to end.
   */
  unanswered(): boolean {
    this.#unanswered++;
    return this.lost("single") || this.#unanswered > 1;
  }

  /** The server gave a sign of life on a connection of the present generation. */
  answered(): void {
    this.#unanswered = 0;
    this.#proved = true;
  }

  /** The present generation ends, another begins. */
  end(): void {
    this.#current++;
    this.#doubts++;
    this.#lostAt = -Infinity;
    this.#unanswered = 0;
    this.#proved = false;
  }

  /**
   * Somebody says that the present generation is no good. Each time that it is said again soon after, the pause before
   * it counts once more gets twice as long, so that a server that stays no good is not connected to for ever.
   *
   * @returns Whether it counts.
   */
  mayCondemn(): boolean {
    const now = this.#clock.now();
    const quietMs = now - this.#askedAt;
    this.#askedAt = now;
    if (!this.#proved || now - this.#condemnedAt < this.#pauseMs) return false;
    this.#pauseMs = quietMs > this.#pauseMs
      ? FIRST_PAUSE_MS
      : Math.min(LONGEST_PAUSE_MS, 2 * this.#pauseMs);
    this.#condemnedAt = now;
    return true;
  }
}
