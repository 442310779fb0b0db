/**
 * A borrower's right to use a connection: the route of a lease's `sql`.
 *
 * @module
 */

import type { PostgresConnection } from "./connection.ts";
import type { PorsagerQuery } from "./porsager.ts";
import type { Route } from "./sql.ts";
import { Statement, type StatementListener } from "./statement.ts";
import { type StatementLimits, watch } from "./statement_limits.ts";

/** Sends statements on one connection, until the borrower's time is over. */
export class Session implements Route {
  readonly #connection: () => PostgresConnection | Error;
  readonly #limits: StatementLimits | undefined;
  readonly #listener: StatementListener | undefined;

  /**
   * @param connection Gives the connection, or says why the borrower's time is over.
   * @param limits Signal and deadline of each statement.
   * @param listener Told how each statement ends.
   */
  constructor(
    connection: () => PostgresConnection | Error,
    limits?: StatementLimits,
    listener?: StatementListener,
  ) {
    this.#connection = connection;
    this.#limits = limits;
    this.#listener = listener;
  }

  send(query: PorsagerQuery): void {
    // As in porsager: the listener hears of the failure, so one that nobody awaits must not end the process.
    if (this.#listener?.failed !== undefined) query.catch(ignore);
    const connection = this.#connection();
    if (connection instanceof Error) return refuse(query, connection);
    const statement = new Statement(query, this.#listener);
    if (watch(statement, this.#limits)) {
      statement.watch?.startTimer();
      connection.send(statement);
    }
  }
}

/**
 * Rejects a query that nobody may send. No listener hears of it: who may not send anything in a transaction must not spoil
 * it either.
 *
 * @param query Not sent.
 * @param reason Why not.
 */
export function refuse(query: PorsagerQuery, reason: Error): void {
  const statement = new Statement(query);
  statement.reject(reason);
  statement.end();
}

function ignore(): void {}
