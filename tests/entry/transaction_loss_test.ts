import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectionLostError, LeaseReleasedError } from "../../src/core/errors.ts";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { statementOf, type WireMessage, WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

function assertRolledBack(error: unknown): void {
  assertInstanceOf(error, ConnectionLostError);
  assertEquals(
    [error.code, error.outcome, error.retryable],
    ["CONNECTION_CLOSED", "rolled-back", true],
  );
  assertInstanceOf(error.cause, Error);
}

/** The server's answer to COMMIT. */
function isCommitted({ from, type, body }: WireMessage): boolean {
  return from === "server" && type === "C" && body.toString() === "COMMIT\0";
}

/** A callback's statement after the loss: it rejects locally, whether its transaction has rejected meanwhile or not. */
function assertNotSent(error: unknown): void {
  if (!(error instanceof LeaseReleasedError)) assertRolledBack(error);
}

test("Pain 1: a backend killed between two statements leaves nothing of its transaction", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 3 });
  // Other connections stand by, to which the second statement could go astray.
  const leases = await Promise.all([1, 2, 3].map(() => db.acquire()));
  for (const lease of leases) lease.release();
  assertEquals(db.stats().idle, 3);
  const { promise: over, resolve } = Promise.withResolvers<unknown[]>();
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    await schema.terminate(row?.pid);
    resolve([
      await sql`insert into t values (2)`.catch((error) => error),
      await sql.unsafe("insert into t values (3)").catch((error) => error),
      await sql.savepoint((sql) => sql`insert into t values (4)`).catch((error) => error),
    ]);
    return "as if nothing had happened";
  });
  assertRolledBack(await assertRejects(() => failing));
  for (const error of await over) assertNotSent(error);
  assertEquals(proxy.statements.filter((text) => text.startsWith("insert")), [
    "insert into t values (1)",
  ]);
  // The pool itself is well, and may write.
  await db.sql`insert into t values (5)`;
  assertEquals(await schema.column("t", "x"), [5]);
});

test("A statement in hand at the loss rejects as rolled back, and so does its transaction", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const { promise: over, resolve } = Promise.withResolvers<unknown[]>();
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    const sent = sql`select pg_sleep(60)`.catch((error) => error);
    const queued = sql`insert into t values (2)`.catch((error) => error);
    await proxy.statement("pg_sleep(60)");
    proxy.cut();
    resolve(Promise.all([sent, queued]));
  });
  assertRolledBack(await assertRejects(() => failing));
  for (const error of await over) assertRolledBack(error);
  assertEquals(proxy.statements.includes("insert into t values (2)"), false);
  assertEquals(await schema.column("t", "x"), []);
});

test("PostgresPool.transaction() rejects at the loss, without waiting for its callback", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const { promise: inside, resolve } = Promise.withResolvers<void>();
  const failing = db.transaction(() => {
    resolve();
    return new Promise(() => {});
  });
  const rejected = assertRejects(() => failing, ConnectionLostError);
  await inside;
  await schema.terminate();
  const error = await rejected;
  assertRolledBack(error);
  assertEquals(Reflect.get(error.cause as object, "code"), "57P01");
  assertEquals(db.stats().total, 0);
});

test("A savepoint rejects at the loss, and its transaction with it", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  const { promise: over, resolve } = Promise.withResolvers<unknown>();
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    const inner = sql.savepoint(async (sql) => {
      await sql`insert into t values (2)`;
      proxy.cut();
      await new Promise(() => {});
    });
    resolve(await assertRejects(() => inner));
  });
  assertRolledBack(await assertRejects(() => failing));
  assertRolledBack(await over);
  assertEquals(await schema.column("t", "x"), []);
});

test("A lost BEGIN is sent again before the callback is called", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  let left = 2;
  proxy.judge = (message) => statementOf(message) === "begin" && left-- > 0 ? "cut" : "pass";
  let calls = 0;
  await db.transaction(async (sql) => {
    calls++;
    await sql`insert into t values (1)`;
  });
  assertEquals([calls, proxy.connections], [1, 3]);
  assertEquals(await schema.column("t", "x"), [1]);
});

test("A BEGIN that is lost again and again rejects as not applied, without a call of the callback", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  proxy.judge = (message) => statementOf(message) === "begin" ? "cut" : "pass";
  let called = false;
  const failing = db.transaction(() => {
    called = true;
  });
  const error = await assertRejects(() => failing, ConnectionLostError);
  assertEquals([error.outcome, error.retryable, called], ["not-applied", true, false]);
});

test("A COMMIT of the callback's own that is lost on its way is never called rolled back", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  proxy.judge = (message) => isCommitted(message) ? "cut" : "pass";
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    await sql.unsafe("commit");
  });
  const error = await assertRejects(() => failing, ConnectionLostError);
  assertEquals([error.outcome, error.retryable], ["unknown", false]);
  assertEquals(await schema.column("t", "x"), [1]);
});
