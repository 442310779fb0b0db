/**
 * Orders: how they are placed and found.
 *
 * @module
 */

import { isOrderId, type Order, type Receipt } from "../../demo/order.ts";
import { Refusal } from "../../demo/refusal.ts";
import { addGift } from "./gifts.ts";
import { note, noteForGood } from "./journal.ts";
import { db } from "./pool.ts";
import { takeFromStore } from "./store.ts";

/**
 * Places an order: all that is done for it, by whichever module, is in force or nothing is.
 *
 * @param order The order.
 * @returns Its receipt; that of the first time, if it was placed before.
 */
export async function placeOrder(order: Order): Promise<Receipt> {
  const { id } = order;
  return await db.transaction(async () => {
    await noteForGood(id, "attempt");
    const backend = await begin(order);
    if (backend === undefined) return await receiptOf(order);
    const totalCents = await takeFromStore(order);
    await db.sql`update orders set total_cents = ${totalCents} where id = ${id}`;
    // At the same time: neither comes in between the other.
    await Promise.all([addGift(order), note(id, "placed")]);
    return { id, totalCents, repeated: false, backend };
  });
}

/** Writes an order down; returns the session's process id, or nothing if it had been before. */
async function begin({ id, customer }: Order): Promise<number | undefined> {
  const [placed] = await db.sql<{ backend: number }[]>`
    insert into orders ${db.sql({ id, customer, total_cents: 0 })}
    on conflict (id) do nothing
    returning pg_backend_pid() as backend`;
  return placed?.backend;
}

/** The receipt of an order that was placed before. */
async function receiptOf(order: Order): Promise<Receipt> {
  const { id } = order;
  const found = await findOrder(id);
  const same = found.customer === order.customer && textOf(found) === textOf(order);
  if (!same) throw new Refusal(409, "ORDER_ID_TAKEN", "Another order has this id");
  return { id, totalCents: found.totalCents, repeated: true };
}

function textOf({ lines }: Order): string {
  return lines.map(({ product, quantity }) => `${product}*${quantity}`).sort().join();
}

/**
 * Finds an order.
 *
 * @param id Its id.
 * @returns The order, and what it costs.
 */
export async function findOrder(id: string): Promise<Order & { readonly totalCents: number }> {
  const [found] = isOrderId(id)
    ? await db.sql<(Order & { totalCents: number })[]>`
        select o.id, customer, total_cents as "totalCents",
               (select json_agg(json_build_object('product', product_id, 'quantity', quantity))
                  from order_lines where order_id = o.id) as lines
          from orders o where o.id = ${id}`
    : [];
  if (found === undefined) throw new Refusal(404, "NO_SUCH_ORDER", "There is no such order");
  return found;
}
