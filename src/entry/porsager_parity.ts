/**
 * What porsager's `sql` has beside statements, for code written for it.
 *
 * @module
 */

import type { PostgresTypes } from "../driver/postgres/options.ts";
import type { Template } from "../driver/postgres/porsager.ts";
import type { TransactionSql } from "../driver/postgres/transaction.ts";

/**
 * Makes the prototype of the `sql` of a pool, or of its leases: what porsager's has beside statements, and what of it is
 * not offered.
 *
 * @param template Whose.
 * @param refused Methods that reject.
 * @returns `options`, `parameters`, the constants, and those methods.
 */
export function paritySql(
  template: Template,
  refused: Record<string, () => Promise<never>>,
): object {
  const { CLOSE, END, PostgresError, options, parameters } = template.sql;
  return Object.assign(Object.create(template.prototype), {
    CLOSE,
    END,
    PostgresError,
    options,
    parameters,
    listen: notOffered("listen"),
    subscribe: notOffered("subscribe"),
    largeObject: notOffered("largeObject"),
    ...refused,
  });
}

/** Arguments of `begin`, taken apart. */
export interface BeginArguments<T extends PostgresTypes> {
  /** The statement that begins. */
  readonly begin: string;
  /** The callback. */
  readonly fn: (sql: TransactionSql<T>) => unknown;
}

/**
 * Takes the arguments of `begin(fn)` and `begin(options, fn)` apart.
 *
 * @param args What `begin` was called with.
 * @returns The statement and the callback.
 * @throws {TypeError} If there is no callback.
 */
export function beginArguments<T extends PostgresTypes>(
  args: readonly unknown[],
): BeginArguments<T> {
  const [first, second] = args;
  const fn = second ?? first;
  if (typeof fn !== "function") {
    throw new TypeError("Cannot begin a transaction as there is no callback");
  }
  const options = typeof first === "string" ? first : "";
  // As porsager: words only, so that nothing else can be smuggled into the statement.
  const begin = `begin ${options.replace(/[^a-z ]/gi, "")}`;
  return { begin, fn: fn as (sql: TransactionSql<T>) => unknown };
}

/**
 * Stands for a part of porsager's `sql` that is not offered (yet).
 *
 * @param name Name of the method.
 * @param where Where it is not offered; everywhere, if not said.
 * @returns A function that rejects and says so.
 */
export function notOffered(name: string, where = "in this version"): () => Promise<never> {
  return () =>
    Promise.reject(new TypeError(`Cannot call sql.${name} as it is not available ${where}`));
}
