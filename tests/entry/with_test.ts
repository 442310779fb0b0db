import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { AcquireTimeoutError, StatementTimeoutError } from "../../src/core/errors.ts";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

const reason = new Error("the signal's own reason");

test("PostgresPool.with({ signal }) rejects a statement before it takes a connection", async () => {
  await using db = createPool("postgres://nobody@127.0.0.1:1/nothing");
  const view = db.with({ signal: AbortSignal.abort(reason) });
  assertStrictEquals(await assertRejects(async () => await view.sql`select 1`), reason);
  assertStrictEquals(await assertRejects(() => view.transaction(() => {})), reason);
  assertStrictEquals(await assertRejects(() => view.acquire()), reason);
  assertEquals(db.stats().total, 0);
});

test("PostgresPool.with({ signal }) takes a waiting statement out of the queue", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  using lease = await db.acquire();
  const abort = new AbortController();
  const failing = db.with({ signal: abort.signal }).sql`select 1`.execute();
  while (db.stats().waiters === 0) await Promise.resolve();
  abort.abort(reason);
  assertStrictEquals(await assertRejects(() => failing), reason);
  assertEquals([db.stats().waiters, lease.lost], [0, false]);
});

test("PostgresPool.with({ signal }) rejects at once, and has the server cancel what was sent", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const [before] = await db.sql`select pg_backend_pid() as pid`;
  const abort = new AbortController();
  const failing = db.with({ signal: abort.signal }).sql`select pg_sleep(60)`.execute();
  await proxy.statement("pg_sleep(60)");
  abort.abort(reason);
  assertStrictEquals(await assertRejects(() => failing), reason);
  assertEquals((await db.sql`select pg_backend_pid() as pid`)[0], before);
});

test("PostgresPool.with({ timeoutMs }) has a statement cancelled that was sent, and keeps the connection", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const [before] = await db.sql`select pg_backend_pid() as pid`;
  const failing = db.with({ timeoutMs: 20 }).sql`select pg_sleep(60)`;
  const error = await assertRejects(() => failing, StatementTimeoutError);
  assertEquals(
    [error.code, error.outcome, error.retryable, error.timeoutMs],
    ["STATEMENT_TIMEOUT", "refused", true, 20],
  );
  assertEquals(Reflect.get(error.cause as object, "code"), "57014");
  assertEquals((await db.sql`select pg_backend_pid() as pid`)[0], before);
});

test("What was cancelled and may have committed in between is not called retryable", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  await db.sql`select 1`;
  const failing = db.with({ timeoutMs: 50 }).sql.unsafe(
    "do $$ begin insert into t values (1); commit; perform pg_sleep(60); end $$",
  );
  const error = await assertRejects(() => failing, StatementTimeoutError);
  assertEquals([error.outcome, error.retryable], ["refused", false]);
  assertEquals(await schema.column("t", "x"), [1]);
});

test("PostgresPool.with({ timeoutMs }) closes the connection if no cancel reaches the server, and says unknown", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  await db.sql`select 1`;
  proxy.judge = (message) => message.type === "cancel" ? "drop" : "pass";
  const failing = db.with({ timeoutMs: 20 }).sql`select pg_sleep(60)`;
  const error = await assertRejects(() => failing, StatementTimeoutError);
  assertEquals([error.outcome, error.retryable], ["unknown", false]);
  assertEquals(db.stats().total, 0);
});

test("A result that comes in the last moment, before the cancel takes, is the statement's result", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  await db.sql`select 1`;
  // The answer is held until the cancel is on its way; the server is done by then.
  const cancelling = Promise.withResolvers<"pass">();
  proxy.judge = (message) => {
    if (message.type === "cancel") cancelling.resolve("pass");
    return message.from === "server" && message.type === "D" ? cancelling.promise : "pass";
  };
  const rows = await db.with({ timeoutMs: 20 }).sql`select 7 as x`;
  assertEquals([...rows], [{ x: 7 }]);
  proxy.judge = () => "pass";
  assertEquals([...await db.sql`select 8 as x`], [{ x: 8 }]);
  assertEquals(proxy.connections, 2);
});

test("PostgresPool.with({ timeoutMs }) bounds the wait for a connection, too", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  using lease = await db.acquire();
  const view = db.with({ timeoutMs: 20 });
  for (
    const use of [() => view.sql`select 1`, () => view.acquire(), () => view.transaction(() => {})]
  ) {
    const error = await assertRejects(async () => await use(), AcquireTimeoutError);
    assertEquals([error.phase, error.timeoutMs, error.outcome], ["queue", 20, "not-applied"]);
  }
  assertEquals(lease.lost, false);
});

test("PostgresPool.with() gives its options to transactions and leases, where views of them may differ", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  // Short for a statement, and long enough for a BEGIN and a COMMIT on a busy machine.
  const strict = db.with({ timeoutMs: 200 });
  await db.sql`select 1`;
  await strict.transaction((sql) => sql.with({ timeoutMs: 60_000 })`select pg_sleep(0.3)`);
  const failing = strict.transaction((sql) => sql`select pg_sleep(60)`);
  await assertRejects(() => failing, StatementTimeoutError);
  await db.sql`select 1`;
  using lease = await strict.acquire();
  await lease.with({ timeoutMs: 60_000 }).sql`select pg_sleep(0.3)`;
  await assertRejects(async () => await lease.sql`select pg_sleep(60)`, StatementTimeoutError);
  assertEquals(lease.lost, false);
});

test("PostgresLease.with() and TransactionSql.with() end their statements, not the connection", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  using lease = await db.acquire();
  const failing = lease.with({ timeoutMs: 20 }).sql`select pg_sleep(60)`;
  await assertRejects(() => failing, StatementTimeoutError);
  assertEquals([...await lease.sql`select 1 as x`], [{ x: 1 }]);
  const transaction = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    await sql.with({ timeoutMs: 20 })`select pg_sleep(60)`;
  });
  await assertRejects(() => transaction, StatementTimeoutError);
  assertEquals(await schema.column("t", "x"), []);
});

test("PostgresPool.with() heeds the signals of all views that it is made from", async () => {
  await using db = createPool("postgres://nobody@127.0.0.1:1/nothing");
  const never = new AbortController().signal;
  const view = db.with({ signal: AbortSignal.abort(reason) }).with({ timeoutMs: 5 }).with({
    signal: never,
  });
  assertStrictEquals(await assertRejects(async () => await view.sql`select 1`), reason);
});

test("PostgresPool.with() shares the pool of what it is made from, and its options are its own", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const view = db.with({ timeoutMs: 60_000 });
  const [first] = await view.sql`select pg_backend_pid() as pid`;
  const [second] = await db.sql`select pg_backend_pid() as pid`;
  assertEquals(second, first);
  assertEquals(view.stats(), db.stats());
});

test("PostgresPool.with() refuses wrong options at once", async () => {
  await using db = createPool("postgres://nobody@127.0.0.1:1/nothing");
  const wrong: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [{ timeoutMs: "5" }, TypeError, "timeoutMs"],
    [{ timeoutMs: 0 }, RangeError, "received 0"],
    [{ timeoutMs: -1 }, RangeError, "received -1"],
    [{ timeoutMs: NaN }, RangeError, "received NaN"],
    [{ signal: {} }, TypeError, "signal"],
    [{ timeout: 5 }, TypeError, '"timeout"'],
    [undefined, TypeError, "options"],
    ["signal", TypeError, '"signal"'],
  ];
  for (const [options, type, text] of wrong) {
    assertThrows(() => db.with(options as object), type, text);
  }
});
