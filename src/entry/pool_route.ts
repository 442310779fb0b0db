/**
 * The route of a pool's `sql`: one statement, one lease, which short statements share.
 *
 * @module
 */

import type { Lease } from "../core/lease.ts";
import type { AcquireOptions } from "../core/options.ts";
import type { Pool } from "../core/pool.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import { isSingle } from "../driver/postgres/pipelining.ts";
import type { PorsagerQuery } from "../driver/postgres/porsager.ts";
import { refuse } from "../driver/postgres/session.ts";
import type { Gate, Route } from "../driver/postgres/sql.ts";
import {
  cancelledError,
  Statement,
  type StatementCarrier,
  type StatementListener,
} from "../driver/postgres/statement.ts";
import { type StatementLimits, watch } from "../driver/postgres/statement_limits.ts";

/**
 * Sends each statement on a connection of its own, which goes back when the server has answered the last of it; short
 * single statements share one.
 */
export class PoolRoute implements Route {
  readonly #pool: Pool<PostgresConnection>;
  readonly #limits: StatementLimits | undefined;
  readonly #acquire: AcquireOptions | undefined;

  /**
   * @param pool Lends the connections.
   * @param limits Signal and deadline of each statement.
   * @param acquireTimeoutMs The pool's own deadline.
   */
  constructor(
    pool: Pool<PostgresConnection>,
    limits: StatementLimits | undefined,
    acquireTimeoutMs: number,
  ) {
    this.#pool = pool;
    this.#limits = limits;
    const timeoutMs = limits?.timeoutMs;
    // A longer deadline of the statement must not make the wait for a connection longer than the pool allows.
    this.#acquire = timeoutMs === undefined || acquireTimeoutMs === 0
      ? undefined
      : { timeoutMs: Math.min(timeoutMs, acquireTimeoutMs) };
  }

  send(query: PorsagerQuery): void {
    const errand = new Errand(query);
    if (watch(errand.statement, this.#limits)) {
      errand.start(this.#pool, this.#acquire, this.#limits);
    }
  }
}

/** A route that belongs to one request. */
export class GuardedRoute implements Route {
  readonly #route: Route;
  readonly #gate: Gate;

  /**
   * @param route Where statements go that may.
   * @param gate Says which may.
   */
  constructor(route: Route, gate: Gate) {
    this.#route = route;
    this.#gate = gate;
  }

  send(query: PorsagerQuery): void {
    const refusal = this.#gate.refusal(query);
    if (refusal === undefined) this.#route.send(query);
    else refuse(query, refusal);
  }
}

/** One statement's way through the pool. */
class Errand implements StatementListener, StatementCarrier {
  readonly statement: Statement;
  #lease: Lease<PostgresConnection> | undefined;
  #leave: (() => void) | undefined;
  #over = false;

  constructor(query: PorsagerQuery) {
    this.statement = new Statement(query, this);
  }

  start(
    pool: Pool<PostgresConnection>,
    acquire: AcquireOptions | undefined,
    limits: StatementLimits | undefined,
  ): void {
    const startedAt = limits?.timeoutMs === undefined ? 0 : limits.clock.now();
    // One with limits has to be given up in time, and its connection with it: it must not have neighbours.
    const pipelined = this.statement.pipelined = limits === undefined &&
      isSingle(this.statement.query);
    const leave = pool[pipelined ? "share" : "lend"](
      (lease) => {
        this.#lease = lease;
        if (limits !== undefined) this.statement.watch?.startTimer(limits.clock.now() - startedAt);
        lease.connection.send(this.statement);
      },
      (error) => this.#refuse(error),
      acquire,
    );
    if (this.#lease === undefined && !this.#over) {
      this.#leave = leave;
      this.statement.carrier = this;
    }
  }

  #refuse(error: unknown): void {
    this.statement.reject(error);
    this.statement.end();
  }

  over(): void {
    this.#over = true;
    this.#lease?.release();
  }

  // While it waits for a connection

  cancel(): void {
    this.abort(this.statement, cancelledError("not-applied"));
  }

  abort(_statement: Statement, reason: unknown): void {
    this.#leave?.();
    this.#refuse(reason);
  }
}
