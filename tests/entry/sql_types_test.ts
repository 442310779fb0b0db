/**
 * Most of this is proved by the compiler: `deno test` and `deno check` fail if a line does not type-check, or if one does
 * that must not.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Readable, Writable } from "node:stream";
import type postgres from "postgres";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { test } from "../support/harness.ts";

/** Fails to compile unless the two are the same type. */
function same<A, B>(
  _proof: (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false,
): void {}

const point = {
  to: 600,
  from: [600],
  serialize: ([x, y]: [number, number]) => `(${x},${y})`,
  parse: (text: string): [number, number] => {
    const [x = 0, y = 0] = text.slice(1, -1).split(",").map(Number);
    return [x, y];
  },
};

/** Code of a user's that was written for porsager's `postgres()`. */
async function written(sql: postgres.Sql): Promise<number[]> {
  const rows = await sql<{ x: number }[]>`select ${1}::int as x`;
  return rows.map(({ x }) => x);
}

test("createPool().sql is a postgres.Sql", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  const sql: postgres.Sql = db.sql;
  same<typeof db.sql, postgres.Sql>(true);
  const viewed: postgres.Sql = db.with({ timeoutMs: 1_000 }).sql;
  assertEquals(await written(sql), [1]);
  assertEquals(await written(viewed), [1]);
});

test("createPool({ types }).sql has the types of the values", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { types: { point } });
  const sql: postgres.Sql<{ point: [number, number] }> = db.sql;
  const [row] = await sql<{ p: [number, number] }[]>`select ${sql.typed.point([1, 2])} as p`;
  assertEquals(row, { p: [1, 2] });
  // @ts-expect-error A point has two coordinates.
  sql.typed.point([1]);
  // @ts-expect-error There is no such type.
  assertEquals(sql.typed.line, undefined);
});

test("PostgresLease.sql is a postgres.ReservedSql, and so is what reserve() gives", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  using lease = await db.acquire();
  const reserved: postgres.ReservedSql = lease.sql;
  assertEquals(await written(reserved), [1]);
  const other: postgres.ReservedSql = await db.sql.reserve();
  assertEquals(await written(other), [1]);
  other.release();
});

test("The sql of a transaction is a postgres.TransactionSql", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  const ask = async (sql: postgres.TransactionSql) => {
    const [row] = await sql<[{ x: number }]>`select 1 as x`;
    return row.x;
  };
  const values: number[] = [
    await db.transaction(ask),
    await db.sql.begin(ask),
    await db.sql.begin("read only", ask),
    await db.transaction((sql) => sql.savepoint(ask)),
    await db.use((lease) => lease.transaction(ask)),
  ];
  assertEquals(values, [1, 1, 1, 1, 1]);
});

test("Results have porsager's types", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  const { sql } = db;
  const rows = await sql<{ x: number }[]>`select 1 as x`;
  const count: number = rows.count;
  const columns: postgres.ColumnList<"x"> = rows.columns;
  const pid: number = rows.state.pid;
  same<typeof rows, postgres.RowList<{ x: number }[]>>(true);
  const statement: postgres.Statement = await sql`select 1 as x`.describe();
  const readable: Readable = await sql`copy t to stdout`.readable();
  const writable: Writable = await sql`copy t from stdin`.writable();
  readable.resume();
  await new Promise<void>((resolve) => writable.end(() => resolve()));
  for await (const [row] of sql<{ x: number }[]>`select 1 as x`.cursor()) {
    const x: number | undefined = row?.x;
    assertEquals(x, 1);
  }
  assertEquals([count, columns.length, pid > 0, statement.types.length], [1, 1, true, 0]);
});

test("PostgresPool.transaction() has the type of what the callback returns, queries unwrapped", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  const number = await db.transaction(() => Promise.resolve(1));
  same<typeof number, number>(true);
  const rows = await db.transaction((sql) => sql<{ x: number }[]>`select 1 as x`);
  same<typeof rows, postgres.RowList<{ x: number }[]>>(true);
  const both = await db.transaction((sql) => [sql`select 1 as x`, sql`select 2 as x`]);
  const second: postgres.Row | undefined = both[1]?.[0];
  assertEquals([number, rows[0]?.x, second?.x], [1, 1, 2]);
});
