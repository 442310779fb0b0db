import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectionLostError, LeaseReleasedError } from "../../src/core/errors.ts";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { held } from "../support/held.ts";
import { test } from "../support/harness.ts";

async function pidOf(sql: ReturnType<typeof createPool>["sql"]): Promise<unknown> {
  const [row] = await sql`select pg_backend_pid() as pid`;
  return row?.pid;
}

test("A lease executes statements that are not awaited in the order written", async () => {
  await using schema = await Schema.create("create table t (x serial, y int)");
  await using db = createPool(schema.url);
  using lease = await db.acquire();
  const { sql } = lease;
  const queries = [5, 3, 9, 1].map((y) => sql`insert into t (y) values (${y})`.execute());
  const rows = await sql`select y from t order by x`;
  assertEquals(rows.map(({ y }) => y), [5, 3, 9, 1]);
  await Promise.all(queries);
});

test("A lease is one session: its state stays, and nobody else's statement comes between", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 2 });
  using lease = await db.acquire();
  await lease.sql`create temp table t (x int)`;
  await lease.sql`begin`;
  await lease.sql`insert into t values (1)`;
  assertEquals(await pidOf(db.sql) === lease.connection.pid, false);
  assertEquals(lease.connection.status, "in transaction");
  await lease.sql`commit`;
  const [row] = await lease.sql`select * from t`;
  assertEquals(row, { x: 1 });
});

test("A lease that is released with a statement in flight is closed, not lent", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const lease = await db.acquire();
  const { pid } = lease.connection;
  const running = lease.sql`select pg_sleep(60)`.execute();
  const queued = lease.sql`select 1`.execute();
  const rejected = Promise.all(
    [running, queued].map((query) => assertRejects(() => query, ConnectionLostError)),
  );
  await proxy.statement("pg_sleep(60)");
  lease.release();
  const errors = await rejected;
  assertEquals(errors.map(({ outcome }) => outcome), ["unknown", "not-applied"]);
  assertEquals(await pidOf(db.sql) === pid, false);
  assertEquals(proxy.connections, 2);
});

test("A lease that is released in a transaction is rolled back before it is lent again", async () => {
  await using schema = await Schema.create("create table t (x int primary key)");
  await using db = createPool(schema.url, { max: 1 });
  for (const failing of [false, true]) {
    const lease = await db.acquire();
    const { pid } = lease.connection;
    await lease.sql`begin`;
    await lease.sql`insert into t values (1)`;
    if (failing) await assertRejects(async () => await lease.sql`insert into t values (1)`);
    lease.release();
    const [row] = await db.sql`
      select pg_backend_pid() as pid, (select count(*)::int from t) as n,
             pg_current_xact_id_if_assigned() as xid`;
    assertEquals(row, { pid, n: 0, xid: null });
  }
});

test("A lease that is left at the end of its block is rolled back, unless it was committed by then (X-17)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  for (const [x, end] of [[1, "select 1"], [2, "commit"]] as const) {
    await using lease = await db.acquire();
    await lease.sql`begin`;
    await lease.sql`insert into t values (${x})`;
    await lease.sql.unsafe(end);
  }
  assertEquals(await schema.column("t", "x"), [2]);
});

test("A lease whose rollback does not succeed is closed, not lent", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const lease = await db.acquire();
  const { pid } = lease.connection;
  await lease.sql`begin`;
  proxy.judge = ({ from, type, body }) =>
    from === "client" && type === "Q" && body.toString().startsWith("rollback") ? "cut" : "pass";
  lease.release();
  assertEquals(db.stats().resetting, 1);
  assertEquals(await pidOf(db.sql) === pid, false);
  assertEquals(proxy.connections, 2);
});

test("A lease is dead after its release, and nothing is on the wire (D-35, Q-12)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const lease = await db.acquire();
  const { sql } = lease;
  const view = lease.with({ timeoutMs: 1_000 });
  const { sql: viewed } = view;
  lease.release();
  const before = proxy.messages.length;
  const uses: (() => unknown)[] = [sql, viewed].flatMap((sql) => [
    () => sql`insert into t values (1)`,
    () => sql.unsafe("insert into t values (1)"),
    () => sql`select 1`.describe(),
    () => sql`select 1`.forEach(() => {}),
    () => sql`copy t from stdin`.writable(),
    () => sql.begin((sql) => sql`insert into t values (1)`),
    () => sql.notify("channel", "payload"),
  ]);
  uses.push(() => lease.transaction((sql) => sql`insert into t values (1)`));
  uses.push(() => view.transaction((sql) => sql`insert into t values (1)`));
  for (const use of uses) {
    const error = await assertRejects(async () => await use(), LeaseReleasedError);
    assertEquals([error.code, error.outcome], ["LEASE_RELEASED", "not-applied"]);
  }
  assertEquals(proxy.messages.length, before);
  assertEquals([lease.released, view.released], [true, true]);
});

test("A lease is given back once, however often it is released", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const lease = await db.acquire();
  lease.release();
  lease.release();
  lease.with({}).release();
  db.release(lease);
  await lease[Symbol.asyncDispose]();
  lease[Symbol.dispose]();
  lease.destroy();
  const next = await db.acquire();
  lease.release();
  lease.sql.release();
  lease.destroy();
  // It is the other one's now.
  assertEquals([db.stats().used, next.released, next.lost], [1, false, false]);
  next.release();
});

test("A lease that is destroyed closes its connection at once", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const lease = await db.acquire();
  const { connection } = lease;
  lease.destroy();
  assertEquals([connection.lost, db.stats().total, lease.released], [true, 0, true]);
});

test("A lease belongs to one connection: after its loss it reaches no other", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 2 });
  using lease = await db.acquire();
  await using other = await db.acquire();
  const { connection } = lease;
  const lost = new Promise((resolve) => connection.onLost(resolve));
  await schema.terminate(connection.pid);
  await held(lost);
  assertEquals([lease.lost, other.lost], [true, false]);
  for (
    const use of [
      () => lease.sql`insert into t values (1)`,
      () => lease.transaction((sql) => sql`insert into t values (1)`),
    ]
  ) {
    const error = await assertRejects(async () => await use(), ConnectionLostError);
    assertEquals([error.outcome, error.retryable], ["not-applied", true]);
  }
  assertEquals(await schema.column("t", "x"), []);
});

test("PostgresPool.use() gives the lease back in any case", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const thrown = new Error("no");
  assertEquals(await db.use((lease) => lease.connection.status), "idle");
  await assertRejects(
    () =>
      db.use(() => {
        throw thrown;
      }),
    Error,
    "no",
  );
  assertEquals(db.stats().idle, 1);
});

test("PostgresPool.tryAcquire() lends what is idle, and opens nothing", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 2 });
  assertEquals([db.tryAcquire(), db.stats().total], [undefined, 0]);
  await db.sql`select 1`;
  using lease = db.tryAcquire();
  assertEquals([lease?.connection.status, db.stats().used], ["idle", 1]);
  assertEquals([db.tryAcquire(), db.stats().total], [undefined, 1]);
});

test("PostgresPool.close() lets leases end their work, and refuses everything new", async () => {
  await using schema = await Schema.create("create table t (x int)");
  const db = createPool(schema.url, { max: 1 });
  const lease = await db.acquire();
  const waiting = assertRejects(async () => await db.sql`insert into t values (1)`);
  await Promise.resolve();
  const closing = db.close();
  await waiting;
  await lease.sql`insert into t values (2)`;
  lease.release();
  await closing;
  await assertRejects(async () => await db.sql`insert into t values (3)`);
  assertEquals([db.stats().state, db.stats().total], ["closed", 0]);
  assertEquals(await schema.column("t", "x"), [2]);
});

test("PostgresPool.sql.end({ timeout }) destroys what is not over by then", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  const db = createPool(schema.through(proxy), { max: 1 });
  const running = assertRejects(async () => await db.sql`select pg_sleep(60)`, ConnectionLostError);
  await proxy.statement("pg_sleep(60)");
  await db.sql.end({ timeout: 0 });
  assertEquals([(await running).outcome, db.stats().total], ["unknown", 0]);
});

test("A transaction by hand on a lease goes on after rollback to savepoint, as in SQL", async () => {
  await using schema = await Schema.create("create table t (x int primary key)");
  await using db = createPool(schema.url, { max: 1 });
  using lease = await db.acquire();
  const { sql } = lease;
  await sql`begin`;
  await sql`insert into t values (1)`;
  await sql`savepoint s`;
  await assertRejects(async () => await sql`insert into t values (1)`);
  assertEquals(lease.connection.status, "failed");
  await assertRejects(async () => await sql`select 1`);
  await sql`rollback to savepoint s`;
  await sql`insert into t values (2)`;
  await sql`commit`;
  assertEquals(lease.connection.status, "idle");
  assertEquals(await schema.column("t", "x"), [1, 2]);
});

test("An acquire of high priority goes before others, and takes what is reserved", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 2, reserved: 1 });
  const lease = await db.acquire();
  const order: string[] = [];
  const waiting = db.use(() => void order.push("normal"));
  await db.use(async ({ sql }) => {
    await sql`select 1`;
    order.push("high");
  }, { priority: "high" });
  assertEquals([order, db.stats().waiters], [["high"], 1]);
  lease.release();
  await waiting;
  assertEquals(order, ["high", "normal"]);
});

test("A transaction of a lease that is released meanwhile is over: nothing of it reaches the next borrower (X-12)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1 });
  const lease = await db.acquire();
  const released = Promise.withResolvers<void>();
  const late = Promise.withResolvers<void>();
  const outcomes: Promise<unknown>[] = [];
  const transaction = lease.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    released.resolve();
    await late.promise;
    const inner = sql`insert into t values (2)`.catch((error: unknown) => error);
    outcomes.push(inner);
    await inner;
  });
  outcomes.push(transaction.catch((error) => error));
  await released.promise;
  lease.release();
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (3)`;
    late.resolve();
    await Promise.all(outcomes);
    for (const error of await Promise.all(outcomes)) assertInstanceOf(error, LeaseReleasedError);
    throw new Error("no");
  });
  await assertRejects(() => failing, Error, "no");
  assertEquals(await schema.column("t", "x"), []);
});
