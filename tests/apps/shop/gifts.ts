/**
 * Gifts for those who order more than one thing.
 *
 * @module
 */

import type { Order } from "../../demo/order.ts";
import { note } from "./journal.ts";
import { db } from "./pool.ts";

/** There is none for this order. */
class NoGift extends Error {}

/**
 * Adds a gift, if the order deserves one; what was written down for one that does not is taken back, and nothing else.
 *
 * @param order The order.
 */
export async function addGift({ id, lines }: Order): Promise<void> {
  try {
    await db.transaction(async () => {
      await note(id, "gift");
      if (lines.length < 2) throw new NoGift();
    });
  } catch (error) {
    if (!(error instanceof NoGift)) throw error;
  }
}
