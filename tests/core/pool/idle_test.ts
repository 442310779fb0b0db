import { assertEquals } from "@std/assert";
import type { Pool } from "../../../src/core/pool.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

/** Lends so many at once and takes them back. */
async function warm(pool: Pool<FakeConnection>, count: number): Promise<void> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
  for (const lease of leases) lease.release();
}

// No deadline of an acquire either: it would be a timer of its own.
const LONG = {
  maxLifetimeMs: Infinity,
  checkAfterIdleMs: Infinity,
  acquireTimeoutMs: Infinity,
};

test("Pool closes what was not used for idleTimeoutMs, without any traffic (D-32, A-22, W-12)", async () => {
  const { clock, driver, pool } = setup({ idleTimeoutMs: 5_000, ...LONG });
  await warm(pool, 6);
  // Until then what was lent is looked after, too.
  await clock.advance(1_000);
  assertEquals([clock.pending, clock.referenced], [1, 0]);
  await clock.advance(3_999);
  assertCounts(pool, { total: 6, idle: 6 });
  await clock.advance(1);
  assertCounts(pool, {});
  assertEquals([driver.counts.close, driver.open, clock.pending], [6, 0, 0]);
});

test("Pool closes what was not used and keeps what was: the idle are lent in the reverse order of their use (A-04, D-11)", async () => {
  const { clock, driver, pool } = setup({ idleTimeoutMs: 5_000, ...LONG });
  await warm(pool, 3);
  for (let second = 0; second < 5; second++) {
    await clock.advance(1_000);
    (await pool.acquire()).release();
  }
  await clock.settle();
  assertCounts(pool, { total: 1, idle: 1 });
  assertEquals(driver.connections.map(({ id }) => id), [3]);
  await clock.advance(4_999);
  assertEquals(driver.open, 1);
  await clock.advance(1);
  assertEquals([driver.open, clock.pending], [0, 0]);
});

test("Pool keeps minIdle of those that nobody uses (A-22)", async () => {
  const { clock, driver, pool } = setup({ max: 6, minIdle: 2, idleTimeoutMs: 5_000, ...LONG });
  await warm(pool, 6);
  await clock.settle();
  await clock.advance(5_000);
  assertCounts(pool, { total: 2, idle: 2 });
  await clock.advance(60_000);
  assertEquals([driver.open, driver.counts.close, clock.pending], [2, 4, 0]);
});

test("Pool with a steady load neither closes nor opens anything for minIdle", async () => {
  const { clock, driver, pool } = setup({ minIdle: 1, idleTimeoutMs: 5_000, ...LONG });
  for (let turn = 0; turn < 200; turn++) {
    const lease = await pool.acquire();
    await clock.advance(70);
    lease.release();
    await clock.advance(30);
  }
  assertEquals([driver.counts.connect, driver.open], [2, 2]);
});

test("Pool closes surplus that came later than what is kept, in time", async () => {
  const { clock, driver, pool } = setup({ minIdle: 1, idleTimeoutMs: 5_000, ...LONG });
  await clock.settle();
  await clock.advance(60_000);
  assertEquals([driver.open, clock.pending], [1, 0]);
  await warm(pool, 3);
  await clock.advance(5_000);
  await clock.settle();
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool sets no timer for what is idle where nothing is ever due", async () => {
  const { clock, pool } = setup({ idleTimeoutMs: Infinity, ...LONG });
  await warm(pool, 3);
  // Until then what was lent is looked after.
  await clock.advance(1_000);
  assertEquals(clock.pending, 0);
});

test("Pool closes no unused connection while the server cannot be had, but when it is back", async () => {
  const { clock, driver, pool } = setup({ max: 4, idleTimeoutMs: 5_000, ...LONG }, {
    random: () => 0.999,
  });
  const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
  driver.refuse("connect");
  const waiting = watch(pool.acquire({ timeoutMs: 8_000 }));
  await clock.settle();
  for (const lease of leases.slice(0, 2)) lease.release();
  await clock.settle();
  must(waiting.value).release();
  await clock.advance(30_000);
  assertCounts(pool, { total: 3, used: 1, idle: 2 });
  driver.restore("connect");
  must(leases[2]).release();
  const held = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire(), pool.acquire()]);
  for (const lease of held) lease.release();
  await clock.advance(5_000);
  assertCounts(pool, {});
});

test("Pool judges idleness at acquire when its timers are late: the machine slept (X-23)", async () => {
  const { clock, driver, pool } = setup({ max: 3, minIdle: 1, idleTimeoutMs: 5_000, ...LONG });
  await warm(pool, 3);
  await clock.settle();
  clock.shiftWall(3_600_000);
  // Whatever was there has been unused for an hour; the youngest is kept, and asked before it is lent.
  const lease = await pool.acquire();
  assertEquals([driver.counts.close, driver.counts.ping, lease.connection.id], [2, 1, 3]);
  lease.release();
});

test("Pool judges idleness at acquire when the process was stopped: both clocks went on (X-23)", async () => {
  const { clock, driver, pool } = setup({ idleTimeoutMs: 5_000, ...LONG });
  await warm(pool, 2);
  await clock.settle();
  const [now, wallNow] = [clock.now.bind(clock), clock.wallNow.bind(clock)];
  clock.now = () => now() + 60_000;
  clock.wallNow = () => wallNow() + 60_000;
  const lease = await pool.acquire();
  assertEquals([lease.connection.id, driver.counts.close], [3, 2]);
  lease.release();
});

test("Pool closes idle connections at the end of their lives, without any traffic", async () => {
  const { clock, driver, pool } = setup(
    { maxLifetimeMs: 60_000, idleTimeoutMs: Infinity },
    { random: () => 0 },
  );
  await warm(pool, 2);
  await clock.advance(59_999);
  assertCounts(pool, { total: 2, idle: 2 });
  await clock.advance(1);
  assertCounts(pool, {});
  assertEquals([driver.open, clock.pending], [0, 0]);
});

test("Pool replaces what is worn before it is closed, where it is needed for minIdle", async () => {
  const { clock, driver, pool } = setup(
    { max: 3, minIdle: 2, maxLifetimeMs: 60_000, idleTimeoutMs: Infinity },
    { random: () => 0 },
  );
  await clock.settle();
  const closedAt: number[] = [];
  const close = driver.close.bind(driver);
  driver.close = (connection, options) => {
    closedAt.push(driver.open);
    return close(connection, options);
  };
  await clock.advance(60_000);
  assertEquals(driver.connections.map(({ id }) => id), [3, 4]);
  // The third was open when the first was closed, and never were there fewer than two.
  assertEquals(closedAt, [3, 3]);
  assertCounts(pool, { total: 2, idle: 2 });
  assertEquals(driver.peak, 3);
});

test("Pool without room closes what is worn first, and opens another then", async () => {
  const { clock, driver, pool } = setup(
    { max: 2, minIdle: 2, maxLifetimeMs: 60_000, idleTimeoutMs: Infinity },
    { random: () => 0 },
  );
  await clock.settle();
  await clock.advance(60_000);
  assertCounts(pool, { total: 2, idle: 2 });
  assertEquals([driver.peak, driver.counts.connect], [2, 4]);
});

test("Pool asks idle connections for a sign of life every keepaliveMs, one at a time, out of idle (D-57)", async () => {
  const { clock, driver, pool } = setup({ keepaliveMs: 60_000, idleTimeoutMs: Infinity, ...LONG });
  await warm(pool, 3);
  driver.delay("ping", 10);
  await clock.advance(60_000);
  assertCounts(pool, { total: 3, idle: 2, checking: 1 });
  const lease = await pool.acquire();
  lease.release();
  await clock.advance(100);
  // What was used meanwhile needs none.
  assertEquals(driver.counts.ping, 2);
  await clock.advance(59_900);
  assertEquals(driver.counts.ping, 3);
  assertCounts(pool, { total: 3, idle: 2, checking: 1 });
  void pool.close();
  await clock.advance(10);
  assertEquals([pool.stats().state, clock.pending], ["closed", 0]);
});

test("Pool does not take a sign of life for a use: idleTimeoutMs runs on, and the order stays", async () => {
  const { clock, driver, pool } = setup({ keepaliveMs: 1_000, idleTimeoutMs: 5_500, ...LONG });
  await warm(pool, 3);
  await clock.advance(1_000);
  assertEquals(driver.counts.ping, 3);
  const lease = await pool.acquire();
  assertEquals(lease.connection.id, 3);
  lease.release();
  await clock.advance(4_500);
  await clock.settle();
  assertEquals(driver.connections.map(({ id }) => id), [3]);
  await clock.advance(1_000);
  assertEquals([driver.open, clock.pending], [0, 0]);
});

test("Pool destroys an idle connection that gives no sign of life, and finds out about the others", async () => {
  const { clock, driver, pool } = setup({ keepaliveMs: 1_000, checkTimeoutMs: 200, ...LONG });
  await warm(pool, 4);
  driver.hold("ping");
  await clock.advance(1_000);
  assertCounts(pool, { total: 4, idle: 3, checking: 1 });
  await clock.advance(400);
  // Two in a row: nobody is there.
  assertCounts(pool, {});
  assertEquals(clock.pending, 0);
});

test("Pool lends to a waiter what is just being asked for a sign of life", async () => {
  const { clock, driver, pool } = setup({ max: 1, keepaliveMs: 1_000, ...LONG });
  await warm(pool, 1);
  driver.delay("ping", 10);
  await clock.advance(1_000);
  assertCounts(pool, { total: 1, checking: 1 });
  const waiting = watch(pool.acquire());
  await clock.advance(10);
  assertEquals([waiting.value?.connection.id, driver.counts.ping], [1, 1]);
});

test("Pool closes what has been unused for too long while it was asked for a sign of life", async () => {
  const { clock, driver, pool } = setup({ max: 2, idleTimeoutMs: 2_000 });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  first.release();
  await clock.advance(1_400);
  driver.hold("ping", 1);
  const waiting = watch(pool.acquire());
  await clock.settle();
  second.release();
  await clock.settle();
  must(waiting.value).release();
  await clock.advance(700);
  assertCounts(pool, { total: 2, idle: 1, checking: 1 });
  must(driver.held("ping")[0]).answer();
  await clock.advance(1);
  assertCounts(pool, { total: 1, idle: 1 });
});
