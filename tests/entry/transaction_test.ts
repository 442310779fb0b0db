import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import type postgres from "postgres";
import { SteadyError } from "../../src/core/errors.ts";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { test } from "../support/harness.ts";

/** What the server says of the transaction that it is asked in. */
async function settings(sql: postgres.TransactionSql): Promise<unknown> {
  const [row] = await sql`
    select current_setting('transaction_isolation') as isolation,
           current_setting('transaction_read_only') as read_only,
           current_setting('transaction_deferrable') as deferrable`;
  return row;
}

test("PostgresPool.transaction() commits and returns what the callback returned (G-09, A-33)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  const result = await db.transaction(async (sql) => {
    await sql`insert into t values (${1})`;
    assertEquals(await schema.column("t", "x"), []);
    await sql`insert into t values (${2})`;
    return "done";
  });
  assertEquals(result, "done");
  assertEquals(await schema.column("t", "x"), [1, 2]);
});

test("PostgresPool.transaction() begins as its options say", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  const isolations = [
    "read uncommitted",
    "read committed",
    "repeatable read",
    "serializable",
  ] as const;
  for (const isolation of isolations) {
    const found = await db.transaction(settings, { isolation });
    assertEquals(found, { isolation, read_only: "off", deferrable: "off" });
  }
  const found = await db.transaction(settings, {
    isolation: "serializable",
    readOnly: true,
    deferrable: true,
  });
  assertEquals(found, { isolation: "serializable", read_only: "on", deferrable: "on" });
});

test("PostgresPool.transaction() writes and waits for nothing where the session would not", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, {
    connection: {
      default_transaction_read_only: true,
      default_transaction_deferrable: true,
      default_transaction_isolation: "serializable",
    },
  });
  const byDefault = await db.transaction(settings);
  assertEquals(byDefault, { isolation: "serializable", read_only: "on", deferrable: "on" });
  const asked = await db.transaction(settings, {
    isolation: "read committed",
    readOnly: false,
    deferrable: false,
  });
  assertEquals(asked, { isolation: "read committed", read_only: "off", deferrable: "off" });
});

test("PostgresPool.transaction() refuses wrong options before it opens anything", async () => {
  await using db = createPool("postgres://nobody@127.0.0.1:1/nothing");
  const wrong: [unknown, string][] = [
    [{ isolation: "snapshot" }, "isolation must be one of read uncommitted, read committed, "],
    [{ isolation: "snapshot" }, 'received "snapshot"'],
    [{ readOnly: "yes" }, 'readOnly must be a boolean: received "yes"'],
    [{ deferrable: 1 }, "deferrable must be a boolean: received 1"],
    [{ signal: 5 }, "signal"],
    [{ readonly: true }, "readonly"],
  ];
  for (const [options, text] of wrong) {
    await assertRejects(() => db.transaction(() => {}, options as object), TypeError, text);
  }
  assertEquals(db.stats().total, 0);
});

test("PostgresPool.transaction() rolls back when the callback throws, and has its very error (G-09, A-33)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  const [before] = await db.sql`select pg_backend_pid() as pid`;
  const thrown = new Error("no");
  for (const value of [thrown, undefined, "text"]) {
    const failing = db.transaction(async (sql) => {
      await sql`insert into t values (1)`;
      throw value;
    });
    assertStrictEquals(await failing.then(() => "fulfilled", (reason) => reason), value);
  }
  const failing = db.transaction((): never => {
    throw thrown;
  });
  assertStrictEquals(await assertRejects(() => failing), thrown);
  assertEquals(await schema.column("t", "x"), []);
  // The connection went back clean.
  const [after] = await db.sql`
    select pg_backend_pid() as pid, pg_current_xact_id_if_assigned() as xid`;
  assertEquals(after, { pid: before?.pid, xid: null });
  assertEquals(db.stats().idle, 1);
});

test("PostgresPool.transaction() fails by a statement's error even if the callback caught it", async () => {
  await using schema = await Schema.create("create table t (x int primary key)");
  await using db = createPool(schema.url);
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    await assertRejects(() => sql`insert into t values (1)`);
    return "as if nothing had happened";
  });
  const error = await assertRejects(() => failing, db.sql.PostgresError);
  assertEquals(error.code, "23505");
  assertEquals(await schema.column("t", "x"), []);
});

test("PostgresPool.transaction() names the first error instead of those that follow from it", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  const failing = db.transaction(async (sql) => {
    await sql`select 1 / 0`.catch(() => {});
    await sql`select 'not executed'`;
  });
  assertEquals((await assertRejects(() => failing, db.sql.PostgresError)).code, "22012");
});

test("PostgresPool.sql.begin() waits for all queries of an array", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  const results = await db.sql.begin((sql) => [
    sql`insert into t values (1) returning x`,
    sql`insert into t values (2) returning x`,
  ]);
  assertEquals(results.map((rows) => rows[0]?.x), [1, 2]);
  assertEquals(await schema.column("t", "x"), [1, 2]);
});

test("PostgresPool.transaction() has the error of a COMMIT that was refused, and the connection back clean (A-26)", async () => {
  await using schema = await Schema.create(
    "create table t (x int primary key, y int references t deferrable initially deferred)",
  );
  await using db = createPool(schema.url, { max: 1 });
  const failing = db.transaction((sql) => sql`insert into t values (1, 2)`);
  const error = await assertRejects(() => failing, db.sql.PostgresError);
  assertEquals([error.code, Reflect.get(error, "outcome")], ["23503", "refused"]);
  assertEquals(await schema.column("t", "x"), []);
  await db.sql`insert into t values (3, 3)`;
  assertEquals(await schema.column("t", "x"), [3]);
});

test("PostgresPool.transaction() fails if the server answers COMMIT by a rollback", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  using lease = await db.acquire();
  const failing = lease.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    // Past the transaction's own sql, which would know.
    await assertRejects(() => lease.sql`select 1 / 0`);
  });
  const error = await assertRejects(() => failing, SteadyError);
  assertEquals(error.code, "TRANSACTION_ROLLED_BACK");
  assertEquals([error.outcome, error.retryable], ["rolled-back", false]);
  assertEquals(await schema.column("t", "x"), []);
});

test("PostgresPool.transaction() does not call the callback when BEGIN is refused", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  let called = false;
  const callback = () => {
    called = true;
  };
  const error = await assertRejects(
    () => db.sql.begin("isolation level nonsense", callback),
    db.sql.PostgresError,
  );
  assertEquals([error.code, called], ["42601", false]);
  const [row] = await db.sql`select 1 as one`;
  assertEquals(row, { one: 1 });
});

test("PostgresPool.transaction() runs each on a connection of its own, as many at once as there are", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 3 });
  let inside = 0;
  const { promise: full, resolve } = Promise.withResolvers<void>();
  const pids = await Promise.all(Array.from({ length: 9 }, (_, x) =>
    db.transaction(async (sql) => {
      if (++inside === 3) resolve();
      await full;
      await sql`insert into t values (${x})`;
      const [row] = await sql`select pg_backend_pid() as pid`;
      return row?.pid;
    })));
  assertEquals(new Set(pids).size, 3);
  assertEquals(await schema.column("t", "x"), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test("PostgresLease.transaction() commits on the lease's own connection", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  using lease = await db.acquire();
  const pid = await lease.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    const [row] = await sql`select pg_backend_pid() as pid`;
    return row?.pid;
  });
  assertEquals(pid, lease.connection.pid);
  assertEquals(lease.connection.status, "idle");
  assertEquals(await schema.column("t", "x"), [1]);
});

test("PostgresPool.transaction() rejects when the pool is closed", async () => {
  const db = createPool("postgres://nobody@127.0.0.1:1/nothing");
  await db.close();
  const error = await assertRejects(() => db.transaction(() => {}), SteadyError);
  assertEquals(error.code, "CONNECTION_ENDED");
  assert(!error.retryable);
  assertStringIncludes(error.message, "closed");
});

test("PostgresLease.transaction() refuses to begin inside of another, which it would commit", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  using lease = await db.acquire();
  const thrown = new Error("no");
  const failing = lease.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    const inner = lease.transaction((sql) => sql`insert into t values (2)`);
    await assertRejects(() => inner, TypeError, "use its savepoint");
    throw thrown;
  });
  assertStrictEquals(await assertRejects(() => failing), thrown);
  assertEquals(await schema.column("t", "x"), []);
  // Or inside of one that was begun by hand.
  await lease.sql`begin`;
  await assertRejects(() => lease.transaction(() => {}), TypeError, "use its savepoint");
  assertEquals(lease.connection.status, "in transaction");
});

test("PostgresPool.transaction() fails if a statement in the callback has ended the transaction", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  for (const end of ["rollback", "commit"]) {
    const failing = db.transaction(async (sql) => {
      await sql.unsafe(end);
    });
    const error = await assertRejects(() => failing, SteadyError);
    assertEquals([error.code, error.outcome], ["TRANSACTION_ENDED", "unknown"]);
  }
  // The connection is none the worse for it.
  await db.sql`insert into t values (1)`;
  assertEquals(await schema.column("t", "x"), [1]);
});
