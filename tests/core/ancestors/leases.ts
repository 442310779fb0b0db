/**
 * What the tests of the ancestors' behaviours have in common.
 *
 * @module
 */

import type { Lease } from "../../../src/core/lease.ts";
import type { Pool } from "../../../src/core/pool.ts";
import type { FakeConnection, FakeDriver } from "../../../src/testing/mod.ts";

/**
 * Takes leases, all at once.
 *
 * @param pool Of this pool.
 * @param count How many.
 * @returns The leases, in the order they were asked for.
 */
export async function take(
  pool: Pool<FakeConnection>,
  count: number,
): Promise<Lease<FakeConnection>[]> {
  return await Promise.all(Array.from({ length: count }, () => pool.acquire()));
}

/**
 * Tells which connection a lease has.
 *
 * @param lease The lease.
 * @returns The connection's number.
 */
export function idOf(lease: Lease<FakeConnection>): number {
  return lease.connection.id;
}

/**
 * Lists what happened at a driver.
 *
 * @param driver The driver.
 * @param events Which kinds of events.
 * @returns In order, each a statement's text, or the name of the event and its detail.
 */
export function eventsOf(driver: FakeDriver, ...events: readonly string[]): string[] {
  return driver.log.filter(({ event }) => events.includes(event)).map(({ event, detail }) =>
    event === "apply" ? detail : `${event}${detail && ` ${detail}`}`
  );
}
