/**
 * A program whose types are checked and that is not run: what Node has since version 24 only.
 *
 * @module
 */

import { type Clock, Pool, type Runtime } from "@steady/pool";
import { createPool, type PostgresLease, runtime } from "@steady/pool/deno";
import { FakeDriver, VirtualClock } from "@steady/pool/testing";

/** Closes and releases by declaration. */
export async function declared(url: string): Promise<boolean> {
  await using db = createPool(url);
  using lease: PostgresLease = await db.acquire();
  await using pool = new Pool(new FakeDriver());
  return lease.released && pool.stats().total > 0;
}

/** Custom types have the type of their values. */
export async function customTypes(url: string): Promise<void> {
  const db = createPool(url, {
    types: {
      day: {
        to: 1082,
        from: [1082],
        serialize: (value: Date) => value.toISOString(),
        parse: (raw: string) => new Date(raw),
      },
    },
  });
  await db.sql`select ${db.sql.typed.day(new Date())}`;
  // @ts-expect-error A day is no text.
  await db.sql`select ${db.sql.typed.day("today")}`;
}

/** What is exported is what the contracts ask for. */
export const contracts: readonly [Runtime, Clock] = [runtime, new VirtualClock()];
