import { assertEquals, assertRejects } from "@std/assert";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { test } from "../support/harness.ts";

async function pid(db: PostgresPool): Promise<unknown> {
  const [row] = await db.sql`select pg_backend_pid() as pid`;
  return row?.pid;
}

async function refuses(work: () => PromiseLike<unknown>): Promise<void> {
  const error = await assertRejects(async () => await work());
  assertEquals(Reflect.get(error as object, "code"), "25006");
}

test("A write that the user's own access mode refuses (25006) says nothing of the server", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  const before = await pid(db);
  await refuses(() => db.transaction((sql) => sql`insert into t values (1)`, { readOnly: true }));
  await refuses(() => db.sql.begin("read only", (sql) => sql`insert into t values (1)`));
  await refuses(() =>
    db.transaction(async (sql) => {
      await sql`set transaction read only`;
      await sql`insert into t values (1)`;
    })
  );
  await db.use(async ({ sql }) => {
    await sql`begin read only`;
    await refuses(() => sql`insert into t values (1)`);
    await sql`rollback`;
  });
  assertEquals(await pid(db), before);
});

test("Nor does it in a pool that is meant to be read-only", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, {
    max: 1,
    connection: { default_transaction_read_only: true },
  });
  const before = await pid(db);
  await refuses(() => db.sql`insert into t values (1)`);
  await refuses(() => db.transaction((sql) => sql`insert into t values (1)`));
  assertEquals(await pid(db), before);
});

test("A server that refuses what a session could do before condemns the connections to it", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  const before = await pid(db);
  // What an administrator changes for all, seen by one session.
  await db.use(({ sql }) => sql`set default_transaction_read_only = on`);
  await refuses(() => db.sql`insert into t values (1)`);
  assertEquals(await pid(db) === before, false);
  await db.sql`insert into t values (1)`;
});
