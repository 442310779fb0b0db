/**
 * Orders as they come by HTTP.
 *
 * @module
 */

import { type Order, readOrder } from "./order.ts";
import { Refusal } from "./refusal.ts";

/**
 * Reads the order that a request brings.
 *
 * @param request The request.
 * @returns The order; rejects with a refusal if there is none.
 */
export async function orderOf(request: Request): Promise<Order> {
  const body: unknown = await request.json().catch(() => undefined);
  const order = readOrder(body);
  if (order === undefined) throw new Refusal(400, "NOT_AN_ORDER", "The body is not an order");
  return order;
}
