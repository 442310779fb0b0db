import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  AcquireTimeoutError,
  ConnectError,
  PoolClosedError,
  TooManyConnectionsError,
  TooManyWaitersError,
} from "../../../src/core/errors.ts";
import { assertCounts, countedSignal, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

test("new Pool() opens nothing and sets no timer (A-03, W-01)", () => {
  const { clock, driver, pool } = setup();
  assertCounts(pool, {});
  assertEquals([pool.stats().state, pool.stats().max], ["open", 10]);
  assertEquals([driver.counts.connect, clock.pending], [0, 0]);
});

test("Pool.acquire() opens on demand, one connection per borrower, up to max (D-12)", async () => {
  const { driver, pool } = setup({ max: 3 });
  const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
  assertEquals(new Set(leases.map(({ connection }) => connection.id)).size, 3);
  assertEquals(leases.map(({ epoch }) => epoch), [1, 2, 3]);
  assertCounts(pool, { total: 3, used: 3 });
  assertEquals(driver.counts.connect, 3);
});

test("Pool.acquire() lends the idle connection that was used last (A-04)", async () => {
  const { driver, pool } = setup();
  const [first, second, third] = await Promise.all([
    pool.acquire(),
    pool.acquire(),
    pool.acquire(),
  ]);
  first.release();
  third.release();
  second.release();
  const again = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
  assertEquals(again.map(({ connection }) => connection.id), [2, 3, 1]);
  assertEquals(driver.counts.connect, 3);
});

test("Pool.acquire() queues at max and serves in the order of the calls", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const waiting = [1, 2, 3].map(() => watch(pool.acquire()));
  assertCounts(pool, { total: 1, used: 1, waiters: 3 });
  lease.release();
  for (const index of [0, 1, 2]) {
    await clock.settle();
    assertEquals(
      waiting.map(({ state }) => state),
      [0, 1, 2].map((one) => one <= index ? "fulfilled" : "pending"),
    );
    must(waiting[index]?.value).release();
  }
  assertEquals([driver.counts.connect, driver.peak], [1, 1]);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool.acquire() starts as many connects as there are waiters and room, at most", async () => {
  const { driver, pool } = setup({ max: 5 });
  driver.hold("connect");
  const waiting = [1, 2, 3].map(() => watch(pool.acquire()));
  assertCounts(pool, { total: 3, connecting: 3, waiters: 3 });
  for (let i = 0; i < 4; i++) waiting.push(watch(pool.acquire()));
  assertCounts(pool, { total: 5, connecting: 5, waiters: 7 });
  await pool.close();
});

test("Pool.acquire() gives a returned connection to who waits, and keeps the connect's", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const lease = await pool.acquire();
  driver.hold("connect", 1);
  const waiting = watch(pool.acquire());
  assertCounts(pool, { total: 2, used: 1, connecting: 1, waiters: 1 });
  lease.release();
  await clock.settle();
  assertEquals(waiting.value?.connection.id, 1);
  assertCounts(pool, { total: 2, used: 1, connecting: 1 });
  must(driver.held()[0]).answer();
  await clock.settle();
  assertCounts(pool, { total: 2, used: 1, idle: 1 });
});

test("Pool.acquire() gives a first connect's result to who waits longest", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  driver.hold("connect", 2);
  const waiting = [watch(pool.acquire()), watch(pool.acquire())];
  must(driver.held()[1]).answer();
  await clock.settle();
  assertEquals(waiting.map(({ state }) => state), ["fulfilled", "pending"]);
});

test("Pool.acquire() times out in phase queue, with counts and deadline (A-05, W-04)", async () => {
  const { clock, pool } = setup({ max: 1, acquireTimeoutMs: 500 });
  await pool.acquire();
  const waiting = watch(pool.acquire());
  await clock.advance(499);
  assertEquals(waiting.state, "pending");
  await clock.advance(1);
  const { error } = waiting;
  assertInstanceOf(error, AcquireTimeoutError);
  assertEquals([error.phase, error.timeoutMs, error.cause], ["queue", 500, undefined]);
  assertEquals([error.outcome, error.retryable], ["not-applied", true]);
  assertEquals([error.stats.used, error.stats.max, error.stats.waiters], [1, 1, 0]);
  assertCounts(pool, { total: 1, used: 1 });
  assertEquals(clock.referenced, 0);
});

test("Pool.acquire() times out in phase connect while a connect is under way", async () => {
  const { clock, driver, pool } = setup({ acquireTimeoutMs: 500 });
  driver.hold("connect");
  const waiting = watch(pool.acquire());
  await clock.advance(500);
  const { error } = waiting;
  assertInstanceOf(error, AcquireTimeoutError);
  assertEquals([error.phase, error.stats.connecting], ["connect", 1]);
});

test("Pool.acquire() times out with the last failed connect as cause", async () => {
  const { clock, driver, pool } = setup({ acquireTimeoutMs: 500 });
  const cause = new Error("connection refused");
  driver.refuse("connect", Infinity, cause);
  const waiting = watch(pool.acquire());
  await clock.advance(500);
  const { error } = waiting;
  assertInstanceOf(error, AcquireTimeoutError);
  assertEquals(error.phase, "connect");
  assertStrictEquals(error.cause, cause);
});

test("Pool.acquire() takes its own deadline over the pool's, also a longer one and none", async () => {
  const { clock, pool } = setup({ max: 1, acquireTimeoutMs: 500 });
  const lease = await pool.acquire();
  const shorter = watch(pool.acquire({ timeoutMs: 100 }));
  const longer = watch(pool.acquire({ timeoutMs: 900 }));
  const none = watch(pool.acquire({ timeoutMs: Infinity }));
  const same = watch(pool.acquire({ timeoutMs: undefined }));
  const states = (): string[] => [shorter, same, longer, none].map(({ state }) => state);
  await clock.advance(100);
  assertEquals(states(), ["rejected", "pending", "pending", "pending"]);
  await clock.advance(400);
  assertEquals(states(), ["rejected", "rejected", "pending", "pending"]);
  await clock.advance(400);
  assertEquals(states(), ["rejected", "rejected", "rejected", "pending"]);
  await clock.advance(1_000_000);
  assertEquals(states(), ["rejected", "rejected", "rejected", "pending"]);
  lease.release();
  await clock.settle();
  assertEquals(none.state, "fulfilled");
});

test("Pool.acquire() waits for ever if the pool's deadline is Infinity", async () => {
  const { clock, pool } = setup({ max: 1, acquireTimeoutMs: Infinity });
  const lease = await pool.acquire();
  const waiting = watch(pool.acquire());
  await clock.advance(1e9);
  assertEquals([waiting.state, clock.pending], ["pending", 0]);
  lease.release();
  await clock.settle();
  assertEquals(waiting.state, "fulfilled");
});

test("Pool.acquire() that timed out leaves its connect to the pool (X-06)", async () => {
  const { clock, driver, pool } = setup({ acquireTimeoutMs: 100, connectTimeoutMs: 1_000 });
  driver.hold("connect", 1);
  const waiting = watch(pool.acquire());
  await clock.advance(100);
  assertEquals(waiting.state, "rejected");
  must(driver.held()[0]).answer();
  await clock.settle();
  assertCounts(pool, { total: 1, idle: 1 });
  assertEquals((await pool.acquire()).connection.id, 1);
});

test("Pool.acquire() that was aborted leaves its connect to the next waiter (X-06)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  driver.hold("connect", 1);
  const abort = new AbortController();
  const leaving = watch(pool.acquire({ signal: abort.signal }));
  const staying = watch(pool.acquire());
  abort.abort("enough");
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals([leaving.error, staying.value?.connection.id], ["enough", 1]);
  assertEquals(driver.counts.connect, 1);
});

test("Pool.acquire() rejects with the signal's own reason, whatever it waits for", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const reason = { any: "thing" };
  assertStrictEquals(
    await pool.acquire({ signal: AbortSignal.abort(reason) }).catch((error) => error),
    reason,
  );
  assertEquals(driver.counts.connect, 0);
  await pool.acquire();
  driver.hold("connect", 1);
  const abort = new AbortController();
  const connecting = watch(pool.acquire({ signal: abort.signal }));
  const queued = watch(pool.acquire({ signal: abort.signal }));
  abort.abort(reason);
  await clock.settle();
  assertStrictEquals(connecting.error, reason);
  assertStrictEquals(queued.error, reason);
  assertCounts(pool, { total: 2, used: 1, connecting: 1 });
});

test("Pool.acquire() under an aborted signal takes nothing, though one is idle", async () => {
  const { pool } = setup();
  (await pool.acquire()).release();
  const waiting = watch(pool.acquire({ signal: AbortSignal.abort("before") }));
  await pool.acquire();
  assertEquals(waiting.error, "before");
  assertCounts(pool, { total: 1, used: 1 });
});

test("Pool.acquire() aborted in the turn of the hand-off still gets its lease (X-07)", async () => {
  const { clock, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const abort = new AbortController();
  const waiting = watch(pool.acquire({ signal: abort.signal }));
  lease.release();
  abort.abort("too late");
  await clock.settle();
  assertEquals(waiting.state, "fulfilled");
  assertCounts(pool, { total: 1, used: 1 });
});

test("Pool.acquire() aborted before the hand-off passes it on to the next (X-07)", async () => {
  const { clock, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const abort = new AbortController();
  const leaving = watch(pool.acquire({ signal: abort.signal }));
  const staying = watch(pool.acquire());
  abort.abort("just in time");
  lease.release();
  await clock.settle();
  assertEquals([leaving.state, staying.state], ["rejected", "fulfilled"]);
});

test("Pool.acquire() leaves no listener on a long-lived signal, however it ends", async () => {
  const { clock, pool } = setup({ max: 1, maxWaiters: 2 });
  const counted = countedSignal();
  const { signal } = counted.abort;
  for (let i = 0; i < 10; i++) (await pool.acquire({ signal })).release();
  assertEquals(counted.listeners, 0);
  const lease = await pool.acquire({ signal });
  const served = watch(pool.acquire({ signal }));
  const late = watch(pool.acquire({ signal, timeoutMs: 50 }));
  const refused = watch(pool.acquire({ signal }));
  assertEquals(counted.listeners, 2);
  await clock.advance(50);
  assertEquals([late.state, refused.state, counted.listeners], ["rejected", "rejected", 1]);
  lease.release();
  await clock.settle();
  assertEquals([served.state, counted.listeners], ["fulfilled", 0]);
  const closed = watch(pool.acquire({ signal }));
  assertEquals(counted.listeners, 1);
  const closing = pool.close({ timeoutMs: 0 });
  await clock.advance(0);
  await closing;
  assertEquals([closed.state, counted.listeners], ["rejected", 0]);
});

test("Pool.acquire({ timeoutMs: 0 }) never queues", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const idle = await pool.acquire();
  idle.release();
  await pool.acquire({ timeoutMs: 0 });
  driver.hold("connect", 1);
  const connecting = watch(pool.acquire({ timeoutMs: 0 }));
  const refused = watch(pool.acquire({ timeoutMs: 0 }));
  await clock.settle();
  const { error } = refused;
  assertInstanceOf(error, TooManyConnectionsError);
  assertEquals([error.stats.used, error.stats.connecting, error.retryable], [1, 1, true]);
  // What a connect serves is no queue: it keeps the connect's own deadline.
  await clock.advance(9_000);
  assertEquals(connecting.state, "pending");
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals(connecting.state, "fulfilled");
});

test("Pool.acquire({ timeoutMs: 0 }) ends with the connect that serves it", async () => {
  const { clock, driver, pool } = setup({ connectTimeoutMs: 700 });
  driver.hold("connect");
  const waiting = watch(pool.acquire({ timeoutMs: 0 }));
  await clock.advance(700);
  const { error } = waiting;
  assertInstanceOf(error, ConnectError);
  assertInstanceOf(error.cause, ConnectError);
  assertEquals(error.cause.code, "CONNECT_TIMEOUT");
  assertEquals([error.phase, error.retryable], ["connect", true]);
  assertEquals(clock.pending, 0);
});

test("Pool.acquire({ timeoutMs: 0 }) rejects at once in an outage's pause, with its cause", async () => {
  const { clock, driver, pool } = setup({ acquireTimeoutMs: 0 }, { random: () => 0.9 });
  const cause = new Error("connection refused");
  driver.refuse("connect", 1, cause);
  const first = watch(pool.acquire());
  await clock.settle();
  assertInstanceOf(first.error, ConnectError);
  assertStrictEquals(first.error.cause, cause);
  const second = watch(pool.acquire());
  await clock.settle();
  assertInstanceOf(second.error, ConnectError);
  assertStrictEquals(second.error.cause, cause);
  assert(second.error !== first.error);
  assertEquals([driver.counts.connect, clock.pending], [1, 0]);
  await clock.advance(100);
  await pool.acquire();
});

test("Pool.acquire() refuses more than maxWaiters in the queue (X-22)", async () => {
  const { clock, driver, pool } = setup({ max: 1, maxWaiters: 2 });
  driver.hold("connect", 1);
  // Served by the connect under way, so not queued.
  const served = watch(pool.acquire());
  const queued = [watch(pool.acquire()), watch(pool.acquire())];
  const refused = watch(pool.acquire());
  await clock.settle();
  const { error } = refused;
  assertInstanceOf(error, TooManyWaitersError);
  assertEquals([error.stats.waiters, error.retryable], [3, true]);
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals([served.state, ...queued.map(({ state }) => state)], [
    "fulfilled",
    "pending",
    "pending",
  ]);
  must(served.value).release();
  await clock.settle();
  const again = watch(pool.acquire());
  await clock.settle();
  assertEquals([queued[0]?.state, again.state], ["fulfilled", "pending"]);
});

test("Pool.acquire() with maxWaiters 0 lends what is free or can be opened, no more", async () => {
  const { clock, pool } = setup({ max: 2, maxWaiters: 0 });
  const attempts = [1, 2, 3].map(() => watch(pool.acquire()));
  await clock.settle();
  assertEquals(attempts.map(({ state }) => state), ["fulfilled", "fulfilled", "rejected"]);
  assertInstanceOf(attempts[2]?.error, TooManyWaitersError);
  must(attempts[0]?.value).release();
  await pool.acquire();
});

test("Pool.acquire() with maxWaiters 0 lets one prober in during an outage", async () => {
  const { clock, driver, pool } = setup({ max: 3, maxWaiters: 0 }, { random: () => 0.9 });
  driver.refuse("connect", 1);
  const prober = watch(pool.acquire());
  await clock.settle();
  const refused = watch(pool.acquire());
  await clock.settle();
  assertEquals(prober.state, "pending");
  assertInstanceOf(refused.error, TooManyWaitersError);
  await clock.advance(100);
  assertEquals(prober.state, "fulfilled");
});

test("Pool.acquire() refuses bad options without touching the books", async () => {
  const { clock, driver, pool } = setup();
  const bad = { timeoutMs: -1 };
  const waiting = watch(pool.acquire(bad));
  await clock.settle();
  assertInstanceOf(waiting.error, RangeError);
  assertEquals(driver.counts.connect, 0);
  assertCounts(pool, {});
});

test("Pool.tryAcquire() lends what is idle, or nothing; it opens nothing", async () => {
  const { driver, pool } = setup();
  assertStrictEquals(pool.tryAcquire(), undefined);
  assertEquals(driver.counts.connect, 0);
  (await pool.acquire()).release();
  const lease = must(pool.tryAcquire());
  assertEquals(lease.connection.id, 1);
  assertStrictEquals(pool.tryAcquire(), undefined);
  pool.release(lease);
  pool.release(lease);
  assertCounts(pool, { total: 1, idle: 1 });
  await pool.close();
  let error: unknown;
  try {
    pool.tryAcquire();
  } catch (thrown) {
    error = thrown;
  }
  assertInstanceOf(error, PoolClosedError);
});

test("Pool.use() lends to the callback, gives its result, and releases (W-08)", async () => {
  const { pool } = setup();
  const answer = await pool.use(async (lease) => {
    assertCounts(pool, { total: 1, used: 1 });
    return await lease.connection.run("select 7");
  });
  assertEquals(answer, "7");
  assertEquals(await pool.use(() => "no promise"), "no promise");
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool.use() passes on the callback's error, and the connection is back clean (A-32)", async () => {
  const { clock, driver, pool } = setup();
  const error = new Error("the callback's own");
  const thrown = await pool.use(async (lease) => {
    await lease.connection.run("begin");
    await lease.connection.run("write a");
    throw error;
  }).catch((error) => error);
  assertStrictEquals(thrown, error);
  const sync = await pool.use(() => {
    throw error;
  }).catch((error) => error);
  assertStrictEquals(sync, error);
  await clock.settle();
  assertEquals(driver.applied, []);
  assertEquals(driver.connections.map((connection) => driver.status(connection)), ["idle", "idle"]);
  assertCounts(pool, { total: 2, idle: 2 });
});

test("Pool.use() does not call back when there is no lease", async () => {
  const { pool } = setup();
  let called = false;
  const error = await pool.use(() => called = true, { signal: AbortSignal.abort("before") })
    .catch((error) => error);
  assertEquals([error, called], ["before", false]);
});
