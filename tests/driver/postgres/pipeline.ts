/**
 * An `sql` whose statements are pipelined on one connection, without a pool.
 *
 * @module
 */

import type postgres from "postgres";
import type { Outcome } from "../../../src/core/errors.ts";
import type { PorsagerQuery } from "../../../src/driver/postgres/porsager.ts";
import { createSql } from "../../../src/driver/postgres/sql.ts";
import { Statement } from "../../../src/driver/postgres/statement.ts";
import type { OpenSession } from "./session.ts";

/**
 * Makes the `sql`.
 *
 * @param session The connection.
 * @param over Told of each statement that is over.
 * @param lost Told of each statement whose connection is lost.
 * @returns porsager's `sql`.
 */
export function pipeline(
  session: Pick<OpenSession, "connection" | "template">,
  over: (query: PorsagerQuery) => void = () => {},
  lost: (query: PorsagerQuery, outcome: Outcome) => boolean = () => false,
): postgres.ISql {
  return createSql(session.template, {
    send(query) {
      const statement = new Statement(query, {
        over: () => over(query),
        lost: (outcome) => lost(query, outcome),
      });
      statement.pipelined = true;
      session.connection.send(statement);
    },
  });
}
