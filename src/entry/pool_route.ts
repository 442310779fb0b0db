/**
 * The route of a pool's `sql`: one statement, one lease, which short statements share.
 *
 * @module
 */

import type { PorsagerQuery } from "../driver/postgres/porsager.ts";
import { refuse } from "../driver/postgres/session.ts";
import type { Gate, Route } from "../driver/postgres/sql.ts";
import { Errand, type ErrandPlan } from "./errand.ts";

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
}
