/**
 * How worn a physical connection is: by use and by age.
 *
 * @module
 */

import type { Clock } from "./clock.ts";

/** Limits of a connection's life. */
export interface WearLimits {
  /** Most uses; `Infinity` for no limit. */
  readonly maxUses: number;
  /** Longest life in milliseconds, of which up to a tenth is taken off by chance; `Infinity` for no limit. */
  readonly maxLifetimeMs: number;
}

/** Greatest part of the life that chance takes off, so that what was opened together is not renewed together. */
const JITTER = 0.1;

/**
 * Counts the uses of one physical connection, and knows its age. No timer is set here: age is looked at when somebody asks, by
 * the monotonic clock and by the wall clock, of which one may have stood still while the machine slept.
 */
export class Wear {
  readonly #clock: Clock;
  readonly #maxUses: number;
  readonly #lifetimeMs: number;
  /** When the connection was opened, by the monotonic clock. */
  readonly openedAt: number;
  readonly #openedWallAt: number;
  #uses = 0;

  /**
   * A connection was opened.
   *
   * @param clock Source of time and chance.
   * @param limits When it is worn.
   */
  constructor(clock: Clock, { maxUses, maxLifetimeMs }: WearLimits) {
    this.#clock = clock;
    this.#maxUses = maxUses;
    this.openedAt = clock.now();
    const ages = maxLifetimeMs !== Infinity;
    this.#openedWallAt = ages ? clock.wallNow() : 0;
    this.#lifetimeMs = ages ? maxLifetimeMs * (1 - JITTER * clock.random()) : Infinity;
  }

  /** How often the connection was used. */
  get uses(): number {
    return this.#uses;
  }

  /** When the connection is too old, by the monotonic clock; `Infinity` for never. */
  get endsAt(): number {
    return this.openedAt + this.#lifetimeMs;
  }

  /** The connection is used once more. */
  count(): void {
    this.#uses++;
  }

  /** Whether the connection should be replaced when nobody uses it. */
  get worn(): boolean {
    if (this.#uses >= this.#maxUses) return true;
    if (this.#lifetimeMs === Infinity) return false;
    // The same sum as a timer is set by: a difference may be rounded to less, and the timer would be due without end.
    return this.#clock.now() >= this.endsAt ||
      this.#clock.wallNow() - this.#openedWallAt >= this.#lifetimeMs;
  }
}
