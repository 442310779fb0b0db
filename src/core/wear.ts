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
 * Counts the uses of one physical connection after the other, and knows their age. No timer is set: age is looked at
 * when somebody asks, by the monotonic clock and by the wall clock, of which one may have stood still while the machine
 * slept.
 */
export class Wear {
  readonly #clock: Clock;
  readonly #limits: WearLimits;
  #uses = 0;
  #openedAt: number | undefined;
  #openedWallAt = 0;
  #lifetimeMs = Infinity;

  /**
   * @param clock Source of time and chance.
   * @param limits When a connection is worn.
   */
  constructor(clock: Clock, limits: WearLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Uses of the present connection. */
  get uses(): number {
    return this.#uses;
  }

  /** When the present connection was opened, by the monotonic clock; `undefined` before the first. */
  get openedAt(): number | undefined {
    return this.#openedAt;
  }

  /** A new connection was opened. */
  opened(): void {
    this.#uses = 0;
    this.#openedAt = this.#clock.now();
    const { maxLifetimeMs } = this.#limits;
    if (maxLifetimeMs === Infinity) return;
    this.#openedWallAt = this.#clock.wallNow();
    this.#lifetimeMs = maxLifetimeMs * (1 - JITTER * this.#clock.random());
  }

  /** The present connection was used once more. */
  count(): void {
    this.#uses++;
  }

  /** Whether the present connection should be replaced when nobody uses it. */
  get worn(): boolean {
    if (this.#openedAt === undefined) return false;
    if (this.#uses >= this.#limits.maxUses) return true;
    if (this.#lifetimeMs === Infinity) return false;
    return this.#clock.now() - this.#openedAt >= this.#lifetimeMs ||
      this.#clock.wallNow() - this.#openedWallAt >= this.#lifetimeMs;
  }
}
