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
  readonly #connection: (query: PorsagerQuery) => PostgresConnection | Error;
  readonly #limits: StatementLimits | undefined;
  readonly #listener: StatementListener | undefined;

  /**
   * @param connection Gives the connection, or says why the borrower's time is over.
   * @param limits Signal and deadline of each statement.
   * @param listener Told how each statement ends.
   */
  constructor(
    connection: (query: PorsagerQuery) => PostgresConnection | Error,
    limits?: StatementLimits,
    listener?: StatementListener,
  ) {
    this.#connection = connection;
    this.#limits = limits;
    this.#listener = listener;
  }

  send(query: PorsagerQuery): void {
    const statement = new Statement(query, this.#listener);
    // As in porsager: the listener hears of the failure, so one that nobody awaits must not end the process.
    if (this.#listener?.failed !== undefined) query.catch(ignore);
    const connection = this.#connection(query);
    if (connection instanceof Error) {
      statement.reject(connection);
      statement.end();
    } else if (watch(statement, this.#limits)) {
      statement.watch?.startTimer();
      connection.send(statement);
    }
  }
}

function ignore(): void {}
