import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  AcquireTimeoutError,
  TooManyConnectionsError,
  TooManyWaitersError,
} from "../../../src/core/errors.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

const HIGH = { priority: "high" } as const;

test("Pool.acquire() serves those of high priority first, equals in the order they came", async () => {
  const { clock, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const served: string[] = [];
  const ask = async (name: string, options?: typeof HIGH) => {
    const lease = await pool.acquire(options);
    served.push(name);
    lease.release();
  };
  const asks = [ask("a"), ask("b"), ask("high a", HIGH), ask("c"), ask("high b", HIGH)];
  assertCounts(pool, { total: 1, used: 1, waiters: 5 });
  lease.release();
  await clock.settle();
  await Promise.all(asks);
  assertEquals(served, ["high a", "high b", "a", "b", "c"]);
});

test("Pool.acquire() of high priority times out exactly, as others do, and lets nobody else wait longer", async () => {
  const { clock, pool } = setup({ max: 1, acquireTimeoutMs: 100 });
  const lease = await pool.acquire();
  const normal = watch(pool.acquire());
  await clock.advance(10);
  const high = watch(pool.acquire({ ...HIGH, timeoutMs: 50 }));
  const long = watch(pool.acquire({ ...HIGH, timeoutMs: 500 }));
  await clock.advance(49);
  assertEquals([high.state, normal.state], ["pending", "pending"]);
  await clock.advance(1);
  assertInstanceOf(high.error, AcquireTimeoutError);
  await clock.advance(39);
  assertEquals(normal.state, "pending");
  await clock.advance(1);
  assertInstanceOf(normal.error, AcquireTimeoutError);
  lease.release();
  await clock.settle();
  must(long.value).release();
});

test("Pool keeps reserved connections for those of high priority: a health check gets through", async () => {
  const { clock, driver, pool } = setup({ max: 3, reserved: 1 });
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  const waiting = [watch(pool.acquire()), watch(pool.acquire())];
  await clock.settle();
  assertEquals([driver.open, pool.tryAcquire()], [2, undefined]);
  assertCounts(pool, { total: 2, used: 2, waiters: 2 });
  const check = await pool.acquire(HIGH);
  assertEquals(check.connection.id, 3);
  assertCounts(pool, { total: 3, used: 3, waiters: 2 });
  check.release();
  await clock.settle();
  assertCounts(pool, { total: 3, used: 2, idle: 1, waiters: 2 });
  assertEquals(waiting.map(({ state }) => state), ["pending", "pending"]);
  // The next check has it at once.
  assertEquals((await pool.acquire(HIGH)).connection.id, 3);
  leases[0]?.release();
  await clock.settle();
  assertEquals(waiting.map(({ value }) => value?.connection.id), [1, undefined]);
});

test("Pool lends what is idle to the next of normal priority while what the last one had is cleaned or closed", async () => {
  for (const end of ["reset", "close"] as const) {
    const { clock, driver, pool } = setup({ max: 2, reserved: 1 });
    const lease = await pool.acquire();
    (await pool.acquire(HIGH)).release();
    const next = watch(pool.acquire());
    await clock.settle();
    assertCounts(pool, { total: 2, used: 1, idle: 1, waiters: 1 });
    driver.hold(end, 1);
    if (end === "reset") await lease.connection.run("begin");
    else pool.evict(({ state }) => state === "used");
    lease.release();
    await clock.settle();
    assertEquals(must(next.value).connection.id, 2);
  }
});

test("Pool knows who has what is handed on: a reserved connection stays reserved, and no other one is", async () => {
  const { clock, pool } = setup({ max: 2, reserved: 1 });
  const [first, second] = await Promise.all([pool.acquire(HIGH), pool.acquire()]);
  const high = watch(pool.acquire(HIGH));
  first.release();
  await clock.settle();
  const normal = watch(pool.acquire());
  must(high.value).release();
  await clock.settle();
  assertCounts(pool, { total: 2, used: 1, idle: 1, waiters: 1 });
  assertEquals(normal.state, "pending");
  second.release();
  await clock.settle();
  assertEquals(normal.state, "fulfilled");
});

test("Pool counts what is handed on to somebody of normal priority as lent to one", async () => {
  const { clock, pool } = setup({ max: 3, reserved: 1 });
  const [first, second] = await Promise.all([pool.acquire(HIGH), pool.acquire(HIGH)]);
  await pool.acquire();
  const waiting = [watch(pool.acquire()), watch(pool.acquire())];
  first.release();
  second.release();
  await clock.settle();
  assertCounts(pool, { total: 3, used: 2, idle: 1, waiters: 1 });
  assertEquals(waiting.map(({ state }) => state), ["fulfilled", "pending"]);
});

test("Pool that became smaller keeps what comes back for those of high priority, as far as that is reserved", async () => {
  const { clock, pool } = setup({ max: 3, reserved: 1 });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  pool.resize(2);
  const next = watch(pool.acquire());
  first.release();
  await clock.settle();
  assertCounts(pool, { total: 2, used: 1, idle: 1, waiters: 1 });
  (await pool.acquire(HIGH)).release();
  second.release();
  await clock.settle();
  assertEquals(next.state, "fulfilled");
});

test("Pool lends as many as may be when one is lost: those of normal priority have max less reserved", async () => {
  const { clock, driver, pool } = setup({ max: 3, reserved: 1 });
  const [first] = await Promise.all([pool.acquire(), pool.acquire()]);
  const high = await pool.acquire(HIGH);
  high.release();
  const waiting = watch(pool.acquire());
  driver.break(must(first).connection);
  await clock.settle();
  assertEquals(waiting.state, "fulfilled");
  const more = watch(pool.acquire());
  await clock.settle();
  assertEquals(more.state, "pending");
  assertCounts(pool, { total: 2, used: 2, waiters: 1 });
  must(waiting.value).destroy();
  await clock.settle();
  assertEquals(more.state, "fulfilled");
});

test("Pool with timeout 0 refuses when only reserved ones are left, and serves who may have them", async () => {
  const { pool } = setup({ max: 2, reserved: 1 });
  await pool.acquire({ timeoutMs: 0 });
  assertInstanceOf(
    await pool.acquire({ timeoutMs: 0 }).catch((error) => error),
    TooManyConnectionsError,
  );
  await pool.acquire({ ...HIGH, timeoutMs: 0 });
  assertInstanceOf(
    await pool.acquire({ ...HIGH, timeoutMs: 0 }).catch((error) => error),
    TooManyConnectionsError,
  );
});

test("Pool.acquire() of high priority is bound by maxWaiters, too", async () => {
  const { pool } = setup({ max: 1, maxWaiters: 2 });
  await pool.acquire();
  watch(pool.acquire());
  watch(pool.acquire(HIGH));
  const refused = [watch(pool.acquire()), watch(pool.acquire(HIGH))];
  await Promise.resolve();
  for (const { error } of refused) assertInstanceOf(error, TooManyWaitersError);
});

test("Pool with lateWaiters refuse tells who cannot make its deadline at once how long it would wait", async () => {
  const { clock, pool } = setup({ max: 1, lateWaiters: "refuse", acquireTimeoutMs: 60_000 });
  const work = async () => {
    const lease = await pool.acquire();
    clock.schedule(10, () => lease.release());
  };
  for (let i = 0; i < 200; i++) watch(work());
  // Nothing is known yet.
  const early = watch(pool.acquire({ timeoutMs: 100 }));
  await clock.settle();
  assertEquals(early.state, "pending");
  for (let i = 0; i < 60; i++) await clock.advance(10);
  assertInstanceOf(early.error, AcquireTimeoutError);
  const late = watch(pool.acquire({ timeoutMs: 100 }));
  const patient = watch(pool.acquire());
  const high = watch(pool.acquire({ ...HIGH, timeoutMs: 100 }));
  await Promise.resolve();
  const { error } = late;
  assertInstanceOf(error, AcquireTimeoutError);
  assertEquals([error.phase, error.timeoutMs, error.retryable], ["queue", 100, true]);
  assertEquals(/about 1[34]\d\d ms in the queue: 1 of 1/.test(error.message), true, error.message);
  assertEquals([patient.state, high.state], ["pending", "pending"]);
  await clock.advance(10);
  must(high.value).release();
  for (let i = 0; i < 200; i++) await clock.advance(10);
  assertEquals(patient.state, "fulfilled");
  void pool.close({ timeoutMs: 0 });
  await clock.advance(1);
});

test("Pool queues late waiters unless told otherwise", async () => {
  const { clock, pool } = setup({ max: 1, acquireTimeoutMs: 60_000 });
  for (let i = 0; i < 100; i++) {
    watch(pool.acquire().then((lease) => clock.schedule(10, () => lease.release())));
  }
  for (let i = 0; i < 50; i++) await clock.advance(10);
  const late = watch(pool.acquire({ timeoutMs: 1 }));
  await clock.settle();
  assertEquals(late.state, "pending");
  await clock.advance(1);
  assertInstanceOf(late.error, AcquireTimeoutError);
  void pool.close({ timeoutMs: 0 });
  await clock.advance(1);
});
