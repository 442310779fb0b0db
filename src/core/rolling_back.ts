/**
 * Rolling back what somebody left open on a connection that is not given back to the pool.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { Driver } from "./driver.ts";
import type { Lease } from "./lease.ts";

/** What it takes to roll back. */
export interface RollingBackParts<C> {
  /** Talks to the server. */
  readonly driver: Pick<Driver<C>, "execute" | "status">;
  /** Source of timers. */
  readonly clock: Clock;
  /** Deadline, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Rolls back; a connection on which that cannot be done is given up.
 *
 * @param parts What it takes.
 * @param lease On which connection.
 * @returns Resolved when the connection is idle or given up; never rejects.
 */
export async function rollBack<C>(
  { driver, clock, timeoutMs }: RollingBackParts<C>,
  lease: Lease<C>,
): Promise<void> {
  try {
    const { connection } = lease;
    await withDeadline((signal) => driver.execute(connection, { verb: "rollback" }, { signal }), {
      clock,
      timeoutMs,
      timeoutError: () => new Error(`no answer to rollback within ${timeoutMs} ms`),
    });
    if (driver.status(connection) === "idle") return;
  } catch {
    // Whatever the reason: nobody may use what cannot be cleaned.
  }
  lease.destroy();
}
