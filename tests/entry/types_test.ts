import { assertEquals } from "@std/assert";
import { createPool, type PostgresPool } from "../support/entry.ts";
import type { PostgresTypes } from "../../src/driver/postgres/options.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { statementOf, type WireMessage, WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

function learns(message: WireMessage): boolean {
  return statementOf(message)?.includes("pg_catalog.pg_type") ?? false;
}

function lessons(proxy: WireProxy): number {
  return proxy.messages.filter(learns).length;
}

/** Uses `count` connections at once. */
async function onEach<T extends PostgresTypes, R>(
  db: PostgresPool<T>,
  count: number,
  ask: (sql: PostgresPool<T>["sql"]) => PromiseLike<R>,
): Promise<R[]> {
  const leases = await Promise.all(Array.from({ length: count }, () => db.acquire()));
  try {
    return await Promise.all(leases.map((lease) => ask(lease.sql)));
  } finally {
    for (const lease of leases) lease.release();
  }
}

test("Arrays are arrays on every connection, even if ten cold ones are used at once", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 10 });
  // The first statement that each connection ever sends.
  const first = await onEach(db, 10, (sql) => sql`select '{1,2}'::int[] as x`);
  for (const [row] of first) assertEquals(row, { x: [1, 2] });
  assertEquals([db.stats().idle, proxy.connections], [10, 10]);
  const rows = await onEach(db, 10, (sql) => sql`select ${sql.array([3, 4])}::int[] as x`);
  for (const [row] of rows) assertEquals(row, { x: [3, 4] });
});

test("Types are learnt by one connection for all, before any other sends a statement", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 5 });
  await onEach(db, 5, (sql) => sql`select 'first'`);
  assertEquals([lessons(proxy), proxy.connections], [1, 5]);
  const isReady = ({ from, type, connection }: WireMessage) =>
    from === "server" && type === "Z" && connection === 1;
  const learnt = proxy.messages.findLastIndex((message) => isReady(message));
  const first = proxy.messages.findIndex((message) => statementOf(message)?.includes("'first'"));
  const lesson = proxy.messages.findIndex(learns);
  assertEquals(proxy.messages.slice(lesson, first).some(isReady), true);
  assertEquals(learnt > 0, true);
  // Connections that are opened later in the same life of the server know them, too.
  db.evict();
  await onEach(db, 5, (sql) => sql`select 'second'`);
  assertEquals(lessons(proxy), 1);
});

test("Types are learnt anew after the server was lost", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 2 });
  const leases = await Promise.all([db.acquire(), db.acquire()]);
  const lost = leases.map(({ connection }) => new Promise((resolve) => connection.onLost(resolve)));
  for (const lease of leases) lease.release();
  await schema.terminate();
  await Promise.all(lost);
  assertEquals(db.stats().total, 0);
  await onEach(db, 2, (sql) => sql`select 'second'`);
  assertEquals([lessons(proxy), proxy.connections], [2, 4]);
});

test("Types are learnt by the next connection if the one that should is lost", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 3 });
  let cut = false;
  proxy.judge = (message) => {
    if (cut || !learns(message)) return "pass";
    cut = true;
    return "cut";
  };
  const rows = await onEach(db, 3, (sql) => sql`select '{1,2}'::int[] as x`);
  for (const [row] of rows) assertEquals(row, { x: [1, 2] });
  assertEquals(lessons(proxy), 2);
});

test("fetch_types: false learns nothing, and leaves arrays as text", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 2, fetch_types: false });
  const rows = await onEach(db, 2, (sql) => sql`select '{1,2}'::int[] as x`);
  for (const [row] of rows) assertEquals(row, { x: "{1,2}" });
  assertEquals(lessons(proxy), 0);
});

test("refreshTypes() learns the types that were created since, for every connection", async () => {
  await using schema = await Schema.create("");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 3 });
  await onEach(db, 3, (sql) => sql`select 1`);
  await db.sql`create type mood as enum ('sad', 'happy')`;
  const ask = () => onEach(db, 3, (sql) => sql`select '{sad,happy}'::mood[] as x`);
  for (const [row] of await ask()) assertEquals(row, { x: "{sad,happy}" });
  await db.refreshTypes();
  for (const [row] of await ask()) assertEquals(row, { x: ["sad", "happy"] });
  assertEquals(lessons(proxy), 2);
});

test("refreshTypes() leaves a lease alone, and its connection is not lent again", async () => {
  await using schema = await Schema.create("create type mood as enum ('sad', 'happy')");
  await using db = createPool(schema.url, { max: 2 });
  const lease = await db.acquire();
  const { pid } = lease.connection;
  await db.refreshTypes();
  assertEquals([...await lease.sql`select pg_backend_pid() as pid`], [{ pid }]);
  lease.release();
  const rows = await onEach(db, 2, (sql) => sql`select pg_backend_pid() as pid`);
  assertEquals(rows.some(([row]) => row?.pid === pid), false);
});

test("refreshTypes() counts what is being learnt for nothing: it may have been asked before", async () => {
  await using schema = await Schema.create("");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 2 });
  const { promise: held, resolve: letGo } = Promise.withResolvers<"pass">();
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  let first = true;
  proxy.judge = ({ from, type }) => {
    // The end of the first lesson's answer.
    if (!first || from !== "server" || type !== "C") return "pass";
    first = false;
    answer();
    return held;
  };
  const connecting = db.sql`select 1`.execute();
  await answered;
  await schema.query(`create type ${schema.name}.mood as enum ('sad', 'happy')`);
  const refreshed = db.refreshTypes();
  letGo("pass");
  await Promise.all([connecting, refreshed]);
  const rows = await onEach(db, 2, (sql) => sql`select '{sad,happy}'::mood[] as x`);
  for (const [row] of rows) assertEquals(row, { x: ["sad", "happy"] });
});

test("sql.options.parsers that are changed later reach every connection, open or not", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 3 });
  await onEach(db, 2, (sql) => sql`select 1`);
  const parsers = db.sql.options.parsers as Record<number, (text: string) => unknown>;
  parsers[20] = (text) => BigInt(text);
  const rows = await onEach(db, 3, (sql) => sql`select 5::int8 as x`);
  for (const [row] of rows) assertEquals(row, { x: 5n });
});

test("Custom types are serialized and parsed on every connection", async () => {
  await using schema = await Schema.create("create table t (p point)");
  const point = {
    to: 600,
    from: [600],
    serialize: ({ x, y }: { x: number; y: number }) => `(${x},${y})`,
    parse: (text: string) => {
      const [x, y] = text.slice(1, -1).split(",").map(Number);
      return { x: x ?? 0, y: y ?? 0 };
    },
  };
  await using db = createPool(schema.url, { max: 3, types: { point } });
  const rows = await onEach(
    db,
    3,
    (sql) =>
      sql`insert into t values (${sql.typed.point({ x: 1, y: 2 })}) returning p, array[p] as ps`,
  );
  for (const [row] of rows) assertEquals(row, { p: { x: 1, y: 2 }, ps: [{ x: 1, y: 2 }] });
});
