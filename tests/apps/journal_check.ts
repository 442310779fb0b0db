/**
 * The shop's journal, and what has to hold of it.
 *
 * @module
 */

import { query } from "../support/postgres_server.ts";
import type { Invariant } from "../demo/ledger_check.ts";

/** No key, no constraint: what is wrong is to be found, not prevented. */
const TABLE = `
  create table journal (order_id uuid not null, deed text not null, backend int not null);
  create index on journal (order_id);
`;

const INVARIANTS: Readonly<Record<string, string>> = {
  "each order was taken and placed once, by one session": `
    select count(*)::int as broken
      from orders o left join (
             select order_id, count(*) as deeds, count(distinct deed) as kinds,
                    count(distinct backend) as backends
               from journal where deed in ('taken', 'placed') group by 1
           ) j on j.order_id = o.id
     where (deeds, kinds, backends) is distinct from (2, 2, 1)`,
  "nothing is left of what was rolled back": `
    select count(*)::int as broken from journal j
     where deed <> 'attempt' and not exists (select from orders where id = j.order_id)`,
  "each order was attempted, by another session than that of its transaction": `
    select count(*)::int as broken from orders o
     where not exists (
             select from journal a join journal p using (order_id)
              where order_id = o.id and a.deed = 'attempt' and p.deed = 'placed'
                and a.backend <> p.backend)`,
  "a gift for each order of several things, and for no other": `
    select count(*)::int as broken from orders o
     where (select count(*) from journal where order_id = o.id and deed = 'gift') <>
           (select case when count(*) > 1 then 1 else 0 end
              from order_lines where order_id = o.id)`,
};

/**
 * Creates the journal.
 *
 * @param url URL of the database, with the schema to use as its `search_path`.
 */
export async function createJournal(url: string): Promise<void> {
  await query(url, TABLE);
}

/**
 * Checks the journal against the other tables.
 *
 * @param url URL of the database.
 * @returns How many rows break which rule.
 */
export async function checkJournal(url: string): Promise<Invariant[]> {
  const invariants: Invariant[] = [];
  for (const [name, text] of Object.entries(INVARIANTS)) {
    const [row] = await query<{ broken: number }>(url, text);
    invariants.push({ name, broken: row?.broken ?? NaN });
  }
  return invariants;
}
