/**
 * Who is compared: each with the settings that its documentation recommends for a service, and nothing that it does not
 * do by itself. Nobody's caller sends anything again.
 *
 * @module
 */

import pg from "pg";
import postgres from "postgres";
import { createPool } from "../support/entry.ts";
import type { RuntimeName } from "../support/harness.ts";

/** One client: a pool of ten connections, which has none yet. */
export interface Client {
  /**
   * Writes one row by a statement of its own.
   *
   * @param id What is written.
   */
  insert(id: string): PromiseLike<unknown>;
  /**
   * The same within so many milliseconds, by whatever the client has for it.
   *
   * @param id What is written.
   * @param ms How long it may take.
   */
  insertWithin(id: string, ms: number): PromiseLike<unknown>;
  /**
   * Writes one row by a transaction.
   *
   * @param id What is written.
   */
  insertInTransaction(id: string): PromiseLike<unknown>;
  /**
   * Writes one row by a statement that may be carried out more than once, and says so to a client that asks.
   *
   * @param id What is written.
   */
  insertIdempotently(id: string): PromiseLike<unknown>;
}

const MAX = 10;

/** How long a connect may take: ours by default; the others have 30 s, or no limit at all. */
const CONNECT_S = 10;

/** The server takes its time, so that some statements are under way whenever something happens. */
const TEXT = "insert into writes (id) select $1::text from pg_sleep(0.05)";

/** One that is without effect when the row is there. */
const IDEMPOTENT_TEXT = `${TEXT} on conflict do nothing`;

function steady(url: string): Client {
  const db = createPool(url, { max: MAX });
  const { sql } = db;
  return {
    insert: (id) => sql`insert into writes (id) select ${id}::text from pg_sleep(0.05)`,
    insertWithin: (id, timeoutMs) =>
      db.with({ timeoutMs }).sql`
        insert into writes (id) select ${id}::text from pg_sleep(0.05)`,
    insertInTransaction: (id) =>
      db.transaction((sql) => sql`insert into writes (id) select ${id}::text from pg_sleep(0.05)`),
    insertIdempotently: (id) =>
      db.with({ idempotent: true }).sql`
        insert into writes (id) select ${id}::text from pg_sleep(0.05) on conflict do nothing`,
  };
}

/** It has no deadline for a statement; what it has is `cancel()`. */
function porsager(url: string): Client {
  const sql = postgres(url, { max: MAX, connect_timeout: CONNECT_S, onnotice: () => {} });
  const insert = (id: string) =>
    sql`insert into writes (id) select ${id}::text from pg_sleep(0.05)`;
  return {
    insert,
    insertWithin: (id, ms) => cancelAfter(insert(id).execute(), ms),
    insertInTransaction: (id) =>
      sql.begin((sql) => sql`insert into writes (id) select ${id}::text from pg_sleep(0.05)`),
    insertIdempotently: (id) =>
      sql`insert into writes (id) select ${id}::text from pg_sleep(0.05) on conflict do nothing`,
  };
}

async function cancelAfter(
  query: PromiseLike<unknown> & { cancel(): unknown },
  ms: number,
): Promise<unknown> {
  const timer = setTimeout(() => query.cancel(), ms);
  try {
    return await query;
  } finally {
    clearTimeout(timer);
  }
}

/** With a listener for errors on the pool and on each client, as its documentation demands. */
function pgPool(url: string): Client {
  const config = {
    connectionString: url,
    max: MAX,
    connectionTimeoutMillis: CONNECT_S * 1_000,
    keepAlive: true,
  };
  const open = (more: pg.PoolConfig = {}): pg.Pool => {
    const pool = new pg.Pool({ ...config, ...more });
    pool.on("error", () => {});
    pool.on("connect", (client) => client.on("error", () => {}));
    return pool;
  };
  const pool = open();
  let patient: pg.Pool | undefined;
  return {
    insert: (id) => pool.query(TEXT, [id]),
    insertIdempotently: (id) => pool.query(IDEMPOTENT_TEXT, [id]),
    // A setting of its connections, not of a statement.
    insertWithin: (id, ms) => (patient ??= open({ query_timeout: ms })).query(TEXT, [id]),
    async insertInTransaction(id) {
      const client = await pool.connect();
      try {
        await client.query("BEGIN");
        const result = await client.query(TEXT, [id]);
        await client.query("COMMIT");
        return result;
      } catch (error) {
        await client.query("ROLLBACK");
        throw error;
      } finally {
        client.release();
      }
    },
  };
}

/** What is used of Bun's own client. */
interface BunSql {
  (
    strings: TemplateStringsArray,
    ...values: unknown[]
  ): Promise<unknown> & { execute(): PromiseLike<unknown> & { cancel(): unknown } };
  begin<T>(fn: (sql: BunSql) => Promise<T>): Promise<T>;
}

/** It has no deadline for a statement either, and `cancel()`. */
function bunSql(url: string): Client {
  const { SQL } = Reflect.get(globalThis, "Bun") as {
    readonly SQL: new (options: { url: string; max: number; connectionTimeout: number }) => BunSql;
  };
  const sql = new SQL({ url, max: MAX, connectionTimeout: CONNECT_S });
  const insert = (id: string) =>
    sql`insert into writes (id) select ${id}::text from pg_sleep(0.05)`;
  return {
    insert,
    insertWithin: (id, ms) => cancelAfter(insert(id).execute(), ms),
    insertInTransaction: (id) =>
      sql.begin((sql) => sql`insert into writes (id) select ${id}::text from pg_sleep(0.05)`),
    insertIdempotently: (id) =>
      sql`insert into writes (id) select ${id}::text from pg_sleep(0.05) on conflict do nothing`,
  };
}

/** Makes each client; the first is ours. */
export const CLIENTS: Readonly<Record<string, (url: string) => Client>> = {
  "steady": steady,
  "postgres": porsager,
  "pg": pgPool,
  "Bun.sql": bunSql,
};

/**
 * Tells who can be compared on a runtime.
 *
 * @param runtime Its name.
 * @returns Names of the clients.
 */
export function clientNames(runtime: RuntimeName): string[] {
  return Object.keys(CLIENTS).filter((name) => name !== "Bun.sql" || runtime === "bun");
}
