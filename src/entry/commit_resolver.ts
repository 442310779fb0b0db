/**
 * Finds out, on connections of the pool, what became of a transaction whose COMMIT was not answered.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import { withDeadline } from "../core/deadline.ts";
import { type CommitOutcome, SteadyError } from "../core/errors.ts";
import type { Pool } from "../core/pool.ts";
import { askForCommit, type CommitQuestion } from "../driver/postgres/commit_resolution.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";

/** Deadline of a resolution where the pool's own is none, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** How long to wait before asking again for a connection that was refused, in milliseconds. */
const PAUSE_MS = 50;

/** Asks for transactions. */
export class CommitResolver {
  readonly #pool: Pool<PostgresConnection>;
  readonly #clock: Clock;
  readonly #timeoutMs: number;

  /**
   * @param pool Lends the connections to ask on.
   * @param clock Source of time and timers.
   * @param acquireTimeoutMs The pool's deadline of an acquire, in milliseconds: as long is asked and asked again.
   */
  constructor(pool: Pool<PostgresConnection>, clock: Clock, acquireTimeoutMs: number) {
    this.#pool = pool;
    this.#clock = clock;
    const isLength = acquireTimeoutMs > 0 && acquireTimeoutMs < Infinity;
    this.#timeoutMs = isLength ? acquireTimeoutMs : TIMEOUT_MS;
  }

  /**
   * Asks until somebody answers, or the time is over.
   *
   * @param question Which transaction.
   * @returns What is certain; never rejects.
   */
  async resolve(question: CommitQuestion): Promise<CommitOutcome> {
    const end = this.#clock.now() + this.#timeoutMs;
    for (;;) {
      const timeoutMs = Math.ceil(end - this.#clock.now());
      if (timeoutMs <= 0) return "unknown";
      try {
        return await this.#ask(question, timeoutMs);
      } catch (error) {
        // A full queue, or a server that is away while nobody may wait for it: it may be otherwise in a moment.
        const passes = error instanceof SteadyError && error.retryable;
        if (!(error instanceof AskedInVain) && !passes) return "unknown";
        if (passes) await this.#pause();
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#clock.schedule(PAUSE_MS, resolve));
  }

  async #ask(question: CommitQuestion, timeoutMs: number): Promise<CommitOutcome> {
    const started = this.#clock.now();
    const lease = await this.#pool.outside(() => this.#pool.acquire({ timeoutMs }));
    try {
      return await withDeadline((signal) => askForCommit(lease.connection, question, signal), {
        clock: this.#clock,
        timeoutMs: Math.max(1, timeoutMs - (this.#clock.now() - started)),
        timeoutError: () => new Error("no answer in time"),
      });
    } catch (error) {
      if (lease.lost) throw new AskedInVain("the connection was lost", { cause: error });
      // Whatever it is doing, nobody waits for it.
      lease.destroy();
      throw error;
    } finally {
      lease.release();
    }
  }
}

/** The connection to ask on was lost: another may do. */
class AskedInVain extends Error {}
