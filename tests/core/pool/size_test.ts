import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { TooManyConnectionsError } from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { Pool } from "../../../src/core/pool.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { FakeError } from "../../../src/testing/mod.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

/** Lends so many at once. */
function lend(pool: Pool<FakeConnection>, count: number): Promise<Lease<FakeConnection>[]> {
  return Promise.all(Array.from({ length: count }, () => pool.acquire()));
}

/** Lends so many at once and takes them back. */
async function warm(pool: Pool<FakeConnection>, count: number): Promise<void> {
  for (const lease of await lend(pool, count)) lease.release();
}

test("Pool opens nothing before it is asked, and no more than is asked for (A-03, D-12)", async () => {
  const { clock, driver, pool } = setup({ max: 5 });
  await clock.settle();
  assertEquals([driver.counts.connect, clock.pending], [0, 0]);
  const lease = await pool.acquire();
  await clock.settle();
  assertEquals(driver.counts.connect, 1);
  lease.release();
});

test("Pool refuses limits that contradict each other, and raises none in silence (D-08…D-10, A-23, Q-11, Y-08)", () => {
  for (
    const options of [
      { max: 0 },
      { max: 2, minIdle: 3 },
      { maxIdle: 1, minIdle: 2 },
      { max: 2, maxIdle: 3 },
      { maxPendingConnects: 0 },
    ]
  ) assertThrows(() => setup(options), RangeError);
});

test("Pool with minIdle opens so many in the background, at once and no more (D-05, D-07, Q-02, Y-01)", async () => {
  const { clock, driver, pool } = setup({ max: 5, minIdle: 3 });
  assertEquals(driver.counts.connect, 0);
  await clock.settle();
  assertCounts(pool, { total: 3, idle: 3 });
  assertEquals([driver.peak, clock.referenced], [3, 0]);
});

test("Pool with minIdle keeps so many beside those that are lent, as far as max allows (D-07, G-28)", async () => {
  const { clock, driver, pool } = setup({ max: 4, minIdle: 2 });
  await clock.settle();
  const [first] = await lend(pool, 1);
  await clock.settle();
  assertCounts(pool, { total: 3, used: 1, idle: 2 });
  const more = await lend(pool, 2);
  await clock.settle();
  assertCounts(pool, { total: 4, used: 3, idle: 1 });
  for (const lease of [must(first), ...more]) lease.release();
  assertEquals(driver.peak, 4);
});

test("Pool closed before its first turn opens nothing for minIdle", async () => {
  const { clock, driver, pool } = setup({ minIdle: 3 });
  void pool.close();
  await clock.settle();
  assertEquals([driver.counts.connect, clock.pending], [0, 0]);
});

test("Pool refills minIdle after losses, evictions and returns that are closed (D-07, D-57)", async () => {
  const { clock, driver, pool } = setup({ max: 5, minIdle: 3 });
  await clock.advance(2_000);
  driver.break(must(driver.connections[0]));
  await clock.settle();
  assertCounts(pool, { total: 3, idle: 3 });
  pool.evict();
  await clock.settle();
  assertCounts(pool, { total: 3, idle: 3 });
  const [lease] = await lend(pool, 1);
  await clock.settle();
  must(lease).destroy();
  for (const idle of driver.connections) driver.terminate(idle);
  await clock.advance(1_000);
  assertCounts(pool, { total: 3, idle: 3 });
  assertEquals(driver.peak <= 5, true);
});

test("Pool whose server is down refills minIdle with one attempt at a time, ever more rarely, and holds no process", async () => {
  const { clock, driver, pool } = setup({ max: 5, minIdle: 3 }, { random: () => 0.999 });
  driver.refuse("connect");
  await clock.settle();
  // The first three began before anybody knew.
  assertEquals([driver.counts.connect, clock.referenced], [3, 0]);
  await clock.advance(60_000);
  const { connect } = driver.counts;
  // No pause is longer than a quarter of an acquire's deadline.
  assertEquals([connect > 24, connect < 36, clock.referenced], [true, true, 0]);
  driver.restore("connect");
  await clock.advance(10_000);
  assertCounts(pool, { total: 3, idle: 3 });
  assertEquals(clock.referenced, 0);
});

test("Pool whose server refuses for good refills minIdle ever more rarely, and tells who asks at once", async () => {
  const { clock, driver, pool } = setup({ max: 5, minIdle: 3 }, { random: () => 0.999 });
  driver.rejectCredentials();
  await clock.advance(60_000);
  const { connect } = driver.counts;
  assertEquals([connect > 10, connect < 20, clock.referenced], [true, true, 0]);
  const asked = watch(pool.acquire());
  await clock.settle();
  assertInstanceOf(asked.error, Error);
  assertEquals(driver.counts.connect, connect + 1);
  driver.restore("connect");
  await clock.advance(10_000);
  assertCounts(pool, { total: 3, idle: 3 });
});

test("Pool does not storm a server that ends each idle connection at once", async () => {
  const { clock, driver, pool } = setup({ max: 5, minIdle: 1 }, { random: () => 0.999 });
  for (let turn = 0; turn < 600; turn++) {
    for (const connection of driver.connections) {
      driver.break(connection, new FakeError("lost", "ended", "own"));
    }
    await clock.advance(100);
  }
  assertEquals(driver.counts.connect < 20, true, `${driver.counts.connect} connects in 60 s`);
  await pool.close();
});

test("Pool closes what comes back beyond maxIdle (D-31, G-21, Y-14)", async () => {
  const { clock, driver, pool } = setup({ max: 10, maxIdle: 5 });
  await warm(pool, 10);
  await clock.settle();
  assertCounts(pool, { total: 5, idle: 5 });
  assertEquals([driver.counts.close, driver.counts.reset], [5, 0]);
});

test("Pool with maxIdle 0 keeps nothing, and still serves who waits (D-31)", async () => {
  const { clock, driver, pool } = setup({ max: 1, maxIdle: 0 });
  const first = await pool.acquire();
  const second = watch(pool.acquire());
  const third = watch(pool.acquire());
  first.release();
  await clock.settle();
  must(second.value).release();
  await clock.settle();
  must(third.value).release();
  assertCounts(pool, { total: 1, closing: 1 });
  await clock.settle();
  assertEquals([driver.counts.connect, driver.open], [1, 0]);
});

test("Pool with maxIdle keeps what a waiter gives back in the very callback, for the next one", async () => {
  const { clock, driver, pool } = setup({ max: 1, maxIdle: 0 });
  const lease = await pool.acquire();
  let served = 0;
  for (let i = 0; i < 5; i++) {
    pool.lend((lease) => {
      served++;
      lease.release();
    }, () => {});
  }
  lease.release();
  assertEquals([served, driver.counts.connect], [5, 1]);
  await clock.settle();
  assertCounts(pool, {});
});

test("Pool closes what is idle beyond maxIdle when the waiter it was kept for left", async () => {
  const { clock, driver, pool } = setup({ max: 2, maxIdle: 0 });
  const lease = await pool.acquire();
  pool.suspend();
  const abort = new AbortController();
  const waiting = watch(pool.acquire({ signal: abort.signal }));
  lease.release();
  assertCounts(pool, { total: 1, idle: 1, waiters: 1 });
  abort.abort();
  await clock.settle();
  assertEquals([waiting.state, driver.open], ["rejected", 0]);
});

test("Pool never has more connects under way than maxPendingConnects, and serves all (D-23, W-09, Y-18)", async () => {
  const { clock, driver, pool } = setup({ max: 10, maxPendingConnects: 2 });
  driver.hold("connect");
  const waiting = Array.from({ length: 10 }, () => watch(pool.acquire()));
  for (let round = 0; round < 10; round++) {
    assertEquals(pool.stats().connecting <= 2, true);
    must(driver.held("connect")[0]).answer();
    await clock.settle();
  }
  assertEquals(waiting.every(({ state }) => state === "fulfilled"), true);
  assertEquals([driver.counts.connect, pool.stats().used], [10, 10]);
});

test("Pool counts connects that are being given up against maxPendingConnects", async () => {
  const { clock, driver, pool } = setup({ max: 10, maxPendingConnects: 2 });
  let [underWay, most] = [0, 0];
  const connect = driver.connect.bind(driver);
  driver.connect = async (options) => {
    most = Math.max(most, ++underWay);
    try {
      return await connect(options);
    } finally {
      underWay--;
    }
  };
  driver.delay("connect", 50);
  const waiting = Array.from({ length: 10 }, () => watch(pool.acquire()));
  for (let turn = 0; turn < 10; turn++) {
    pool.evict();
    await clock.advance(10);
  }
  await clock.advance(1_000);
  assertEquals(waiting.every(({ state }) => state === "fulfilled"), true);
  assertEquals(most, 2);
});

test("Pool lets who must not queue in only as far as a connect can be started for it at once", async () => {
  const { clock, driver, pool } = setup({ max: 10, maxPendingConnects: 2, acquireTimeoutMs: 0 });
  driver.hold("connect", 2);
  const asked = Array.from({ length: 3 }, () => watch(pool.acquire()));
  await clock.settle();
  assertEquals(asked.map(({ state }) => state), ["pending", "pending", "rejected"]);
  assertInstanceOf(asked[2]?.error, TooManyConnectionsError);
});

test("Pool of 100 connections survives a restart of the server with at most maxPendingConnects connects at once", async () => {
  for (const minIdle of [0, 20]) {
    const { clock, driver, pool } = setup({ max: 100, minIdle, maxPendingConnects: 8 });
    let [underWay, most] = [0, 0];
    const connect = driver.connect.bind(driver);
    driver.connect = async (options) => {
      most = Math.max(most, ++underWay);
      try {
        return await connect(options);
      } finally {
        underWay--;
      }
    };
    driver.delay("connect", 5);
    const leases = lend(pool, 100);
    await clock.advance(1_000);
    const held = await leases;
    assertEquals(most, 8);
    for (const lease of held.slice(0, 50)) lease.release();
    most = 0;
    driver.refuse("connect", 20);
    for (const connection of driver.connections) {
      driver.break(connection, new FakeError("lost", "shut down", "generation"));
    }
    for (const lease of held.slice(50)) lease.release();
    const again = lend(pool, 100);
    await clock.advance(9_000);
    assertEquals((await again).length, 100);
    assertEquals([most, driver.peak], [8, 100]);
    for (const lease of await again) lease.release();
    await pool.close();
    assertEquals(clock.pending, 0);
  }
});
