import { assertEquals, assertRejects } from "@std/assert";
import { pools } from "../../mod.ts";
import { AcquireTimeoutError, PoolClosedError } from "../../src/core/errors.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { PostgresServer } from "../support/postgres_server.ts";
import { held } from "../support/held.ts";
import { test } from "../support/harness.ts";

/** Resolved when the pool's counts are as wanted. */
async function until(db: PostgresPool, is: (stats: ReturnType<PostgresPool["stats"]>) => boolean) {
  while (!is(db.stats())) await new Promise((resolve) => setTimeout(resolve, 5));
}

const pidOf = async (db: PostgresPool): Promise<unknown> =>
  (await db.sql`select pg_backend_pid() as pid`)[0]?.pid;

test("A pool is ready when its stock is open, at a real server, and keeps it", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 4, minIdle: 2, name: "stock" });
  await db.ready();
  assertEquals([db.stats().idle, db.name], [2, "stock"]);
  const lease = await db.acquire();
  await held(until(db, ({ idle }) => idle === 2));
  assertEquals(db.stats().total, 3);
  lease.destroy();
  await held(until(db, ({ idle, total }) => idle === 2 && total === 2));
});

test("A pool closes what nobody uses, asks the idle for signs of life, and the server does not see it meanwhile", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 3, idleTimeoutMs: 300, keepaliveMs: 50 });
  const leases = await Promise.all([db.acquire(), db.acquire(), db.acquire()]);
  for (const lease of leases) lease.release();
  await held(until(db, ({ total }) => total === 0));
  assertEquals(await pidOf(db) !== undefined, true);
});

test("A pool grows and shrinks at a real server (resize), and never has more sessions than it may", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const first = await db.acquire();
  const others = [db.acquire(), db.acquire()];
  db.resize(3);
  const leases = [first, ...await Promise.all(others)];
  assertEquals(db.stats().used, 3);
  db.resize(1);
  const [row] = await first.sql`select 1 as one`;
  assertEquals(row?.one, 1);
  for (const lease of leases) lease.release();
  await held(until(db, ({ total }) => total === 1));
  assertEquals(typeof await pidOf(db), "number");
});

test("A pool that is suspended holds statements, transactions and leases back, within their deadlines", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 2 });
  await pidOf(db);
  db.suspend();
  assertEquals([db.stats().state, db.tryAcquire()], ["suspended", undefined]);
  await assertRejects(() => db.acquire({ timeoutMs: 20 }), AcquireTimeoutError);
  const statement = pidOf(db);
  const transaction = db.transaction((sql) => sql`select 1 as one`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals([db.stats().waiters, db.stats().used], [2, 0]);
  db.resume();
  assertEquals(typeof await statement, "number");
  assertEquals((await transaction)[0]?.one, 1);
});

test("A pool evicts the connections that are named: another session is there then (Z-11)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const before = await pidOf(db);
  db.evict(({ state }) => state === "used");
  assertEquals(await pidOf(db), before);
  db.evict(({ pid }) => pid === before);
  assertEquals(await pidOf(db) === before, false);
});

test("A pool is closed and opened again by its administrator, in use or not (Z-11, A-28)", async () => {
  await using schema = await Schema.create();
  const db = createPool(schema.url, { max: 2, name: "zope" });
  const lease = await db.acquire();
  const closing = db.close();
  const opening = db.open();
  await assertRejects(() => pidOf(db), PoolClosedError);
  assertEquals((await lease.sql`select 1 as one`)[0]?.one, 1);
  lease.release();
  await closing;
  await opening;
  assertEquals(typeof await pidOf(db), "number");
  assertEquals(pools().filter(({ name }) => name === "zope").length, 1);
  await db.close();
  assertEquals(pools().filter(({ name }) => name === "zope").length, 0);
  await db.open();
  assertEquals(typeof await pidOf(db), "number");
  await db.close();
});

test("A pool whose server restarts has its stock again by itself, with few connects at a time", async () => {
  await using server = await PostgresServer.start();
  await using db = createPool(server.url(), { max: 6, minIdle: 4, maxPendingConnects: 2 });
  await db.ready();
  await server.restart("immediate");
  await held(until(db, ({ idle }) => idle < 4));
  await held(until(db, ({ idle }) => idle === 4));
  const seen = await server.query(
    "select count(*)::int as count from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
  );
  assertEquals(seen[0]?.count, 4);
});
