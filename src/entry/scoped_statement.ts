/**
 * One single statement's way to the connection of a scope.
 *
 * @module
 */

import { ConnectionLostError, DeadlockError, messageOf, type Outcome } from "../core/errors.ts";
import type { Lease } from "../core/lease.ts";
import type { Scope } from "../core/scope.ts";
import { ScopeLine } from "../core/scope_line.ts";
import type { ScopeNode, ScopeTurn } from "../core/scope_turn.ts";
import type { Visit, VisitRequest } from "../core/scope_visit.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { PorsagerQuery } from "../driver/postgres/porsager.ts";
import { refuse } from "../driver/postgres/session.ts";
import {
  cancelledError,
  Statement,
  type StatementCarrier,
  type StatementListener,
} from "../driver/postgres/statement.ts";
import { watch } from "../driver/postgres/statement_limits.ts";
import type { Stretch } from "../driver/postgres/stretch.ts";
import { type ErrandPlan, MAX_REPLAYS, mayRepeat } from "./errand.ts";

/** Where a statement stands in a scope. */
export interface StatementPlace {
  /** The scope. */
  readonly scope: Scope<PostgresConnection>;
  /** Where in it. */
  readonly node: ScopeNode<PostgresConnection>;
  /** The transaction, or savepoint, that it is part of, if of any. */
  readonly stretch: Stretch | undefined;
}

/** What all statements of one view have in common. */
export type ScopedPlan = Pick<ErrandPlan, "limits" | "replay" | "clock">;

/**
 * Where the callback of a cursor runs: what it asks of the connection would wait for the cursor, which waits for the
 * callback.
 */
class CallbackNode implements ScopeNode<PostgresConnection> {
  readonly parent: ScopeNode<PostgresConnection>;
  readonly line: ScopeLine = new ScopeLine();
  over = false;
  readonly #refusal: () => Error;

  constructor(parent: ScopeNode<PostgresConnection>, refusal: () => Error) {
    this.parent = parent;
    this.#refusal = refusal;
  }

  refusal(): Error | undefined {
    return this.over ? undefined : this.#refusal();
  }
}

const callbackNodes = new WeakMap<PorsagerQuery, CallbackNode>();

/**
 * Calls a callback of a query, such that what it asks of the scope's connection is refused while it would have to wait for
 * the query.
 *
 * @param scope Where the query was sent.
 * @param query A cursor, or another.
 * @param fn The callback.
 * @returns What it returns.
 */
export function callBack<R>(
  scope: Scope<PostgresConnection>,
  query: PorsagerQuery,
  fn: () => R,
): R {
  const node = callbackNodes.get(query);
  return node === undefined ? fn() : scope.runIn(node, fn);
}

/** One statement: waits for its turn, and for the scope's connection to be opened. */
export class ScopedStatement
  implements StatementListener, StatementCarrier, VisitRequest<PostgresConnection> {
  readonly #plan: ScopedPlan;
  #place: StatementPlace;
  readonly #statement: Statement;
  #visit: Visit<PostgresConnection> | undefined;
  #connection: PostgresConnection | undefined;
  #isOver = false;
  #callbackNode: CallbackNode | undefined;
  #replays = 0;
  /** Whether nothing else of the scope may use the connection at the same time. */
  alone = false;
  /** It was asked for while the scope ran. */
  readonly outlasts = true;

  constructor(plan: ScopedPlan, place: StatementPlace, query: PorsagerQuery) {
    this.#plan = plan;
    this.#place = place;
    this.#statement = new Statement(query, this);
  }

  /** Sends it on its way. */
  start(): void {
    const { stretch } = this.#place;
    const statement = this.#statement;
    const { query } = statement;
    // As in porsager: the transaction hears of the failure, so one that nobody awaits must not end the process.
    if (stretch !== undefined) query.catch(ignore);
    const refusal = stretch?.refusal();
    if (refusal !== undefined) return refuse(query, refusal);
    if (!watch(statement, this.#plan.limits)) return;
    statement.watch?.startTimer();
    if (query.cursorFn !== undefined) this.#guardCallback(query);
    this.#ask();
  }

  /**
   * Sends it on its way when the transaction has begun that it is to be part of: that is waited for within its own limits,
   * and not longer than what is asked for behind it has to wait for the same.
   *
   * @param begin Begins the transaction, unless it has begun; not called for a statement that is refused before.
   * @param placeIn Tells where the statement stands then.
   */
  startIn(
    begin: () => Promise<ScopeTurn<PostgresConnection>>,
    placeIn: (turn: ScopeTurn<PostgresConnection>) => StatementPlace,
  ): void {
    const statement = this.#statement;
    const { query } = statement;
    if (!watch(statement, this.#plan.limits)) return;
    statement.watch?.startTimer();
    statement.carrier = this;
    begin().then(
      (turn) => {
        if (this.#isOver) return;
        const place = this.#place = placeIn(turn);
        if (place.stretch !== undefined) query.catch(ignore);
        if (query.cursorFn !== undefined) this.#guardCallback(query);
        this.#ask();
      },
      (error) => {
        if (!this.#isOver) this.refused(error);
      },
    );
  }

  #guardCallback(query: PorsagerQuery): void {
    const { node, scope } = this.#place;
    const since = this.#plan.clock.now();
    this.#callbackNode = new CallbackNode(node, () =>
      new DeadlockError(
        [{
          epoch: scope.epoch,
          heldMs: this.#plan.clock.now() - since,
          label: scope.name,
          stack: query.tagged ? query.origin : undefined,
        }],
        "Cannot use the connection of the scope in the callback of a cursor, which has it until that is over: use outside()",
      ));
    callbackNodes.set(query, this.#callbackNode);
  }

  #ask(): void {
    const { scope, node } = this.#place;
    const statement = this.#statement;
    const { cursorFn, cursorRows, streaming } = statement.query;
    statement.carrier = this;
    // Rows that are waited for by who reads them, and a COPY, have the connection for long.
    this.alone = cursorFn !== undefined || cursorRows !== undefined || streaming === true;
    const visit = scope.enter(this, node);
    // One that was served, or refused, at once has its own by now.
    if (this.#connection === undefined && !this.#isOver) this.#visit = visit;
  }

  /**
   * It has the connection.
   *
   * @param lease The scope's.
   * @param visit Its place.
   */
  served({ connection }: Lease<PostgresConnection>, visit: Visit<PostgresConnection>): void {
    this.#visit = visit;
    this.#connection = connection;
    const refusal = this.#place.stretch?.refusal();
    if (refusal !== undefined) return this.refused(refusal);
    connection.send(this.#statement);
  }

  /**
   * It does not get the connection, or not any more.
   *
   * @param error Why.
   */
  refused(error: unknown): void {
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

  failed(error: unknown): void {
    // What was never sent in a transaction must not spoil it.
    if (this.#connection !== undefined) this.#place.stretch?.listener.failed?.(error);
  }

  over(): void {
    this.#isOver = true;
    if (this.#callbackNode !== undefined) this.#callbackNode.over = true;
    this.#visit?.leave();
  }

  lost(outcome: Outcome): boolean {
    const { scope, node, stretch } = this.#place;
    const statement = this.#statement;
    // Only where nothing else can have relied on the connection.
    if (stretch !== undefined || node.parent !== undefined || scope.bound) {
      return false;
    }
    if (this.#replays >= MAX_REPLAYS) return false;
    if (!mayRepeat(statement, outcome, this.#plan, this.#connection)) return false;
    if (outcome === "unknown") statement.inDoubt = true;
    this.#replays++;
    this.#connection = undefined;
    this.#visit?.leave();
    statement.repeat();
    this.#ask();
    return true;
  }

  // While it waits

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
    statement.reject(reason);
    statement.end();
  }
}

function ignore(): void {}
