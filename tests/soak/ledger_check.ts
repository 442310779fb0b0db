/**
 * Holds what the client was told against what is in the tables.
 *
 * Asks by a connection of the plain driver, past the proxy and the pool: the judge must not be the one who is judged.
 *
 * @module
 */

import type { Parameters } from "../support/query.ts";
import type { Ledger } from "./ledger.ts";
import type { EndedWrite } from "./operation.ts";
import { ACCOUNTS, OPENING_BALANCE, TABLE_NAMES, type TableName } from "./schema.ts";

/** Runs SQL on a connection of its own. */
export type Ask = <T extends Record<string, unknown>>(
  text: string,
  parameters?: Parameters,
) => Promise<T[]>;

/** What was found. */
export interface Findings {
  /** Acknowledged, but not there as a whole. */
  readonly missing: readonly number[];
  /** There more often than it was written, whatever the client was told. */
  readonly doubled: readonly number[];
  /** Refused, but there. */
  readonly refusedFound: readonly number[];
  /** Accounts that differ from what their transfers make them. */
  readonly accounts: readonly number[];
  /** There, but never written. */
  readonly strangers: readonly number[];
  /** Unknown, and there in part. */
  readonly torn: readonly number[];
  /** What became of those with unknown fate. */
  readonly unknown: { readonly inForce: number; readonly notInForce: number };
  /** Upserts that were carried out more than once, as they may be. */
  readonly repeated: number;
}

type Found = Map<number, Partial<Record<TableName, number>>>;

async function readRows(ask: Ask): Promise<Found> {
  const found: Found = new Map();
  for (const table of TABLE_NAMES) {
    const rows = await ask<{ id: string; count: number }>(
      `select id, count(*)::int as count from ${table} group by id`,
    );
    for (const { id, count } of rows) {
      const number = Number(id);
      const counts = found.get(number) ?? {};
      counts[table] = count;
      found.set(number, counts);
    }
  }
  return found;
}

/** How much of a write is there. */
function stateOf(
  { rows }: EndedWrite,
  found: Partial<Record<TableName, number>> = {},
): "none" | "part" | "whole" | "more" {
  const pairs = TABLE_NAMES.map((table) => [rows[table] ?? 0, found[table] ?? 0] as const);
  if (pairs.some(([wanted, there]) => there > wanted)) return "more";
  if (pairs.every(([, there]) => there === 0)) return "none";
  return pairs.every(([wanted, there]) => there === wanted) ? "whole" : "part";
}

/** Accounts whose balance is not what their transfers make it. */
async function wrongAccounts(ask: Ask): Promise<number[]> {
  const rows = await ask<{ id: number }>(`
    select id from accounts
     where balance <> ${OPENING_BALANCE}
       + coalesce((select sum(amount) from transfers where target = accounts.id), 0)
       - coalesce((select sum(amount) from transfers where source = accounts.id), 0)
  `);
  const [total] = await ask<{ sum: string }>("select sum(balance) as sum from accounts");
  // Money that came from nowhere is on no account's account.
  const whole = Number(total?.sum) === ACCOUNTS * OPENING_BALANCE;
  return [...rows.map(({ id }) => id), ...(whole ? [] : [0])];
}

/**
 * Checks.
 *
 * @param ask How to ask the database.
 * @param ledger The client's record.
 * @returns What was found.
 */
export async function checkLedger(ask: Ask, ledger: Ledger): Promise<Findings> {
  const found = await readRows(ask);
  const missing: number[] = [];
  const doubled: number[] = [];
  const refusedFound: number[] = [];
  const torn: number[] = [];
  const unknown = { inForce: 0, notInForce: 0 };
  for (const [id, write] of ledger.writes) {
    const state = stateOf(write, found.get(id));
    if (state === "more") doubled.push(id);
    switch (write.fate) {
      case "acknowledged":
        if (state === "none" || state === "part") missing.push(id);
        break;
      case "refused":
        if (state !== "none") refusedFound.push(id);
        break;
      case "unknown":
        if (state === "part") torn.push(id);
        else unknown[state === "none" ? "notInForce" : "inForce"]++;
    }
  }
  const [repeats] = await ask<{ count: number }>(
    "select count(*)::int as count from upserted where times > 1",
  );
  return {
    ...{ missing, doubled, refusedFound, torn, unknown },
    accounts: await wrongAccounts(ask),
    strangers: [...found.keys()].filter((id) => !ledger.writes.has(id)),
    repeated: repeats?.count ?? NaN,
  };
}
