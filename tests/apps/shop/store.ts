/**
 * What is in store.
 *
 * @module
 */

import type { Order } from "../../demo/order.ts";
import { Refusal } from "../../demo/refusal.ts";
import { note } from "./journal.ts";
import { db } from "./pool.ts";

/**
 * Takes what was ordered out of the store, and writes it down.
 *
 * @param order The order, which is in the tables already.
 * @returns What it costs, in cents.
 */
export async function takeFromStore({ id, lines }: Order): Promise<number> {
  // By itself half of it could be in force.
  db.requireTransaction();
  let totalCents = 0;
  // Always in the same order, or two orders of the same products would wait for each other.
  for (const { product, quantity } of lines.toSorted((a, b) => a.product - b.product)) {
    const [row] = await db.sql<{ price_cents: number }[]>`
      update products
         set stock = stock - ${quantity}, takings_cents = takings_cents + ${quantity} * price_cents
       where id = ${product} and stock >= ${quantity}
      returning price_cents`;
    if (row === undefined) {
      throw new Refusal(409, "OUT_OF_STOCK", `There are no ${quantity} of product ${product}`);
    }
    const line = { order_id: id, product_id: product, quantity, ...row };
    await db.sql`insert into order_lines ${db.sql(line)}`;
    totalCents += quantity * row.price_cents;
  }
  await note(id, "taken");
  return totalCents;
}
