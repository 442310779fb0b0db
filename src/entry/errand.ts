/**
 * One single statement's way through the pool: a lease of its own, or a share of one, and another if the connection is lost
 * and the statement can safely be sent again.
 *
 * @module
 */

import type { Clock } from "../core/clock.ts";
import { ConnectionLostError, messageOf, type Outcome } from "../core/errors.ts";
import type { Lease } from "../core/lease.ts";
import type { AcquireOptions } from "../core/options.ts";
import type { Pool } from "../core/pool.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import { isSingle } from "../driver/postgres/pipelining.ts";
import type { PorsagerQuery } from "../driver/postgres/porsager.ts";
import {
  cancelledError,
  Statement,
  type StatementCarrier,
  type StatementListener,
} from "../driver/postgres/statement.ts";
import { isAtomic } from "../driver/postgres/statement_kind.ts";
import { type Replay, type StatementLimits, watch } from "../driver/postgres/statement_limits.ts";

/** How often a statement is sent again at most. */
export const MAX_REPLAYS = 2;

/**
 * Tells whether a statement whose connection was lost may be sent again (DESIGN 5.2).
 *
 * @param statement Which.
 * @param outcome What is known of it.
 * @param plan What its caller allows.
 * @param connection The one that was lost.
 * @returns Whether it may.
 */
export function mayRepeat(
  statement: Statement,
  outcome: Outcome,
  { replay, limits }: Pick<ErrandPlan, "replay" | "limits">,
  connection: PostgresConnection | undefined,
): boolean {
  if (replay === "never" || !statement.repeatable) return false;
  if (outcome !== "unknown") return outcome === "not-applied";
  if (limits?.idempotent || replay === "always") return true;
  // Nothing can be written there.
  return connection?.inHotStandby === true && isAtomic(statement.query);
}

/** What all statements of one view of a pool have in common. */
export interface ErrandPlan {
  readonly pool: Pool<PostgresConnection>;
  readonly limits: StatementLimits | undefined;
  /** Options of the first acquire. */
  readonly acquire: AcquireOptions | undefined;
  /** The pool's own deadline of an acquire, in milliseconds. */
  readonly acquireTimeoutMs: number;
  readonly clock: Clock;
  readonly replay: Replay;
  /** Whether a statement may have neighbours: one with a signal or a deadline has to be given up in time, alone. */
  readonly shares: boolean;
}

/** One statement. */
export class Errand implements StatementListener, StatementCarrier {
  readonly #plan: ErrandPlan;
  readonly #statement: Statement;
  #lease: Lease<PostgresConnection> | undefined;
  #leave: (() => void) | undefined;
  #over = false;
  #replays = 0;
  /** Until when a connection is waited for, once the statement was sent and is to be sent again. */
  #waitsUntil = 0;

  constructor(plan: ErrandPlan, query: PorsagerQuery) {
    this.#plan = plan;
    this.#statement = new Statement(query, this);
  }

  /** Sends it on its way. */
  start(): void {
    const { limits, acquire } = this.#plan;
    if (watch(this.#statement, limits)) this.#ask(acquire);
  }

  #ask(acquire: AcquireOptions | undefined): void {
    const { pool, limits, shares } = this.#plan;
    const statement = this.#statement;
    const startedAt = statement.watch === undefined ? 0 : this.#plan.clock.now();
    const pipelined = statement.pipelined = shares && isSingle(statement.query);
    let waits = true;
    const leave = pool[pipelined ? "share" : "lend"](
      (lease) => {
        waits = false;
        this.#lease = lease;
        this.#leave = undefined;
        if (limits !== undefined) statement.watch?.startTimer(limits.clock.now() - startedAt);
        lease.connection.send(statement);
      },
      (error) => {
        waits = false;
        this.#refuse(error);
      },
      acquire,
    );
    if (waits) {
      this.#leave = leave;
      statement.carrier = this;
    }
  }

  #refuse(error: unknown): void {
    const statement = this.#statement;
    statement.reject(
      statement.inDoubt
        ? new ConnectionLostError(
          "The connection was lost while the statement was in hand, and it could not be sent again: " +
            messageOf(error),
          { outcome: "unknown", cause: error },
        )
        : error,
    );
    statement.end();
  }

  over(): void {
    this.#over = true;
    this.#lease?.release();
  }

  lost(outcome: Outcome): boolean {
    if (!this.#mayRepeat(outcome)) return false;
    const { clock, acquireTimeoutMs } = this.#plan;
    const statement = this.#statement;
    if (outcome === "unknown") statement.inDoubt = true;
    // All attempts after the first share one budget: a server that dies again and again must not make it longer.
    if (this.#replays++ === 0) this.#waitsUntil = clock.now() + acquireTimeoutMs;
    const timeoutMs = acquireTimeoutMs === 0
      ? 0
      : Math.max(1, Math.ceil(this.#waitsUntil - clock.now()));
    this.#lease?.release();
    this.#lease = undefined;
    statement.repeat();
    this.#ask({ timeoutMs });
    return true;
  }

  #mayRepeat(outcome: Outcome): boolean {
    return this.#replays < MAX_REPLAYS &&
      mayRepeat(this.#statement, outcome, this.#plan, this.#lease?.connection);
  }

  // While it waits for a connection

  cancel(): void {
    this.abort(
      this.#statement,
      cancelledError(this.#statement.inDoubt ? "unknown" : "not-applied"),
    );
  }

  giveUp(statement: Statement, reason: { readonly value: unknown } | undefined): void {
    this.abort(statement, reason === undefined ? statement.overdueError() : reason.value);
  }

  abort(statement: Statement, reason: unknown): void {
    this.#leave?.();
    statement.reject(reason);
    statement.end();
  }
}
