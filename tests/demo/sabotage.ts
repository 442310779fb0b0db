/**
 * Damage done on purpose, behind everybody's back, to show that the check finds it.
 *
 * @module
 */

import { query } from "../support/postgres_server.ts";
import type { Ledger } from "./ledger.ts";

/** Each leaves alone whatever is not its own business: a lost order gives its stock back. */
const DAMAGES = {
  lose: `
    with lines as (
      delete from order_lines where order_id = $1 returning product_id, quantity, price_cents
    ), returned as (
      update products p
         set stock = stock + quantity, takings_cents = takings_cents - quantity * lines.price_cents
        from lines where product_id = p.id
    )
    delete from orders where id = $1`,
  double: `insert into order_lines select * from order_lines where order_id = $1`,
  stock: `
    update products set stock = stock - 1
     where id = (select min(product_id) from order_lines where order_id = $1)`,
} as const;

/** The kinds: one acknowledged order is lost; its lines are written twice; stock is taken that nobody ordered. */
export type Sabotage = keyof typeof DAMAGES;

/** All kinds. */
export const SABOTAGES: readonly string[] = Object.keys(DAMAGES);

/**
 * Tells whether there is such a kind.
 *
 * @param name Its name.
 * @returns Whether there is.
 */
export function isSabotage(name: string): name is Sabotage {
  return SABOTAGES.includes(name);
}

/**
 * Damages one acknowledged order in the database.
 *
 * @param url URL of the database; its schema is the `search_path`.
 * @param ledger Where to find the order.
 * @param kind How.
 * @returns Its id; undefined if there is none.
 */
export async function sabotage(
  url: string,
  ledger: Ledger,
  kind: Sabotage,
): Promise<string | undefined> {
  const id = ledger.pick()?.order.id;
  if (id !== undefined) await query(url, DAMAGES[kind], [id]);
  return id;
}
