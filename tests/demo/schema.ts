/**
 * The tables of the shop, and what is in store when it opens.
 *
 * @module
 */

import { query } from "../support/postgres_server.ts";

/** How many products there are; their numbers begin at 1. */
export const PRODUCTS = 50;

/** The product of which there are few: orders of it are refused sooner or later, and have to leave no trace. */
export const SCARCE_PRODUCT = PRODUCTS;

// No table can tell by a constraint of its own that lines were written twice, or stock was taken twice: that is to be
// found by the check, not prevented by the database. Only the order's id is a key, which makes orders repeatable.
// Half of each page of products is free, so that the busiest rows are updated in place.
const TABLES = `
  create table products (
    id int primary key,
    price_cents int not null,
    initial_stock int not null,
    stock int not null check (stock >= 0),
    takings_cents bigint not null default 0
  ) with (fillfactor = 50);
  create table orders (
    id uuid primary key,
    customer text not null,
    total_cents int not null,
    placed_at timestamptz not null default now()
  );
  create table order_lines (
    order_id uuid not null references orders,
    product_id int not null references products,
    quantity int not null check (quantity > 0),
    price_cents int not null
  );
  create index on order_lines (order_id);
  insert into products (id, price_cents, initial_stock, stock)
    select id, 95 + 5 * id, stock, stock
      from generate_series(1, ${PRODUCTS}) as id,
           lateral (select case id when ${SCARCE_PRODUCT} then 200 else 1000000 end as stock);
`;

/**
 * Creates the tables and fills the store.
 *
 * @param url URL of the database, with the schema to use as its `search_path`.
 */
export async function createTables(url: string): Promise<void> {
  await query(url, TABLES);
}
