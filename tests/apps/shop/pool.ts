/**
 * The pool of the app that runs: all that the shop's other modules know of how the database is reached.
 *
 * @module
 */

import type { PostgresPool } from "../../../src/entry/postgres_pool.ts";

/** What the shop needs of a pool: of one for all requests, or of one that makes one for each. */
export type ShopPool = Pick<
  PostgresPool,
  "outside" | "requireTransaction" | "sql" | "transaction"
>;

/** The pool; there is none before {@linkcode usePool}. */
export let db: ShopPool;

/**
 * Says which pool it is, before the first request.
 *
 * @param pool The pool.
 * @returns The same.
 */
export function usePool<P extends ShopPool>(pool: P): P {
  db = pool;
  return pool;
}
