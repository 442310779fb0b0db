/**
 * The shop's journal: what was done for an order, and by which session.
 *
 * @module
 */

import { db } from "./pool.ts";

/** What can be in it. */
export type Deed = "attempt" | "taken" | "gift" | "placed";

/**
 * Writes a line, as part of whatever transaction it is called in.
 *
 * @param id The order.
 * @param deed What was done for it.
 */
export async function note(id: string, deed: Deed): Promise<void> {
  await db.sql`
    insert into journal (order_id, deed, backend) values (${id}, ${deed}, pg_backend_pid())`;
}

/**
 * Writes a line that stays, whatever becomes of the transaction it is called in.
 *
 * @param id The order.
 * @param deed What was done for it.
 */
export async function noteForGood(id: string, deed: Deed): Promise<void> {
  await db.outside(() => note(id, deed));
}
