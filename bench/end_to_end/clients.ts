/**
 * Who is measured end to end: ours, porsager's pool in three settings, porsager's single connection, `pg`, and on Bun its
 * own `SQL`.
 *
 * @module
 */

import pg from "pg";
import postgres from "postgres";
import { createPool, type SharedPostgresLease } from "../../tests/support/entry.ts";

/** One client, freshly made; it has no connection yet. */
export interface Client {
  /** `select 1`. */
  select1?(): Promise<unknown>;
  /** A parametrised query with two rows. */
  param?(): Promise<unknown>;
  /** Take a connection, `select 1`, give it back; absent where a client has no such thing. */
  checkout?(): Promise<unknown>;
  /** A transaction with one statement. */
  transaction?(): Promise<unknown>;
  /** `select 1` by one of a thousand readers that share two connections. */
  shared?(): Promise<unknown>;
  /** `select 1` in a scope of its own, or what that is held against. */
  scope?(): Promise<unknown>;
  /** Closes everything. */
  close(): Promise<unknown>;
}

/** Size of every pool. */
export const POOL_SIZE = 10;

type Sql = postgres.Sql<Record<never, never>>;

function statements(sql: Sql): Pick<Client, "select1" | "param"> {
  return {
    select1: () => sql`select 1 as x`,
    param: () =>
      sql`select ${7}::int + i as a, ${"text"}::text as b from generate_series(1, 2) as i`,
  };
}

/** How many share two connections. */
const READERS = 1_000;

/** Each reader has a lease of its own, which it keeps. */
function steadyReaders(url: string): Pick<Client, "shared" | "close"> {
  const db = createPool(url, { max: 2, maxShared: 2 });
  let opening: Promise<void> | undefined;
  let readers: readonly SharedPostgresLease[] = [];
  let turn = 0;
  const open = async (): Promise<void> => {
    readers = await Promise.all(Array.from({ length: READERS }, () => db.acquireShared()));
  };
  return {
    shared() {
      const reader = readers[turn++ % READERS];
      return reader === undefined ? opening ??= open() : reader.sql`select 1 as x`;
    },
    async close() {
      for (const reader of readers) reader.release();
      await db.close();
    },
  };
}

/** The bare minimum: two clients of one connection, by turns. */
function porsagerPair(url: string): Client {
  const pair = [postgres(url, { max: 1 }), postgres(url, { max: 1 })] as const;
  let turn = 0;
  return {
    shared: () => pair[turn++ & 1 ? 1 : 0]`select 1 as x`,
    close: () => Promise.all(pair.map((sql) => sql.end())),
  };
}

function steady(url: string): Client {
  const db = createPool(url, { max: POOL_SIZE });
  const readers = steadyReaders(url);
  return {
    ...statements(db.sql),
    async checkout() {
      const lease = await db.acquire();
      try {
        await lease.sql`select 1 as x`;
      } finally {
        lease.release();
      }
    },
    transaction: () => db.transaction((sql) => sql`select 1 as x`),
    shared: readers.shared,
    scope: () => db.scope(() => db.sql`select 1 as x`),
    close: () => Promise.all([db.close(), readers.close()]),
  };
}

/** What a scope costs is what it costs above this. */
function steadyUse(url: string): Client {
  const db = createPool(url, { max: POOL_SIZE });
  return {
    scope: () => db.use(({ sql }) => sql`select 1 as x`),
    close: () => db.close(),
  };
}

/** Statements only: with a changed `max_pipeline` porsager's own `begin` and `reserve` fail or never answer. */
function porsagerStatements(
  url: string,
  options: { max: number; max_pipeline?: number },
): Client {
  const sql = postgres(url, options);
  return { ...statements(sql), close: () => sql.end() };
}

function porsager(url: string): Client {
  const sql = postgres(url, { max: POOL_SIZE });
  return {
    ...statements(sql),
    async checkout() {
      const reserved = await sql.reserve();
      try {
        await reserved`select 1 as x`;
      } finally {
        reserved.release();
      }
    },
    transaction: () => sql.begin((sql) => sql`select 1 as x`),
    close: () => sql.end(),
  };
}

function pgPool(url: string): Client {
  const pool = new pg.Pool({ connectionString: url, max: POOL_SIZE });
  const param = {
    name: "param",
    text: "select $1::int + i as a, $2::text as b from generate_series(1, 2) as i",
    values: [7, "text"],
  };
  return {
    select1: () => pool.query({ name: "one", text: "select 1 as x" }),
    param: () => pool.query(param),
    async checkout() {
      const client = await pool.connect();
      try {
        await client.query({ name: "one", text: "select 1 as x" });
      } finally {
        client.release();
      }
    },
    async transaction() {
      const client = await pool.connect();
      try {
        await client.query("begin");
        await client.query({ name: "one", text: "select 1 as x" });
        await client.query("commit");
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}

/** What is used of Bun's own client. */
interface BunSql {
  (strings: TemplateStringsArray, ...values: unknown[]): Promise<unknown>;
  reserve(): Promise<BunSql & { release(): void }>;
  begin<T>(fn: (sql: BunSql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

function bunSql(url: string): Client {
  const { SQL } = Reflect.get(globalThis, "Bun") as {
    readonly SQL: new (options: { url: string; max: number }) => BunSql;
  };
  const sql = new SQL({ url, max: POOL_SIZE });
  return {
    select1: () => sql`select 1 as x`,
    param: () =>
      sql`select ${7}::int + i as a, ${"text"}::text as b from generate_series(1, 2) as i`,
    async checkout() {
      const reserved = await sql.reserve();
      try {
        await reserved`select 1 as x`;
      } finally {
        reserved.release();
      }
    },
    transaction: () => sql.begin((sql) => sql`select 1 as x`),
    close: () => sql.close(),
  };
}

/** Makes each client; the first is ours. */
export const clients: Record<string, (url: string) => Client> = {
  "steady": steady,
  "steady by use()": steadyUse,
  "porsager": porsager,
  "porsager, max_pipeline 1": (url) => porsagerStatements(url, { max: POOL_SIZE, max_pipeline: 1 }),
  "porsager, max_pipeline 0": (url) => porsagerStatements(url, { max: POOL_SIZE, max_pipeline: 0 }),
  "porsager, 1 connection": (url) => porsagerStatements(url, { max: 1 }),
  "porsager, 2 clients of 1 connection": porsagerPair,
  "pg": pgPool,
  "Bun.sql": bunSql,
};

/**
 * Tells who can be measured on a runtime.
 *
 * @param runtime Its name.
 * @returns Names of the clients.
 */
export function clientNames(runtime: string): string[] {
  return Object.keys(clients).filter((name) => name !== "Bun.sql" || runtime === "bun");
}
