/**
 * Transactions that all below their callback joins.
 *
 * @module
 */

import { ScopeError, SteadyError } from "../core/errors.ts";
import type { Scope } from "../core/scope.ts";
import { isWithin, type ScopeNode, type ScopeTurn } from "../core/scope_turn.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import type { PorsagerQuery } from "../driver/postgres/porsager.ts";
import type { Route } from "../driver/postgres/sql.ts";
import type { StatementLimits } from "../driver/postgres/statement_limits.ts";
import type { Stretch, TransactionPlace } from "../driver/postgres/stretch.ts";
import type { RunSavepoint, TransactionOptions } from "../driver/postgres/transaction.ts";
import { callBack, type ScopedPlan, ScopedStatement } from "./scoped_statement.ts";
import { Hooks } from "./transaction_hooks.ts";

/** A place in a scope, and what it is made with. */
export interface AmbientParts {
  /** The scope. */
  readonly scope: Scope<PostgresConnection>;
  /** What has the scope's connection. */
  readonly turn: ScopeTurn<PostgresConnection>;
  /** What statements with certain limits have in common. */
  readonly plan: (limits: StatementLimits | undefined) => ScopedPlan;
  /** How the outermost was begun. */
  readonly options: TransactionOptions;
}

const ambients = new WeakMap<ScopeNode<PostgresConnection>, Ambient>();

/**
 * Finds the transaction that a place is in.
 *
 * @param node The place.
 * @returns The innermost transaction or savepoint; `undefined` outside of any.
 */
export function ambientAt(node: ScopeNode<PostgresConnection>): Ambient | undefined {
  for (
    let place: ScopeNode<PostgresConnection> | undefined = node;
    place !== undefined;
    place = place.parent
  ) {
    const ambient = ambients.get(place);
    if (ambient !== undefined) return ambient;
  }
  return undefined;
}

/** A transaction, or a savepoint, that all below its callback joins. */
export class Ambient implements TransactionPlace {
  readonly #parts: AmbientParts;
  /** What is called after its end. */
  readonly hooks: Hooks = new Hooks();
  #stretch: Stretch | undefined;
  #sql: object | undefined;
  #savepoint: RunSavepoint<PostgresTypes> | undefined;

  constructor(parts: AmbientParts) {
    this.#parts = parts;
    parts.turn.lateError = lateError;
  }

  /** What has the scope's connection. */
  get turn(): ScopeTurn<PostgresConnection> {
    return this.#parts.turn;
  }

  /** How the outermost was begun. */
  get options(): TransactionOptions {
    return this.#parts.options;
  }

  /** Where its statements belong. */
  get stretch(): Stretch | undefined {
    return this.#stretch;
  }

  /** Its `sql`; `undefined` before its callback is called. */
  get sql(): object | undefined {
    return this.#sql;
  }

  /** Runs a savepoint in it. */
  get savepoint(): RunSavepoint<PostgresTypes> | undefined {
    return this.#savepoint;
  }

  route(stretch: Stretch, limits: StatementLimits | undefined): Route {
    const { scope, plan } = this.#parts;
    const ours = plan(limits);
    return {
      send: (query: PorsagerQuery) => {
        const node = this.#here;
        const here = ambientAt(node)?.stretch;
        // Called in a savepoint that has ended, it might be rolled back with that, or not: it is refused as that is.
        const place = { scope, node, stretch: here?.ended ? here : stretch };
        new ScopedStatement(ours, place, query).start();
      },
      call: (query, fn) => callBack(scope, query, fn),
    };
  }

  async alone<R>(savepoint: (place: TransactionPlace) => Promise<R>): Promise<R> {
    const { scope } = this.#parts;
    const here = this.#here;
    const turn = await scope.take("transaction", undefined, here);
    const inner = new Ambient({ ...this.#parts, turn });
    try {
      const result = await savepoint(inner);
      // Called by the outer `sql` in a savepoint, it is a part of that.
      const failure = (ambientAt(here) ?? this).hooks.take(inner.hooks);
      if (failure !== undefined) {
        // What they do comes after the savepoint, too.
        turn.release();
        await inner.hooks.rolledBack(failure.error);
      }
      return result;
    } catch (error) {
      // What they do comes after the savepoint, in what is around it.
      turn.release();
      await inner.hooks.rolledBack(error);
      throw error;
    } finally {
      turn.release();
    }
  }

  onOutlived(fn: () => void): void {
    this.#parts.turn.onOutlived = fn;
  }

  call<R>(
    stretch: Stretch,
    sql: object,
    savepoint: RunSavepoint<PostgresTypes>,
    fn: () => R,
  ): R {
    const { scope, turn } = this.#parts;
    this.#stretch = stretch;
    this.#sql = sql;
    this.#savepoint = savepoint;
    ambients.set(turn, this);
    return scope.runIn(turn, fn);
  }

  /** Where the caller stands in it: in a savepoint within it, what is sent by the outer `sql` does not wait for that. */
  get #here(): ScopeNode<PostgresConnection> {
    const { scope, turn } = this.#parts;
    const { here } = scope;
    return isWithin(here, turn) ? here : turn;
  }
}

const RANKS: readonly string[] = [
  "read uncommitted",
  "read committed",
  "repeatable read",
  "serializable",
];

/**
 * Holds the options of a transaction within another against those of that one.
 *
 * @param inner What is asked for.
 * @param outer How the outermost was begun.
 * @throws {SteadyError} If the outer one does not give what the inner one asks for.
 */
export function checkNested(inner: TransactionOptions, outer: TransactionOptions): void {
  if (inner.nested === "forbid") {
    throw nestedError('Cannot begin a transaction within another as nested is "forbid"');
  }
  const { isolation } = inner;
  const around = outer.isolation ?? "read committed";
  if (isolation !== undefined && RANKS.indexOf(isolation) > RANKS.indexOf(around)) {
    throw nestedError(
      `Cannot begin a transaction of isolation "${isolation}" within one of "${around}": begin the outer one so`,
    );
  }
  if (inner.readOnly === false && outer.readOnly === true) {
    throw nestedError("Cannot begin a transaction that writes within one that is read-only");
  }
  if (inner.deferrable === true && outer.deferrable !== true) {
    throw nestedError("Cannot begin a deferrable transaction within one that is not");
  }
}

function nestedError(message: string): SteadyError {
  return new SteadyError("TRANSACTION_OPEN", message, { outcome: "not-applied", retryable: false });
}

function lateError(): ScopeError {
  return new ScopeError(
    "Cannot use the transaction as it has ended: await in its callback what is to be part of it",
  );
}
