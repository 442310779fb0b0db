import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

test("A savepoint keeps what its callback did and returns its result", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  await db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    const result = await sql.savepoint(async (sql) => {
      await sql`insert into t values (2)`;
      return "kept";
    });
    assertEquals(result, "kept");
  });
  assertEquals(await schema.column("t", "x"), [1, 2]);
});

test("A savepoint undoes what its callback did when that throws, and the transaction goes on", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  const thrown = new Error("no");
  await db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    const failing = sql.savepoint(async (sql) => {
      await sql`insert into t values (2)`;
      throw thrown;
    });
    assertStrictEquals(await assertRejects(() => failing), thrown);
    await sql`insert into t values (3)`;
  });
  assertEquals(await schema.column("t", "x"), [1, 3]);
});

test("A savepoint fails by a statement's error even if its callback caught it; the transaction does not", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  await db.transaction(async (sql) => {
    const failing = sql.savepoint(async (sql) => {
      await sql`insert into t values (1)`;
      await sql`select 1 / 0`.catch(() => {});
      return "as if nothing had happened";
    });
    assertEquals((await assertRejects(() => failing, db.sql.PostgresError)).code, "22012");
    await sql`insert into t values (2)`;
  });
  assertEquals(await schema.column("t", "x"), [2]);
});

test("Savepoints nest, each with a name of its own", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  await db.transaction(async (sql) => {
    await sql.savepoint("outer", async (sql) => {
      await sql`insert into t values (1)`;
      await assertRejects(() =>
        sql.savepoint('in"ner', async (sql) => {
          await sql`insert into t values (2)`;
          await sql.savepoint((sql) => sql`insert into t values (3)`);
          throw new Error("no");
        })
      );
      await sql`insert into t values (4)`;
    });
  });
  assertEquals(await schema.column("t", "x"), [1, 4]);
  assertEquals(proxy.statements.filter((text) => text.includes("savepoint")), [
    'savepoint "s0_outer"',
    'savepoint "s1_in""ner"',
    'savepoint "s2"',
    'rollback to savepoint "s1_in""ner"',
  ]);
});

test("A savepoint takes a single statement as a template", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  await db.transaction(async (sql) => {
    const savepoint = sql.savepoint as unknown as typeof sql;
    await savepoint`insert into t values (${1})`;
    await assertRejects(async () => await savepoint`select 1 / ${0}::int`);
    await savepoint`insert into t values (${2})`;
  });
  assertEquals(await schema.column("t", "x"), [1, 2]);
});

test("A savepoint waits for all queries of an array", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  const [first, second] = await db.sql.begin((sql) =>
    sql.savepoint((sql) => [
      sql`insert into t values (1) returning x`,
      sql`insert into t values (2) returning x`,
    ])
  );
  assertEquals([first?.[0]?.x, second?.[0]?.x], [1, 2]);
});

test("A savepoint that is not awaited ends with its transaction: nothing of it reaches another session (X-12, X-13)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  const late = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const going: Promise<unknown>[] = [];
  await db.transaction(async (sql) => {
    going.push(sql.savepoint(async (inner) => {
      begun.resolve();
      await late.promise;
      await inner`insert into t values (1)`;
    }));
    await begun.promise;
  });
  await db.transaction(async (sql) => {
    await sql`insert into t values (2)`;
    late.resolve();
    const [outcome] = await Promise.allSettled(going);
    assertEquals(outcome?.status === "rejected" && outcome.reason.code, "LEASE_RELEASED");
  });
  assertEquals(await schema.column("t", "x"), [2]);
});
