/**
 * The route of a pool's `sql`: one statement, one lease, which short statements share.
 *
 * @module
 */

import type { Pool } from "../core/pool.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import type { PorsagerQuery } from "../driver/postgres/porsager.ts";
import { refuse } from "../driver/postgres/session.ts";
import type { Gate, Route } from "../driver/postgres/sql.ts";
import { Errand, type ErrandPlan } from "./errand.ts";
import type { ScopeWork } from "./scope_work.ts";
import { callBack } from "./scoped_statement.ts";

/**
 * Sends each statement on a connection of its own, which goes back when the server has answered the last of it; short
 * single statements share one.
 */
export class PoolRoute implements Route {
  readonly #plan: ErrandPlan;

  /**
   * @param plan What all statements have in common.
   */
  constructor(plan: Omit<ErrandPlan, "acquire" | "shares">) {
    const { limits, acquireTimeoutMs } = plan;
    const timeoutMs = limits?.timeoutMs;
    this.#plan = {
      ...plan,
      // A longer deadline of the statement must not make the wait for a connection longer than the pool allows.
      acquire: timeoutMs === undefined || acquireTimeoutMs === 0
        ? undefined
        : { timeoutMs: Math.min(timeoutMs, acquireTimeoutMs) },
      shares: timeoutMs === undefined && limits?.signal === undefined,
    };
  }

  send(query: PorsagerQuery): void {
    new Errand(this.#plan, query).start();
  }
}

/** A route that goes to the connection of the caller's scope, where there is one. */
export class ScopeRoute implements Route {
  readonly #pool: Pick<Pool<PostgresConnection>, "current">;
  readonly #outside: Route;
  readonly #inScope: Pick<ScopeWork<PostgresTypes>, "send">;

  /**
   * @param pool Tells in which scope the caller is.
   * @param outside Where statements go outside of scopes.
   * @param inScope Sends them in one.
   */
  constructor(
    pool: Pick<Pool<PostgresConnection>, "current">,
    outside: Route,
    inScope: Pick<ScopeWork<PostgresTypes>, "send">,
  ) {
    this.#pool = pool;
    this.#outside = outside;
    this.#inScope = inScope;
  }

  send(query: PorsagerQuery): void {
    const scope = this.#pool.current();
    if (scope === undefined) this.#outside.send(query);
    else this.#inScope.send(scope, query);
  }

  call<R>(query: PorsagerQuery, fn: () => R): R {
    const scope = this.#pool.current();
    return scope === undefined ? fn() : callBack(scope, query, fn);
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
    const refusal = this.#gate.refusal();
    if (refusal === undefined) this.#route.send(query);
    else refuse(query, refusal);
  }

  call<R>(query: PorsagerQuery, fn: () => R): R {
    return this.#route.call === undefined ? fn() : this.#route.call(query, fn);
  }
}
