import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { PoolClosedError } from "../../../src/core/errors.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

test("Pool.close() of an empty pool is closed at once", async () => {
  const { clock, pool } = setup();
  await pool.close();
  assertEquals([pool.stats().state, clock.pending], ["closed", 0]);
});

test("Pool.close() closes the idle in an orderly way and resolves when they are gone", async () => {
  const { clock, driver, pool } = setup();
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  for (const lease of leases) lease.release();
  driver.hold("close");
  const closing = watch(pool.close());
  assertEquals(pool.stats().state, "draining");
  assertCounts(pool, { total: 2, closing: 2 });
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals(closing.state, "pending");
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals([closing.state, pool.stats().state, driver.open], ["fulfilled", "closed", 0]);
  assertEquals([driver.counts.close, clock.pending], [2, 0]);
});

test("Pool.close() rejects who waits at once, and who comes (D-48, D-49)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const waiting = [watch(pool.acquire()), watch(pool.acquire({ timeoutMs: Infinity }))];
  const closing = watch(pool.close());
  const late = [watch(pool.acquire()), watch(pool.acquire({ timeoutMs: 0 }))];
  await clock.settle();
  for (const { error } of [...waiting, ...late]) {
    assertInstanceOf(error, PoolClosedError);
    assertEquals([error.retryable, error.code], [false, "CONNECTION_ENDED"]);
  }
  assertEquals(closing.state, "pending");
  lease.release();
  await clock.settle();
  assertEquals([closing.state, driver.counts.connect], ["fulfilled", 1]);
  const after = watch(pool.acquire());
  await clock.settle();
  assertInstanceOf(after.error, PoolClosedError);
});

test("Pool.close() waits for what is lent and closes it as it comes back", async () => {
  const { clock, driver, pool } = setup();
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  const closing = watch(pool.close());
  assertEquals(await first.connection.run("select 1"), "1");
  first.release();
  await clock.settle();
  assertCounts(pool, { total: 1, used: 1 });
  assertEquals(closing.state, "pending");
  await second.connection.run("begin");
  second.release();
  await clock.settle();
  assertEquals([closing.state, driver.counts.close, driver.counts.reset], ["fulfilled", 2, 0]);
  assertEquals([driver.open, clock.pending], [0, 0]);
});

test("Pool.close() destroys what is not back within 5 s (A-29)", async () => {
  const { clock, driver, pool } = setup();
  const lease = await pool.acquire();
  const { connection } = lease;
  const closing = watch(pool.close());
  await clock.advance(4_999);
  assertEquals([closing.state, driver.open, clock.referenced], ["pending", 1, 1]);
  await clock.advance(1);
  assertEquals([closing.state, driver.open, clock.pending], ["fulfilled", 0, 0]);
  assertEquals([connection.gone, lease.lost, connection.counts.close], [true, true, 0]);
  lease.release();
  assertCounts(pool, {});
});

test("Pool.close({ timeoutMs }) waits as long as it is told: 0, some time, for ever", async () => {
  for (const timeoutMs of [0, 123]) {
    const { clock, driver, pool } = setup();
    await pool.acquire();
    const closing = watch(pool.close({ timeoutMs }));
    if (timeoutMs > 0) await clock.advance(timeoutMs - 1);
    assertEquals(closing.state, "pending");
    await clock.advance(1);
    assertEquals([closing.state, driver.open], ["fulfilled", 0]);
  }
  const { clock, pool } = setup();
  const lease = await pool.acquire();
  const closing = watch(pool.close({ timeoutMs: Infinity }));
  await clock.advance(1e9);
  assertEquals([closing.state, clock.pending], ["pending", 0]);
  lease.release();
  await clock.settle();
  assertEquals(closing.state, "fulfilled");
});

test("Pool.close() again waits for the same end and can only shorten the time", async () => {
  const { clock, pool } = setup();
  await pool.acquire();
  const first = watch(pool.close({ timeoutMs: 1_000 }));
  const longer = watch(pool.close({ timeoutMs: 9_000 }));
  assertEquals(clock.referenced, 1);
  const shorter = watch(pool.close({ timeoutMs: 100 }));
  assertEquals(clock.referenced, 1);
  await clock.advance(100);
  assertEquals([first, longer, shorter].map(({ state }) => state), [
    "fulfilled",
    "fulfilled",
    "fulfilled",
  ]);
  await pool.close();
  await pool.close({ timeoutMs: 0 });
  assertEquals(clock.pending, 0);
});

test("Pool.close() refuses bad options and stays open", async () => {
  const { clock, pool } = setup();
  const closing = watch(pool.close({ timeoutMs: -1 }));
  await clock.settle();
  assertInstanceOf(closing.error, RangeError);
  assertEquals(pool.stats().state, "open");
  await pool.acquire();
});

test("Pool.close() ends connects under way; what arrives is destroyed (X-09)", async () => {
  const { clock, driver, pool } = setup();
  // One driver heeds its signal, one does not.
  driver.hold("connect", 1);
  const first = watch(pool.acquire());
  const connect = driver.connect.bind(driver);
  driver.connect = () => connect();
  driver.delay("connect", 300, 1);
  const second = watch(pool.acquire());
  const closing = watch(pool.close());
  await clock.settle();
  assertEquals([first, second].map(({ error }) => error instanceof PoolClosedError), [true, true]);
  assertEquals([closing.state, driver.open], ["fulfilled", 1]);
  await clock.advance(300);
  assertEquals([driver.counts.open, driver.open, clock.pending], [1, 0, 0]);
});

test("Pool.close() between a connect's answer and its lease destroys the connection", async () => {
  const { clock, driver, pool } = setup();
  driver.hold("connect", 1);
  const waiting = watch(pool.acquire());
  must(driver.held()[0]).answer();
  await pool.close();
  assertEquals([driver.open, clock.pending], [0, 0]);
  await clock.settle();
  assertInstanceOf(waiting.error, PoolClosedError);
});

test("Pool.close() during cleaning closes what was cleaned", async () => {
  const { clock, driver, pool } = setup();
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  driver.hold("reset", 1);
  lease.release();
  const closing = watch(pool.close());
  assertCounts(pool, { total: 1, resetting: 1 });
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals([closing.state, driver.open, clock.pending], ["fulfilled", 0, 0]);
});

test("Pool.close() at its deadline ends what cleans and closes too, and leaves no timer", async () => {
  const { clock, driver, pool } = setup();
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  driver.hold("reset");
  driver.hold("close");
  await first.connection.run("begin");
  first.release();
  second.release();
  const closing = watch(pool.close({ timeoutMs: 100 }));
  assertCounts(pool, { total: 2, resetting: 1, closing: 1 });
  await clock.advance(100);
  assertEquals([closing.state, driver.open, clock.pending], ["fulfilled", 0, 0]);
});

test("Pool.close() in an outage stops the attempts", async () => {
  const { clock, driver, pool } = setup({}, { random: () => 0.9 });
  driver.refuse("connect");
  const waiting = watch(pool.acquire());
  await clock.advance(50);
  await pool.close();
  await clock.advance(60_000);
  assertEquals([waiting.state, driver.counts.connect, clock.pending], ["rejected", 1, 0]);
});

test("Pool.close() resolves when what is lent is lost or given up", async () => {
  const { clock, driver, pool } = setup();
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  const closing = watch(pool.close());
  driver.break(first.connection);
  second.destroy();
  await clock.settle();
  assertEquals([closing.state, clock.pending], ["fulfilled", 0]);
});

test("Pool.close() of a connection that is lost while it closes resolves", async () => {
  const { clock, driver, pool } = setup();
  (await pool.acquire()).release();
  driver.hold("close");
  const closing = watch(pool.close());
  driver.break(must(driver.connections[0]));
  await clock.settle();
  assertEquals([closing.state, pool.stats().total, clock.pending], ["fulfilled", 0, 0]);
});

test("Pool.evict() and releases after close change nothing", async () => {
  const { clock, pool } = setup();
  const lease = await pool.acquire();
  const closing = pool.close({ timeoutMs: 0 });
  await clock.advance(0);
  await closing;
  pool.evict();
  lease.release();
  assertCounts(pool, {});
  assertEquals(pool.stats().state, "closed");
});

test("Pool is closed at the end of `await using` (D-51)", async () => {
  const { driver, pool } = setup();
  {
    await using used = pool;
    (await used.acquire()).release();
  }
  assertEquals([pool.stats().state, driver.open], ["closed", 0]);
  assert(driver.counts.close === 1);
});
