import { assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectionLostError } from "../../src/core/errors.ts";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { statementOf, WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

const ACCOUNTS = "create table a (id int primary key, n int); insert into a values (1, 0), (2, 0)";

function codeOf(error: unknown): unknown {
  return Reflect.get(error as object, "code");
}

test("transaction({ retries }) runs the callback again after a serialization failure (40001, Z-15)", async () => {
  await using schema = await Schema.create(ACCOUNTS);
  await using db = createPool(schema.url);
  const calls = [0, 0];
  // Both read before either writes; one of them has to be run again, and sees the other's work then.
  const bothRead = Promise.withResolvers<void>();
  let readers = 0;
  const add = (who: number): Promise<unknown> =>
    db.transaction(async (sql) => {
      calls[who] = (calls[who] ?? 0) + 1;
      const [row] = await sql<{ n: number }[]>`select n from a where id = 1`;
      if (++readers === 2) bothRead.resolve();
      await bothRead.promise;
      await sql`update a set n = ${(row?.n ?? 0) + 1} where id = 1`;
    }, { isolation: "serializable", retries: 5 });
  await Promise.all([add(0), add(1)]);
  assertEquals(calls.toSorted(), [1, 2]);
  assertEquals(await schema.column("a", "n"), [0, 2]);
});

test("transaction({ retries }) runs the callback again if COMMIT is refused for it", async () => {
  await using schema = await Schema.create(ACCOUNTS);
  await using db = createPool(schema.url);
  let calls = 0;
  const both = Promise.withResolvers<void>();
  let writers = 0;
  // Each reads what the other writes: neither statement fails, only the COMMIT that comes last.
  const cross = (read: number, write: number): Promise<unknown> =>
    db.transaction(async (sql) => {
      calls++;
      const [row] = await sql<{ n: number }[]>`select n from a where id = ${read}`;
      await sql`update a set n = ${(row?.n ?? 0) + 1} where id = ${write}`;
      if (++writers === 2) both.resolve();
      await both.promise;
    }, { isolation: "serializable", retries: 5 });
  await Promise.all([cross(1, 2), cross(2, 1)]);
  assertEquals(calls, 3);
  assertEquals((await schema.column("a", "n") as number[]).toSorted(), [1, 2]);
});

test("transaction({ retries }) runs the callback again after a deadlock (40P01)", async () => {
  await using schema = await Schema.create(ACCOUNTS);
  await using db = createPool(schema.url, { connection: { deadlock_timeout: "10ms" } });
  let calls = 0;
  const both = Promise.withResolvers<void>();
  let holders = 0;
  const inOrder = (first: number, second: number): Promise<unknown> =>
    db.transaction(async (sql) => {
      calls++;
      await sql`update a set n = n + 1 where id = ${first}`;
      if (++holders === 2) both.resolve();
      await both.promise;
      await sql`update a set n = n + 1 where id = ${second}`;
    }, { retries: 5 });
  await Promise.all([inOrder(1, 2), inOrder(2, 1)]);
  assertEquals(calls, 3);
  assertEquals(await schema.column("a", "n"), [2, 2]);
});

test("transaction({ retries }) runs the callback again, on another connection, if it was rolled back with its own", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  let left = 2;
  proxy.judge = (message) =>
    statementOf(message)?.startsWith("update") && left-- > 0 ? "cut" : "pass";
  let calls = 0;
  await db.transaction(async (sql) => {
    calls++;
    await sql`insert into t values (1)`;
    await sql`update t set x = x + 1`;
  }, { retries: 2 });
  assertEquals([calls, proxy.connections], [3, 3]);
  assertEquals(await schema.column("t", "x"), [2]);
});

test("transaction() without retries, or when they are used up, rejects with the last error", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  proxy.judge = (message) => statementOf(message)?.startsWith("insert") ? "cut" : "pass";
  for (const [retries, expected] of [[0, 1], [2, 3]] as const) {
    let calls = 0;
    const failing = db.transaction((sql) => {
      calls++;
      return sql`insert into t values (1)`;
    }, { retries });
    const error = await assertRejects(() => failing, ConnectionLostError);
    assertEquals([error.outcome, error.retryable, calls], ["rolled-back", true, expected]);
  }
});

test("transaction({ retries }) runs nothing again that another attempt would not change", async () => {
  await using schema = await Schema.create("create table t (x int primary key)");
  await using db = createPool(schema.url);
  const own = new Error("the callback's own");
  let calls = 0;
  const throwing = db.transaction(() => {
    calls++;
    throw own;
  }, { retries: 5 });
  assertStrictEquals(await assertRejects(() => throwing), own);
  const refused = db.transaction(async (sql) => {
    calls++;
    await sql`insert into t values (1), (1)`;
  }, { retries: 5 });
  assertEquals(codeOf(await assertRejects(() => refused)), "23505");
  assertEquals(calls, 2);
});

test("A deferred constraint that fails at COMMIT is an error, not a success (T-08)", async () => {
  await using schema = await Schema.create(
    "create table t (x int primary key, y int references t deferrable initially deferred)",
  );
  await using db = createPool(schema.url);
  let calls = 0;
  const failing = db.transaction(async (sql) => {
    calls++;
    await sql`insert into t values (1, 2)`;
  }, { retries: 3 });
  const error = await assertRejects(() => failing);
  assertEquals([codeOf(error), Reflect.get(error as object, "outcome"), calls], [
    "23503",
    "refused",
    1,
  ]);
  assertEquals(await schema.column("t", "x"), []);
});

test("A signal ends the pause between two attempts", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  const abort = new AbortController();
  const reason = new Error("the signal's own reason");
  proxy.judge = (message) => {
    if (!statementOf(message)?.startsWith("insert")) return "pass";
    proxy.refuse();
    queueMicrotask(() => setTimeout(() => abort.abort(reason)));
    return "cut";
  };
  const failing = db.transaction((sql) => sql`insert into t values (1)`, {
    retries: 1_000,
    signal: abort.signal,
  });
  assertStrictEquals(await assertRejects(() => failing), reason);
  assertEquals(db.stats().waiters, 0);
});

test("A lease's transaction({ retries }) stays on its connection, and ends with it", async () => {
  await using schema = await Schema.create(ACCOUNTS);
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  using lease = await db.acquire();
  let calls = 0;
  proxy.judge = (message) => statementOf(message)?.startsWith("update") ? "cut" : "pass";
  const failing = lease.transaction((sql) => {
    calls++;
    return sql`update a set n = 1`;
  }, { retries: 5 });
  const error = await assertRejects(() => failing);
  assertInstanceOf(error, ConnectionLostError);
  assertEquals([error.outcome, calls, proxy.connections], ["rolled-back", 1, 1]);
});
