import { assertEquals, assertRejects } from "@std/assert";
import type postgres from "postgres";
import { LeaseReleasedError } from "../../src/core/errors.ts";
import { createPool } from "../support/entry.ts";
import { UnhandledRejections } from "../../src/testing/unhandled_rejections.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

test("PostgresPool.transaction() commits statements that were sent and not awaited", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  await db.transaction((sql) => {
    sql`insert into t values (1)`.execute();
    sql`insert into t values (2)`.execute();
  });
  await db.transaction(async (sql) => {
    await sql`insert into t values (3)`;
    sql`insert into t values (4)`.execute();
  });
  assertEquals(await schema.column("t", "x"), [1, 2, 3, 4]);
});

test("PostgresPool.transaction() fails by a statement that nobody awaits, which goes unhandled nowhere", async () => {
  await using schema = await Schema.create("create table t (x int primary key)");
  await using db = createPool(schema.url, { max: 1 });
  const unhandled = new UnhandledRejections();
  try {
    const failing = db.transaction(async (sql) => {
      await sql`insert into t values (1)`;
      sql`insert into t values (1)`.execute();
      sql`insert into t values (2)`.execute();
    });
    const error = await assertRejects(() => failing, db.sql.PostgresError);
    assertEquals(error.code, "23505");
    // A turn of the event loop later at the latest it would have been reported; a statement takes several.
    await db.sql`select 1`;
    assertEquals(unhandled.seen, []);
  } finally {
    unhandled.stop();
  }
  assertEquals(await schema.column("t", "x"), []);
});

test("PostgresPool.transaction() rolls back behind statements that still run when the callback throws", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  let running: Promise<unknown> | undefined;
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    running = Promise.all([sql`insert into t values (2)`, sql`insert into t values (3)`]);
    await Promise.resolve();
    throw new Error("no");
  });
  await assertRejects(() => failing, Error, "no");
  await running;
  assertEquals(await schema.column("t", "x"), []);
  assertEquals(db.stats().idle, 1);
});

/** All ways to use an `sql` that reach the server. */
function usesOf(sql: postgres.TransactionSql): (() => PromiseLike<unknown>)[] {
  return [
    () => sql`insert into t values (1)`,
    () => sql`insert into t values (${1})`,
    () => sql.unsafe("insert into t values (1)"),
    () => sql`insert into t values (1)`.describe(),
    () => sql`copy t from stdin`.writable(),
    () => sql`select 1`.forEach(() => {}),
    () => sql`select 1`.cursor(1, () => {}),
    async () => {
      for await (const _ of sql`select 1`.cursor()) throw new Error("A row came");
    },
    () => sql.notify("channel", "payload"),
    () => sql.savepoint((sql) => sql`insert into t values (1)`),
  ];
}

async function assertEnded(sql: postgres.TransactionSql): Promise<void> {
  for (const use of usesOf(sql)) {
    const error = await assertRejects(use, LeaseReleasedError);
    assertEquals([error.code, error.outcome], ["LEASE_RELEASED", "not-applied"]);
  }
}

test("A transaction's sql rejects after the end, and nothing is on the wire", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const committed = await db.transaction((sql) => [sql, sql.with({ timeoutMs: 1_000 })]);
  const rolledBack: postgres.TransactionSql[] = [];
  const failing = db.transaction((sql) => {
    rolledBack.push(sql);
    throw new Error("no");
  });
  await assertRejects(() => failing, Error, "no");
  const before = proxy.messages.length;
  for (const sql of [...committed, ...rolledBack]) await assertEnded(sql);
  assertEquals(proxy.messages.length, before);
  // What was sent nevertheless would come in front of this.
  await db.sql`select 1`;
  assertEquals(proxy.statements.at(-1), "select 1");
  assertEquals(proxy.connections, 1);
  assertEquals(await schema.column("t", "x"), []);
});

test("A savepoint's sql rejects after the end, and the transaction goes on", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  await db.transaction(async (sql) => {
    const { inner } = await sql.savepoint((inner) => ({ inner }));
    const before = proxy.messages.length;
    await assertEnded(inner);
    assertEquals(proxy.messages.length, before);
    await sql`insert into t values (2)`;
  });
  assertEquals(await schema.column("t", "x"), [2]);
});
