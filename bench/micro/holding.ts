/**
 * Pools with connections in use.
 *
 * @module
 */

import type { Subject } from "./subject.ts";

/**
 * Takes connections one by one.
 *
 * @param pool The pool.
 * @param count How many.
 * @returns What must be released.
 */
export async function take<L>(pool: Subject<L>, count: number): Promise<L[]> {
  const leases: L[] = [];
  while (leases.length < count) leases.push(await pool.acquire());
  return leases;
}

/**
 * Gives connections back.
 *
 * @param pool The pool.
 * @param leases What it lent.
 */
export function giveBack<L>(pool: Subject<L>, leases: readonly L[]): void {
  for (const lease of leases) pool.release(lease);
}

/**
 * Opens a pool's connections, so that no measurement contains a connect.
 *
 * @param pool The pool.
 * @param count How many.
 */
export async function open<L>(pool: Subject<L>, count: number): Promise<void> {
  giveBack(pool, await take(pool, count));
}

/**
 * Checks that a pool still lends.
 *
 * @param pool The pool, with a free connection.
 * @returns Whether two acquires in a row were served.
 */
export async function lends<L>(pool: Subject<L>): Promise<boolean> {
  try {
    for (let round = 0; round < 2; round++) pool.release(await pool.acquire());
    return true;
  } catch {
    return false;
  }
}
