/**
 * An `sql` whose statements are pipelined on one connection, without a pool.
 *
 * @module
 */

import type postgres from "postgres";
import type { PorsagerQuery } from "../../../src/driver/postgres/porsager.ts";
import { createSql } from "../../../src/driver/postgres/sql.ts";
import { Statement } from "../../../src/driver/postgres/statement.ts";
import type { OpenSession } from "./session.ts";

/**
 * Makes the `sql`.
 *
 * @param session The connection.
 * @param over Told of each statement that is over.
 * @returns porsager's `sql`.
 */
export function pipeline(
  session: Pick<OpenSession, "connection" | "template">,
  over: (query: PorsagerQuery) => void = () => {},
): postgres.ISql {
  return createSql(session.template, {
    send(query) {
      const statement = new Statement(query, { over: () => over(query) });
      statement.pipelined = true;
      session.connection.send(statement);
    },
  });
}
