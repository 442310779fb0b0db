import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { CommitUnknownError } from "../../src/core/errors.ts";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { statementOf, WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

const reason = new Error("the signal's own reason");

async function assertReason(promise: Promise<unknown>): Promise<void> {
  assertStrictEquals(await assertRejects(() => promise), reason);
}

test("PostgresPool.transaction({ signal }) opens nothing if it is aborted", async () => {
  await using db = createPool("postgres://nobody@127.0.0.1:1/nothing");
  const signal = AbortSignal.abort(reason);
  await assertReason(db.transaction(() => {}, { signal }));
  assertEquals(db.stats().total, 0);
});

test("PostgresPool.transaction({ signal }) leaves the queue at once", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  using lease = await db.acquire();
  const abort = new AbortController();
  let called = false;
  const failing = db.transaction(() => {
    called = true;
  }, { signal: abort.signal });
  assertEquals(db.stats().waiters, 1);
  abort.abort(reason);
  await assertReason(failing);
  assertEquals([db.stats().waiters, called, lease.lost], [0, false, false]);
});

test("PostgresPool.transaction({ signal }) breaks off at BEGIN", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  proxy.judge = (message) => statementOf(message) === "begin" ? "drop" : "pass";
  const abort = new AbortController();
  let called = false;
  const failing = db.transaction(() => {
    called = true;
  }, { signal: abort.signal });
  await proxy.statement("begin");
  abort.abort(reason);
  await assertReason(failing);
  assertEquals([called, db.stats().total], [false, 0]);
});

test("PostgresPool.transaction({ signal }) has the server cancel what executes, and keeps the connection (X-25)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const abort = new AbortController();
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    await sql`select pg_sleep(60)`;
  }, { signal: abort.signal });
  const rejected = assertReason(failing);
  await proxy.statement("pg_sleep(60)");
  abort.abort(reason);
  await rejected;
  assertEquals(await schema.column("t", "x"), []);
  await db.sql`select 1`;
  // Beside it there are those for the cancel: a busy server may have to be asked twice.
  assertEquals(db.stats().counters.connects, 1);
  assert(proxy.connections > 1);
});

test("PostgresPool.transaction({ signal }) rolls back between statements, and keeps the connection", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  const abort = new AbortController();
  const { promise: inside, resolve } = Promise.withResolvers<number>();
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    resolve(row?.pid ?? 0);
    await new Promise(() => {});
  }, { signal: abort.signal });
  const rejected = assertReason(failing);
  const pid = await inside;
  abort.abort(reason);
  await rejected;
  const [row] = await db.sql`select pg_backend_pid() as pid`;
  assertEquals(row?.pid, pid);
  assertEquals(await schema.column("t", "x"), []);
});

test("PostgresPool.transaction({ signal }) breaks off at COMMIT, and says unknown where nobody may ask", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  proxy.judge = (message) => statementOf(message) === "commit" ? "drop" : "pass";
  const abort = new AbortController();
  const failing = db.transaction((sql) => sql`insert into t values (1)`, {
    signal: abort.signal,
    commitResolution: "off",
  });
  const rejected = assertRejects(() => failing, CommitUnknownError);
  await proxy.statement("commit");
  abort.abort(reason);
  const error = await rejected;
  assertEquals([error.outcome, error.cause], ["unknown", reason]);
  assertEquals(db.stats().total, 0);
});

test("PostgresPool.transaction({ signal }) is done with its signal when it is over", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  const abort = new AbortController();
  await db.transaction((sql) => sql`insert into t values (1)`, { signal: abort.signal });
  using lease = await db.acquire();
  abort.abort(reason);
  await lease.sql`insert into t values (2)`;
  assertEquals(await schema.column("t", "x"), [1, 2]);
});

test("PostgresPool.transaction({ signal }) rolls back if it is aborted when the callback returns", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  const abort = new AbortController();
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    abort.abort(reason);
  }, { signal: abort.signal });
  await assertReason(failing);
  assertEquals(await schema.column("t", "x"), []);
});
