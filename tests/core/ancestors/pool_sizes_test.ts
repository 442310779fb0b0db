/** How many connections DBUtils' pools and antipool keep, as far as it is safe. */

import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { AcquireTimeoutError, PoolClosedError } from "../../../src/core/errors.ts";
import type { PoolOptions } from "../../../src/core/options.ts";
import { Pool } from "../../../src/core/pool.ts";
import { FakeDriver, FakeError } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { eventsOf, idOf, take } from "./leases.ts";

// The start

test("A pool with minIdle 3 opens three at once in the background, and ready() waits for them (D-05, G-28)", async () => {
  const { clock, driver, pool } = setup({ minIdle: 3 });
  driver.delay("connect", 300);
  const ready = watch(pool.ready());
  await clock.advance(299);
  assertCounts(pool, { total: 3, connecting: 3 });
  assertEquals(ready.state, "pending");
  await clock.advance(1);
  assertEquals([ready.state, driver.counts.open], ["fulfilled", 3]);
  assertCounts(pool, { total: 3, idle: 3 });
  // Nothing was said to the server on them.
  assertEquals(eventsOf(driver, "apply", "reset", "ping"), []);
});

test("A pool can be made while the server is down: ready() says why it is not, and the start is made up for (D-05, Q-02)", async () => {
  const { clock, driver, pool } = setup({ minIdle: 2 }, { random: () => 0.999 });
  const cause = new FakeError("unavailable", "refused");
  driver.refuse("connect", Infinity, cause);
  const ready = watch(pool.ready({ timeoutMs: 1_000 }));
  await clock.advance(1_000);
  assertInstanceOf(ready.error, AcquireTimeoutError);
  assertStrictEquals(ready.error.cause, cause);
  assertCounts(pool, {});
  driver.restore("connect");
  const again = watch(pool.ready());
  await clock.advance(1_000);
  assertEquals(again.state, "fulfilled");
  assertCounts(pool, { total: 2, idle: 2 });
});

test("A pool with minIdle n and max n opens n, never more, and keeps them (Q-02)", async () => {
  const { clock, driver, pool } = setup({ minIdle: 3, max: 3, maxLifetimeMs: Infinity });
  await pool.ready();
  assertCounts(pool, { total: 3, idle: 3 });
  for (const lease of await take(pool, 3)) lease.release();
  await clock.advance(86_400_000);
  assertCounts(pool, { total: 3, idle: 3 });
  assertEquals([driver.counts.open, driver.peak], [3, 3]);
});

test("minIdle is a floor for good: what is lost is opened again though nobody asks (D-07)", async () => {
  const { clock, driver, pool } = setup({ minIdle: 2 });
  await pool.ready();
  driver.break(must(driver.connections[0]));
  await clock.advance(5_000);
  assertCounts(pool, { total: 2, idle: 2 });
  assertEquals([driver.counts.open, clock.referenced], [3, 0]);
});

// Limits that contradict each other

const CONTRADICTIONS: readonly (readonly [PoolOptions, string, string])[] = [
  [{ minIdle: 3, max: 2 }, "minIdle", "D-08"],
  [{ minIdle: 11 }, "minIdle", "D-08"],
  [{ minIdle: 3, maxIdle: 2 }, "minIdle", "D-09"],
  [{ minIdle: 1, maxIdle: 2, max: 1 }, "maxIdle", "D-10"],
  [{ minIdle: 4, maxIdle: 3, max: 1 }, "minIdle", "D-10"],
];

for (const [options, name, id] of CONTRADICTIONS) {
  test(`${JSON.stringify(options)} is refused for ${name}, nothing is raised, nothing hangs (${id}, V18)`, () => {
    const driver = new FakeDriver();
    const error = assertThrows(() => new Pool(driver, options), RangeError);
    assertEquals(error.message.startsWith(`Cannot create pool as ${name} must be `), true);
    assertEquals(driver.counts.connect, 0);
  });
}

test("The limit stays what it was said to be beside smaller ones (D-10, G-16)", async () => {
  const { clock, driver, pool } = setup({ minIdle: 1, maxIdle: 2, max: 4 });
  await take(pool, 4);
  const fifth = watch(pool.acquire());
  await clock.settle();
  assertEquals([fifth.state, pool.stats().max, driver.peak], ["pending", 4, 4]);
});

// What is kept

const BURSTS: readonly (readonly [minIdle: number, maxIdle: number, burst: number])[] = [
  [0, 3, 6],
  [2, 5, 10],
  [3, 4, 6],
  [1, 2, 4],
];

for (const [minIdle, maxIdle, burst] of BURSTS) {
  test(`Of ${burst} connections that come back ${maxIdle} are kept with maxIdle ${maxIdle} (D-31, G-21, G-27)`, async () => {
    const { clock, driver, pool } = setup({ minIdle, maxIdle, max: burst });
    const leases = await take(pool, burst);
    for (const { connection } of leases) {
      await connection.run("begin");
      await connection.run("write a");
    }
    for (const lease of leases) lease.release();
    await clock.settle();
    assertCounts(pool, { total: maxIdle, idle: maxIdle });
    assertEquals([driver.open, driver.counts.open], [maxIdle, burst]);
    // Those that were too many left nothing behind either.
    assertEquals(driver.applied, []);
  });
}

test("After a burst the pool shrinks by itself, the longest unused first, and no release pays for it (D-32, A-22, W-12)", async () => {
  const { clock, driver, pool } = setup({ minIdle: 3, idleTimeoutMs: 60_000 });
  await pool.ready();
  const leases = await take(pool, 9);
  await clock.settle();
  const lastUsed = leases.slice(-3).map(idOf);
  for (const lease of leases) {
    lease.release();
    await clock.advance(1_000);
  }
  assertEquals(driver.counts.close, 0);
  assertCounts(pool, { total: 10, idle: 10 });
  await clock.advance(60_000);
  assertCounts(pool, { total: 3, idle: 3 });
  assertEquals([driver.counts.close, clock.referenced], [7, 0]);
  const kept = driver.connections.map(({ id }) => id);
  assertEquals(kept.toSorted((a, b) => a - b), lastUsed.toSorted((a, b) => a - b));
});

test("With minIdle 0 nothing is kept for ever; a time of 0 is refused (A-23)", async () => {
  const { clock, driver, pool } = setup({ idleTimeoutMs: 5_000 });
  for (const lease of await take(pool, 4)) lease.release();
  await clock.advance(4_999);
  assertEquals(driver.open, 4);
  await clock.advance(1);
  assertCounts(pool, {});
  assertEquals([driver.open, clock.referenced], [0, 0]);
  const error = assertThrows(() => new Pool(driver, { idleTimeoutMs: 0 }), RangeError);
  assertEquals(error.message.includes("idleTimeoutMs must be a number of milliseconds > 0"), true);
});

test("With maxIdle 0 each lease has a connection of its own, closed behind it: a pool that does not pool (A-40)", async () => {
  const { clock, driver, pool } = setup({ maxIdle: 0 });
  for (let count = 1; count <= 3; count++) {
    const lease = await pool.acquire();
    assertEquals([idOf(lease), await lease.connection.run("select 1")], [count, "1"]);
    lease.release();
    await clock.settle();
    assertCounts(pool, {});
  }
  assertEquals([driver.counts.open, driver.counts.close], [3, 3]);
});

// Connecting

test("Ten who come at once are no ten connects at once: maxPendingConnects holds at every instant (W-09, D-23)", async () => {
  const { clock, driver, pool } = setup({ maxPendingConnects: 3 });
  driver.delay("connect", 100);
  const waiting = Array.from({ length: 10 }, () => watch(pool.acquire()));
  const seen: number[] = [];
  for (let round = 0; round < 5; round++) {
    seen.push(pool.stats().connecting);
    await clock.advance(100);
  }
  assertEquals(seen, [3, 3, 3, 1, 0]);
  assertEquals(waiting.every(({ state }) => state === "fulfilled"), true);
});

// The end, and another start

test("A pool that was closed is open again after open(), with fresh books and the same limit (A-28, G-18)", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  for (const lease of await take(pool, 2)) lease.release();
  await pool.close();
  await pool.close();
  assertInstanceOf(await pool.acquire().catch((error) => error), PoolClosedError);
  await pool.open();
  assertCounts(pool, {});
  const attempts = [1, 2, 3, 4].map(() => watch(pool.acquire({ timeoutMs: 0 })));
  await clock.settle();
  assertEquals(attempts.filter(({ state }) => state === "fulfilled").length, 2);
  assertCounts(pool, { total: 2, used: 2 });
  assertEquals([driver.open, driver.peak], [2, 2]);
});

test("A lease from before close() does not come back into the pool that was opened again (D-50, H-31)", async () => {
  const { clock, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const closing = pool.close({ timeoutMs: 0 });
  await clock.advance(0);
  await closing;
  await pool.open();
  const next = await pool.acquire();
  lease.release();
  lease.destroy();
  assertCounts(pool, { total: 1, used: 1 });
  assertEquals([lease.released, await next.connection.run("select 1")], [true, "1"]);
});
