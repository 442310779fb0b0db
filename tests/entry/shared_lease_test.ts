import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConnectionLostError, LeaseReleasedError, SteadyError } from "../../mod.ts";
import { createPool, type PostgresPool, type SharedPostgresLease } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

async function pidOf({ sql }: SharedPostgresLease): Promise<unknown> {
  const [row] = await sql`select pg_backend_pid() as pid`;
  return row?.pid;
}

async function readers(db: PostgresPool, count: number): Promise<SharedPostgresLease[]> {
  return await Promise.all(Array.from({ length: count }, () => db.acquireShared()));
}

async function refuses(work: () => PromiseLike<unknown>, code: string): Promise<void> {
  const error = await assertRejects(async () => await work());
  assertEquals(Reflect.get(error as object, "code"), code);
}

test("A hundred readers share two connections, and each gets its own answers (H-13)", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 4, maxShared: 2 });
  const leases = await readers(db, 100);
  const answers = await Promise.all(leases.map(async ({ sql }, i) => {
    const [row] = await sql`select ${i}::int as i, pg_backend_pid() as pid`;
    const failed = await sql`select ${i}::int / 0`.catch(({ code }) => code);
    const rows = await sql`select x from generate_series(1, 3) as x`.values();
    return [row?.i === i, failed, rows.length, row?.pid];
  }));
  assert(answers.every(([own, code, rows]) => own && code === "22012" && rows === 3));
  assertEquals(new Set(answers.map(([, , , pid]) => pid)).size, 2);
  const { total, used, shared, sharedLeases, sharing } = db.stats();
  assertEquals([total, used, shared, sharedLeases, sharing], [2, 2, 2, 100, true]);
  for (const lease of leases) lease.release();
  assertEquals([db.stats().idle, db.stats().sharedLeases, proxy.connections], [2, 0, 2]);
});

test("Statements of those who share are in flight together: none waits for the answer to another's", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1, maxShared: 1 });
  const leases = await readers(db, 4);
  const order: number[] = [];
  const asked = leases.map(({ sql }, i) =>
    sql`select ${i}::int as i, clock_timestamp()::text as at`.then(() => order.push(i))
  );
  assertEquals(await Promise.all(asked), [1, 2, 3, 4]);
  assertEquals(order, [0, 1, 2, 3]);
  for (const lease of leases) lease.release();
});

test("Without a role shared leases are read-only by default: a write is refused (25006), which condemns nothing", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 2, maxShared: 1 });
  using reader = await db.acquireShared();
  const [pid] = [await pidOf(reader), await db.sql`insert into t values (1)`];
  await refuses(() => reader.sql`insert into t values (2)`, "25006");
  assertEquals([await pidOf(reader), reader.lost], [pid, false]);
  using second = await db.acquireShared();
  assertEquals(await pidOf(second), pid);
  await db.sql`insert into t values (3)`;
  assertEquals(await schema.column("t", "x"), [1, 3]);
});

test("With a role shared leases log in as that one, and others as before (A-09)", async () => {
  const role = `reader_${Math.floor(Math.random() * 1e9)}`;
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, {
    max: 2,
    maxShared: 1,
    readOnly: { username: role, password: () => Promise.resolve("secret of theirs") },
  });
  await db.sql.unsafe(`create role ${role} login password 'secret of theirs'`);
  await db.sql.unsafe(`grant usage on schema ${schema.name} to ${role}`);
  try {
    using reader = await db.acquireShared();
    const [row] = await reader.sql`select current_user as name, session_user as session`;
    assertEquals([row?.name, row?.session], [role, role]);
    await refuses(() => reader.sql`insert into t values (1)`, "42501");
    assertEquals((await db.sql`select current_user = ${role} as same`)[0]?.same, false);
    reader.release();
  } finally {
    db.evict();
    while (db.stats().total > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await db.sql.unsafe(`drop owned by ${role}; drop role ${role}`);
  }
});

test("With readOnly false shared leases may write, on connections like all others", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 1, maxShared: 1, readOnly: false });
  const [one, two] = await readers(db, 2);
  assert(one && two);
  await one.sql`insert into t values (1)`;
  await two.sql`insert into t values (2)`;
  one.release();
  two.release();
  await db.sql`insert into t values (3)`;
  assertEquals([await schema.column("t", "x"), db.stats().total], [[1, 2, 3], 1]);
});

test("What is no single statement, or would change the session of all, is refused and never sent (H-19, M20)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1, maxShared: 1, readOnly: false });
  using lease = await db.acquireShared();
  const { sql } = lease;
  const refused = [
    () => sql`begin`,
    () => sql`set time zone 'UTC'`,
    () => sql`listen a`,
    () => sql`prepare a as select 1`,
    () => sql`do $$ begin end $$`,
    () => sql`copy (select 1) to stdout`.readable(),
    () => sql`select 1`.simple(),
    () => sql`select 1`.cursor(1, () => {}),
    () => sql.unsafe("select 1; begin", [], { simple: true } as never),
    () => sql`select pg_advisory_lock(1)`,
    () => sql`select pg_try_advisory_lock_shared(1)`,
    () => sql`select set_config('steady.a', 'b', false)`,
  ];
  for (const work of refused) {
    const error = await assertRejects(async () => await work(), SteadyError);
    assertEquals([error.code, error.outcome, error.retryable], [
      "NOT_SHAREABLE",
      "not-applied",
      false,
    ]);
  }
  // Several statements in one text the server itself refuses.
  await refuses(() => sql.unsafe("select 1; select 2"), "42601");
  const [row] = await sql.unsafe("-- a comment\n (select $1::int as x)", [7]);
  assertEquals(row?.x, 7);
  assertEquals((await sql`table pg_am limit 1`).length, 1);
  assertEquals((await sql`select pg_advisory_xact_lock(1)`).length, 1);
  const rows: unknown[] = [];
  await sql`values (1), (2)`.forEach((row) => rows.push(row));
  assertEquals(rows.length, 2);
  assertEquals("begin" in sql || "reserve" in sql || "notify" in sql, false);
});

test("One who leaves early, cancels, or runs out of time does not touch the others (H-10)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1, maxShared: 1 });
  const [one, two, three] = await readers(db, 3);
  assert(one && two && three);
  const pid = await pidOf(one);
  const slow = one.sql`select pg_sleep(0.2), 1 as x`;
  const sent = slow.then(([row]) => row?.x);
  const other = two.sql`select 2 as x`;
  const answer = other.then(([row]) => row?.x);
  const overdue = three.with({ timeoutMs: 20 }).sql`select pg_sleep(5)`;
  const late = assertRejects(async () => await overdue);
  // As in porsager, they are sent a turn after they are awaited.
  await new Promise((resolve) => setTimeout(resolve));
  // It goes when its statement is answered.
  one.release();
  assertEquals([one.released, db.stats().sharedLeases], [true, 3]);
  assertThrowsReleased(await one.sql`select 1`.catch((error: unknown) => error));
  assertEquals([await sent, await answer], [1, 2]);
  await late;
  assertEquals([await pidOf(two), two.lost, db.stats().sharedLeases], [pid, false, 2]);
  two.release();
  three.release();
  assertEquals(db.stats().idle, 1);
});

function assertThrowsReleased(error: unknown): void {
  assertThrows(() => {
    throw error;
  }, LeaseReleasedError);
}

test("When the connection is lost all who share it have lost it; each statement is judged by itself", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 3, maxShared: 1 });
  const [one, two] = await readers(db, 2);
  assert(one && two);
  const pid = await pidOf(one);
  const slow = one.sql`select pg_sleep(10)`;
  const executing = assertRejects(async () => await slow, ConnectionLostError);
  const queued = two.sql`select 1`;
  const waiting = assertRejects(async () => await queued, ConnectionLostError);
  await new Promise((resolve) => setTimeout(resolve));
  await db.sql`select pg_terminate_backend(${pid as number})`;
  assertEquals([(await executing).outcome, (await waiting).outcome], [
    "not-applied",
    "not-applied",
  ]);
  assertEquals([one.lost, two.lost], [true, true]);
  // No later statement of theirs reaches another session.
  await assertRejects(async () => await one.sql`select 1`, ConnectionLostError);
  one.release();
  two.release();
  using next = await db.acquireShared();
  assertEquals([await pidOf(next) === pid, db.stats().sharedLeases], [false, 1]);
});

test("Where nothing can be shared each reader has a connection of its own, as stats() and the lease tell (H-01)", async () => {
  await using schema = await Schema.create();
  for (const options of [{ maxShared: 0 }, { maxShared: 2, pooler: "transaction" }] as const) {
    await using db = createPool(schema.url, { max: 2, ...options });
    const leases = await readers(db, 2);
    const pids = await Promise.all(leases.map(pidOf));
    assertEquals([new Set(pids).size, db.stats().sharing], [2, false]);
    assertEquals(leases.map(({ shared }) => shared), [false, false]);
    for (const lease of leases) lease.release();
  }
});

test("createPool refuses a wrong readOnly at once, and shows no password", () => {
  const url = "postgres://app@localhost/app";
  for (const readOnly of [true, "reader", {}, { username: "" }, { username: "a", password: 1 }]) {
    const error = assertThrows(() => createPool(url, { readOnly: readOnly as never }), TypeError);
    assert(error.message.startsWith("Cannot create pool as readOnly must be false or {"));
  }
  assertThrows(
    () => createPool(url, { maxShared: -1 }),
    RangeError,
    "Cannot create pool as maxShared must be an integer >= 0: received -1",
  );
});
