/**
 * One connection of the driver, without a pool, and an `sql` that sends on it.
 *
 * @module
 */

import type postgres from "postgres";
import type { PostgresConnection } from "../../../src/driver/postgres/connection.ts";
import { PostgresDriver } from "../../../src/driver/postgres/driver.ts";
import { resolvePostgresOptions } from "../../../src/driver/postgres/options.ts";
import type { PostgresOptions, PostgresTypes } from "../../../src/driver/postgres/options.ts";
import type { Template } from "../../../src/driver/postgres/porsager.ts";
import { Session } from "../../../src/driver/postgres/session.ts";
import { createSql } from "../../../src/driver/postgres/sql.ts";
import { Statement, type StatementListener } from "../../../src/driver/postgres/statement.ts";
import { runtime } from "../../support/entry.ts";

/** An open connection. */
export interface OpenSession extends Disposable {
  readonly connection: PostgresConnection;
  readonly template: Template;
  /** Sends on the connection. */
  readonly sql: postgres.ISql;
  /**
   * Sends a statement.
   *
   * @param text Its text.
   * @param args Values for `$1` and so on.
   * @returns The statement and its end.
   */
  start(text: string, args?: readonly unknown[]): { statement: Statement; done: Promise<unknown> };
}

/**
 * Opens a connection.
 *
 * @param url Where to.
 * @param options The driver's options.
 * @param listener Told how the statements of `sql` end.
 * @returns The connection; disposing destroys it.
 */
export async function openSession<T extends PostgresTypes>(
  url: string,
  options?: PostgresOptions<T>,
  listener?: StatementListener,
): Promise<OpenSession> {
  const driver = new PostgresDriver(runtime, resolvePostgresOptions(url, options ?? {}));
  const { template } = driver;
  const connection = await driver.connect();
  return {
    connection,
    template,
    sql: createSql(template, new Session(() => connection, undefined, listener)),
    start(text, args = []) {
      const { Query } = template;
      const query = new Query([text], args, () => {}, () => {}, { simple: args.length === 0 });
      const statement = new Statement(query, listener);
      connection.send(statement);
      const done = query.then((value) => value);
      // A test may look at it late, or not at all.
      done.catch(() => {});
      return { statement, done };
    },
    [Symbol.dispose]() {
      connection.destroy();
    },
  };
}
