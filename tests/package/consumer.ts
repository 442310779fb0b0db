/**
 * A program of somebody who uses the package, in the way and under the name it is installed by; the tests put the name of
 * another runtime's entry in the place of Deno's.
 *
 * Arguments: URL of a server. Prints what it has seen, in JSON. Written so that Node 22 can run it.
 *
 * @module
 */

import { AcquireTimeoutError, type PoolCounts, SteadyError } from "@steady/pool";
import {
  createPool,
  type CreatePoolOptions,
  type PostgresPool,
  runtime,
  type TransactionSql,
} from "@steady/pool/deno";
import { postgresDriver } from "@steady/pool/postgres";
import { FakeDriver, VirtualClock } from "@steady/pool/testing";
import * as core from "@steady/pool";
import process from "node:process";

interface Item {
  id: number;
  name: string;
}

const options: CreatePoolOptions = { max: 2, acquireTimeoutMs: 5_000 };

async function items(db: PostgresPool): Promise<string[]> {
  const ids: readonly number[] = [1, 2];
  const rows = await db.sql<Item[]>`
    select id, 'item ' || id as name from unnest(${db.sql.array([...ids])}::int[]) as id
  `;
  // @ts-expect-error The type of the rows is known: a name is not a number.
  const wrong: number | undefined = rows[0]?.name;
  void wrong;
  return rows.map(({ name }) => name);
}

async function transfer(db: PostgresPool): Promise<number> {
  const [result] = await db.transaction(async (sql: TransactionSql) => {
    await sql`create temp table transfers (amount int) on commit drop`;
    await sql`insert into transfers ${sql([{ amount: 1 }, { amount: 2 }])}`;
    await sql.savepoint((sql) => sql`insert into transfers values (1 / 0)`).catch(() => {});
    return await sql<{ sum: number }[]>`select sum(amount)::int from transfers`;
  }, { isolation: "serializable" });
  return result?.sum ?? 0;
}

async function borrow(db: PostgresPool): Promise<boolean> {
  const lease = await db.acquire({ timeoutMs: 1_000, signal: new AbortController().signal });
  try {
    const [row] = await lease.sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    return row?.pid === lease.connection.pid;
  } finally {
    lease.release();
  }
}

async function failure(db: PostgresPool): Promise<unknown> {
  try {
    return await db.sql`select 1 / 0`;
  } catch (error) {
    return error instanceof db.sql.PostgresError ? error.code : error;
  }
}

async function timeout(url: string): Promise<unknown> {
  const db = createPool(url, { ...options, max: 1 });
  const lease = await db.acquire();
  try {
    return await db.acquire({ timeoutMs: 20 });
  } catch (error) {
    if (!(error instanceof SteadyError && error instanceof AcquireTimeoutError)) return error;
    const stats: PoolCounts = error.stats;
    return [error.outcome, error.phase, stats.used];
  } finally {
    lease.release();
    await db.close();
  }
}

/** A pool of the consumer's own wiring, and one that needs no server. */
async function otherPools(url: string): Promise<unknown[]> {
  const pool = new core.Pool(postgresDriver({ runtime, url }), { max: 1 });
  const status = await pool.use(({ connection }) => connection.status);
  await pool.close();
  const fake = new core.Pool(new FakeDriver(), { clock: new VirtualClock(), max: 3 });
  return [status, fake.stats().max];
}

const [url = ""] = process.argv.slice(2);
// @ts-expect-error There is no such option.
const mistaken = () => createPool(url, { mux: 2 });
void mistaken;

const db = createPool(url, options);
const seen = {
  runtime: runtime.name,
  items: await items(db),
  transfer: await transfer(db),
  borrow: await borrow(db),
  failure: await failure(db),
  timeout: await timeout(url),
  otherPools: await otherPools(url),
  stats: db.stats().total,
};
await db.close();
process.stdout.write(JSON.stringify(seen));
