/**
 * An `sql` that can be kept although connections, and what makes queries, belong to one request.
 *
 * @module
 */

import type { PostgresTypes } from "../driver/postgres/options.ts";
import type { PoolSql } from "../driver/postgres/sql.ts";

/**
 * Makes an `sql` that stands for another.
 *
 * @param current Gives the one that counts now; throws if there is none.
 * @returns An `sql` that does what that one does at each call.
 */
export function scopedSql<T extends PostgresTypes>(current: () => PoolSql<T>): PoolSql<T> {
  return new Proxy(() => {}, {
    apply: (_target, _this, args: unknown[]): unknown => Reflect.apply(current(), undefined, args),
    get(_target, name): unknown {
      // Whoever awaits it, or prints it, asks for these.
      return name === "then" || typeof name === "symbol" ? undefined : Reflect.get(current(), name);
    },
  }) as unknown as PoolSql<T>;
}
