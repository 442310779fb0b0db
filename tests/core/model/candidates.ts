/**
 * Who waits for the pool to be ready.
 *
 * @module
 */

import { AcquireTimeoutError, ConnectError, PoolClosedError } from "../../../src/core/errors.ts";
import type { Pool } from "../../../src/core/pool.ts";
import type { PoolStats } from "../../../src/core/stats.ts";
import type { FakeConnection, VirtualClock } from "../../../src/testing/mod.ts";
import { demand } from "./demand.ts";
import type { Model } from "./model.ts";

interface Candidate {
  readonly calledAt: number;
  readonly timeoutMs: number;
  /** Whether the pool was closed then. */
  readonly tooLate: boolean;
  readonly abort: AbortController;
}

/** What the pool was told. */
export interface CandidateRules {
  readonly minIdle: number;
  readonly failsFast: boolean;
  /** Whether connections wear out: those that are worn make no pool ready. */
  readonly wears: boolean;
}

/** Calls `ready()` and judges what comes of it. */
export class Candidates {
  readonly #clock: VirtualClock;
  readonly #model: Model;
  readonly #rules: CandidateRules;
  readonly #waiting = new Set<Candidate>();

  constructor(clock: VirtualClock, model: Model, rules: CandidateRules) {
    this.#clock = clock;
    this.#model = model;
    this.#rules = rules;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Somebody waits for a pool to be ready. */
  wait(pool: Pool<FakeConnection>, timeoutMs: number): void {
    const candidate: Candidate = {
      calledAt: this.#clock.now(),
      timeoutMs,
      tooLate: this.#model.closed,
      abort: new AbortController(),
    };
    this.#waiting.add(candidate);
    pool.ready({ timeoutMs, signal: candidate.abort.signal }).then(
      () => void this.#waiting.delete(candidate),
      (error) => {
        this.#waiting.delete(candidate);
        if (this.#isJust(candidate, error)) return;
        this.#model.violations.push(`ready() was rejected without cause: ${error}`);
      },
    );
  }

  /** One of them gives up. */
  abort(choice: number): void {
    const waiting = [...this.#waiting];
    waiting[choice % Math.max(1, waiting.length)]?.abort.abort({ choice });
  }

  /**
   * Everything has settled: nobody waits for what is there.
   *
   * @param stats The pool's counts.
   */
  check({ idle }: PoolStats): void {
    const { minIdle, wears } = this.#rules;
    if (this.#waiting.size === 0) return;
    demand(!this.#model.closed, "somebody waits for a closed pool to be ready");
    const needed = Math.max(1, minIdle);
    demand(wears || idle < needed, `${idle} are idle, and somebody waits for the pool to be ready`);
    for (const { calledAt, timeoutMs } of this.#waiting) {
      const deadline = timeoutMs === 0 ? Infinity : calledAt + timeoutMs;
      demand(Math.ceil(deadline) >= this.#clock.now(), "ready() waits beyond its deadline");
    }
  }

  #isJust(candidate: Candidate, error: unknown): boolean {
    const { calledAt, timeoutMs, tooLate, abort: { signal } } = candidate;
    const { closedAt, rejectedAt } = this.#model;
    if (error instanceof AcquireTimeoutError) return this.#clock.now() === calledAt + timeoutMs;
    if (error instanceof PoolClosedError) return tooLate || closedAt >= calledAt;
    if (error instanceof ConnectError) {
      if (!error.retryable) return rejectedAt >= calledAt;
      return timeoutMs === 0 || this.#rules.failsFast;
    }
    return signal.aborted && error === signal.reason;
  }
}
