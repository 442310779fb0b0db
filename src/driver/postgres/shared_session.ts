/**
 * A borrower's right to use a connection together with others: the route of a shared lease's `sql`.
 *
 * @module
 */

import type { PostgresConnection } from "./connection.ts";
import { isSingle } from "./pipelining.ts";
import type { PorsagerQuery } from "./porsager.ts";
import { refuse } from "./session.ts";
import { refusalToShare } from "./shareable.ts";
import type { Route } from "./sql.ts";
import { Statement, type StatementListener } from "./statement.ts";
import { type StatementLimits, watch } from "./statement_limits.ts";

/** Sends single statements behind those of others, until the borrower's time is over. */
export class SharedSession implements Route {
  readonly #connection: () => PostgresConnection | Error;
  readonly #limits: StatementLimits | undefined;
  readonly #listener: StatementListener;

  /**
   * @param connection Gives the connection, or says why the borrower's time is over.
   * @param limits Signal and deadline of each statement.
   * @param listener Told how each statement ends.
   */
  constructor(
    connection: () => PostgresConnection | Error,
    limits: StatementLimits | undefined,
    listener: StatementListener,
  ) {
    this.#connection = connection;
    this.#limits = limits;
    this.#listener = listener;
  }

  send(query: PorsagerQuery): void {
    const refusal = refusalToShare(query);
    if (refusal !== undefined) return refuse(query, refusal);
    const connection = this.#connection();
    if (connection instanceof Error) return refuse(query, connection);
    const statement = new Statement(query, this.#listener);
    const limits = this.#limits;
    // One with a signal or a deadline has to be given up in time: it is sent alone.
    const isAlone = limits?.signal !== undefined || limits?.timeoutMs !== undefined;
    statement.pipelined = !isAlone && isSingle(query);
    if (watch(statement, limits)) {
      statement.watch?.startTimer();
      connection.send(statement);
    }
  }
}
