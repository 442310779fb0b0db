import { assertEquals, assertRejects } from "@std/assert";
import postgres from "postgres";
import { createPool } from "../../support/entry.ts";
import { Schema } from "./schema.ts";
import { openSession } from "./session.ts";
import { WireProxy } from "./wire_proxy.ts";
import { test } from "../../support/harness.ts";

test("A prepared statement whose result changed is sent again, unseen by the caller", async () => {
  await using schema = await Schema.create("create table t (x int); insert into t values (1)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const ask = () => db.sql`select * from t where x = ${1}`;
  assertEquals([...await ask()], [{ x: 1 }] as never);
  await db.sql`alter table t add y text default 'new'`;
  const refused = proxy.message(({ from, type, body }) =>
    from === "server" && type === "E" && body.toString().includes("RevalidateCachedQuery")
  );
  const [rows, next] = await Promise.all([ask(), db.sql`select 'next' as state`]);
  assertEquals([...rows], [{ x: 1, y: "new" }] as never);
  assertEquals([...next], [{ state: "next" }] as never);
  await refused;
  assertEquals([db.stats().idle, proxy.connections], [1, 1]);
});

test("A prepared statement that the server forgot is sent again, unseen by the caller", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const ask = (x: number) => db.sql`select ${x}::int as x`;
  await ask(1);
  await db.sql`deallocate all`;
  const refused = proxy.message(({ from, type, body }) =>
    from === "server" && type === "E" && body.toString().includes("FetchPreparedStatement")
  );
  const [rows, next] = await Promise.all([ask(2), db.sql`select 'next' as state`]);
  assertEquals([[...rows], [...next]], [[{ x: 2 }], [{ state: "next" }]] as never);
  await refused;
  assertEquals(db.stats().idle, 1);
});

test("A statement that is prepared anew has its values written out anew, not a second time", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const { sql } = session;
  const ask = () =>
    sql`select ${sql.json({ a: "b" })}::jsonb as json, ${["x", "y"]}::text[] as list`;
  const rows = [{ json: { a: "b" }, list: ["x", "y"] }];
  assertEquals([...await ask()], rows as never);
  await sql`deallocate all`;
  assertEquals([...await ask()], rows as never);
});

test("A prepared statement whose result changed fails its transaction, where it cannot be sent again", async () => {
  await using schema = await Schema.create("create table t (x int)");
  using session = await openSession(schema.url);
  const { sql, connection } = session;
  const ask = () => sql`select * from t where x = ${1}`;
  await ask();
  await schema.query(`alter table ${schema.name}.t add y int`);
  await sql`begin`;
  const error = await assertRejects(async () => await ask(), postgres.PostgresError);
  assertEquals([error.code, connection.status], ["0A000", "failed"]);
  await sql`rollback`;
  assertEquals([...await ask()], []);
});

test("A prepared statement that fails again when it is sent again has the first error", async () => {
  await using schema = await Schema.create("create table t (x int)");
  using session = await openSession(schema.url);
  const { sql, connection } = session;
  const ask = () => sql`select * from t where x = ${1}`;
  await ask();
  await connection.run("alter table t rename to u; create view t as select x, 1 / 0 as y from u");
  await sql`insert into u values (1)`;
  const error = await assertRejects(async () => await ask(), postgres.PostgresError);
  assertEquals([error.code, connection.status], ["0A000", "idle"]);
  assertEquals([...await sql`select 'next' as state`], [{ state: "next" }]);
});

test("A statement is prepared once on a connection, and with prepare: false on none", async () => {
  await using schema = await Schema.create();
  for (const prepare of [true, false]) {
    await using proxy = await WireProxy.start(schema.url);
    await using db = createPool(schema.through(proxy), { max: 1, prepare });
    for (const x of [1, 2, 3]) await db.sql`select ${x}::int as x`;
    const parsed = proxy.statements.filter((text) => text === "select $1::int as x");
    assertEquals(parsed.length, prepare ? 1 : 3);
    const [row] = await db.sql`
      select count(*)::int as n from pg_prepared_statements where statement like '%as x'`;
    assertEquals(row, { n: prepare ? 1 : 0 });
  }
});
