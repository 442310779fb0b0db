/**
 * Holds what the client was told against what is in the database.
 *
 * Asks by a connection of the plain driver, not by the pool: the judge must not be the one who is judged.
 *
 * @module
 */

import { query } from "../support/postgres_server.ts";
import type { Entry, Ledger } from "./ledger.ts";

/** A rule that holds over all the tables. */
export interface Invariant {
  readonly name: string;
  /** How many rows break it. */
  readonly broken: number;
}

/** What was found. */
export interface Findings {
  /** Orders in the database. */
  readonly rows: number;
  readonly acknowledged: number;
  /** Acknowledged, but not there. */
  readonly missing: readonly string[];
  /** There with more lines than were ordered, whatever the client was told. */
  readonly doubled: readonly string[];
  /** There, but not as ordered, or not for the price on the receipt. */
  readonly altered: readonly string[];
  /** The client was told nothing, or that nobody knows. */
  readonly unknown: number;
  /** Of those, there. */
  readonly unknownFound: number;
  /** The client was told that it had no effect. */
  readonly failed: number;
  /** Of those, there all the same. */
  readonly failedFound: readonly string[];
  /** There, but never ordered. */
  readonly strangers: readonly string[];
  readonly invariants: readonly Invariant[];
}

/** An order as it is in the database. */
interface OrderRow extends Record<string, unknown> {
  readonly id: string;
  readonly customer: string;
  readonly total: number;
  /** Lines as `product*quantity`, with commas between them; empty if there are none. */
  readonly lines: string;
}

const ORDERS = `
  select o.id, o.customer, o.total_cents as total,
         coalesce(string_agg(l.product_id || '*' || l.quantity, ','), '') as lines
    from orders o left join order_lines l on l.order_id = o.id
   group by o.id`;

const INVARIANTS: Readonly<Record<string, string>> = {
  "each product: stock taken = quantities in order lines": `
    select count(*)::int as broken from products p
     where initial_stock - stock <>
           (select coalesce(sum(quantity), 0) from order_lines where product_id = p.id)`,
  "each product: takings = amounts of order lines": `
    select count(*)::int as broken from products p
     where takings_cents <>
           (select coalesce(sum(quantity * price_cents), 0) from order_lines
             where product_id = p.id)`,
  "each order: total = amounts of its lines": `
    select count(*)::int as broken
      from orders o left join (
             select order_id, sum(quantity * price_cents) as cents from order_lines group by 1
           ) l on l.order_id = o.id
     where total_cents is distinct from l.cents`,
};

function linesOf({ lines }: OrderRow): string[] {
  return lines === "" ? [] : lines.split(",");
}

function isAsOrdered({ order, totalCents }: Entry, row: OrderRow): boolean {
  const ordered = order.lines.map(({ product, quantity }) => `${product}*${quantity}`);
  return row.customer === order.customer &&
    (totalCents === undefined || totalCents === row.total) &&
    linesOf(row).toSorted().join() === ordered.toSorted().join();
}

/**
 * Checks.
 *
 * @param url URL of the database; its schema is the `search_path`.
 * @param ledger The client's record.
 * @returns What was found.
 */
export async function checkLedger(url: string, ledger: Ledger): Promise<Findings> {
  const rows = new Map((await query<OrderRow>(url, ORDERS)).map((row) => [row.id, row]));
  const missing: string[] = [];
  const doubled: string[] = [];
  const altered: string[] = [];
  const failedFound: string[] = [];
  const count = { acknowledged: 0, failed: 0, unknown: 0, unknownFound: 0 };
  for (const [id, entry] of ledger.entries) {
    count[entry.fate]++;
    const row = rows.get(id);
    if (row === undefined) {
      if (entry.fate === "acknowledged") missing.push(id);
      continue;
    }
    if (entry.fate === "failed") failedFound.push(id);
    if (entry.fate === "unknown") count.unknownFound++;
    if (linesOf(row).length > entry.order.lines.length) doubled.push(id);
    else if (!isAsOrdered(entry, row)) altered.push(id);
  }
  const invariants: Invariant[] = [];
  for (const [name, text] of Object.entries(INVARIANTS)) {
    const [row] = await query<{ broken: number }>(url, text);
    invariants.push({ name, broken: row?.broken ?? NaN });
  }
  return {
    rows: rows.size,
    ...count,
    missing,
    doubled,
    altered,
    failedFound,
    strangers: [...rows.keys()].filter((id) => !ledger.entries.has(id)),
    invariants,
  };
}
