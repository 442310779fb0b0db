/**
 * Sums over all orders.
 *
 * @module
 */

import type { Sums } from "../../demo/order.ts";
import { db } from "./pool.ts";

/** @returns The same money, added up in three places, as of one instant. */
export async function sumUp(): Promise<Sums> {
  // One snapshot for all three: read committed would see orders that came in between.
  return await db.transaction(async () => {
    const [[ordered], [lines], [takings]] = await Promise.all([
      db.sql`select count(*)::int as orders, coalesce(sum(total_cents), 0)::int as cents from orders`,
      db.sql`select coalesce(sum(quantity * price_cents), 0)::int as cents from order_lines`,
      db.sql`select sum(takings_cents)::int as cents from products`,
    ]);
    return {
      orders: ordered?.orders,
      orderedCents: ordered?.cents,
      linesCents: lines?.cents,
      takingsCents: takings?.cents,
    };
  }, { isolation: "repeatable read", readOnly: true });
}
