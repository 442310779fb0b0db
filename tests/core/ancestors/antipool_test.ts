/** What antipool does, as far as it is safe. */

import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { Pool } from "../../../src/core/pool.ts";
import {
  type FakeConnection,
  FakeDriver,
  FakeError,
  VirtualClock,
} from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { idOf, take } from "./leases.ts";

// Making a pool

test("Options are the caller's own: they are not changed, may be used again, and must be known (A-02)", () => {
  const driver = new FakeDriver();
  const options = Object.freeze({ max: 3, session: Object.freeze(["set a 1"]) });
  const pools = [new Pool(driver, options), new Pool(driver, options)];
  assertEquals(pools.map((pool) => pool.stats().max), [3, 3]);
  assertEquals(options, { max: 3, session: ["set a 1"] });
  const unknown = { max: 3, bogus: 1 };
  assertThrows(() => new Pool(driver, unknown), TypeError, 'there is no option "bogus"');
});

test("A pool of n lends n at a time, also for n = 1 (A-06)", async () => {
  for (const max of [1, 2, 5]) {
    const { clock, driver, pool } = setup({ max });
    await take(pool, max);
    const more = watch(pool.acquire());
    await clock.settle();
    assertEquals([more.state, driver.peak], ["pending", max]);
  }
});

// Giving back

for (const how of ["rejects with nothing", "throws"] as const) {
  test(`A cleaning that ${how} costs the connection, not its place: the waiter is served (A-21)`, async () => {
    const clock = new VirtualClock();
    const driver = new class extends FakeDriver {
      override reset(): Promise<void> {
        if (how === "throws") throw new Error("thrown, not rejected");
        return Promise.reject(undefined);
      }
    }({ clock });
    const pool = new Pool<FakeConnection>(driver, { clock, max: 1 });
    const lease = await pool.acquire();
    await lease.connection.run("begin");
    const waiting = watch(pool.acquire());
    lease.release();
    await clock.settle();
    assertEquals([waiting.value?.connection.id, driver.open, driver.peak], [2, 1, 1]);
    assertCounts(pool, { total: 1, used: 1 });
  });
}

test("A commit that fails keeps no lease: its error comes out, the place is free, the waiter served (A-26)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const work = watch(pool.use(async ({ connection }) => {
    await connection.run("begin");
    await connection.run("write a");
    driver.breakAt("after send");
    await connection.run("commit");
  }));
  const waiting = watch(pool.acquire());
  await clock.settle();
  assertInstanceOf(work.error, FakeError);
  assertEquals([waiting.value?.connection.id, driver.applied, driver.peak], [2, [], 1]);
});

test("A lease goes home to its own pool, whichever pool is asked to take it back (A-31)", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const other = new Pool(driver, { clock, max: 2 });
  const lease = await pool.acquire();
  other.release(lease);
  assertCounts(pool, { total: 1, idle: 1 });
  assertCounts(other, {});
  assertEquals(idOf(must(pool.tryAcquire())), 1);
});

test("A connection that is lost on its way to who waited is a lost lease, never none at all (A-12)", async () => {
  const { driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const waiting = pool.acquire();
  const { connection } = lease;
  lease.release();
  // Lent by now, and the borrower's own code has not run yet.
  driver.break(connection);
  const next = await waiting;
  assertEquals([next.connection === connection, next.lost], [true, true]);
  const error: unknown = await next.connection.run("select 1").catch((error) => error);
  assertInstanceOf(error, FakeError);
  next.release();
  assertCounts(pool, {});
  assertEquals(idOf(await pool.acquire()), 2);
});

// Under load

test("Ten tasks on eight connections, eight of ten statements reads, some broken: all end, never above the limit, nothing left (A-41)", async () => {
  const clock = new VirtualClock({ seed: 41 });
  const driver = new FakeDriver({ clock });
  const limits = { max: 8, minIdle: 3, idleTimeoutMs: 500 };
  const pool = new Pool(driver, { clock, ...limits, acquireTimeoutMs: Infinity });
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => void clock.schedule(ms, resolve));
  let [done, writes, losses] = [0, 0, 0];
  const task = async (): Promise<void> => {
    for (let count = 0; count < 200; count++) {
      const isRead = clock.random() < 0.8;
      const breaks = clock.random() < 0.02;
      await pool.use(async ({ connection }) => {
        await pause(clock.random() * 20);
        if (breaks) driver.break(connection);
        await connection.run(isRead ? "count" : "begin");
        // Nine of ten writers forget their transaction.
        if (isRead || clock.random() < 0.9) return;
        await connection.run("write a");
        await connection.run("commit");
        writes++;
      }).catch((error) => {
        assertInstanceOf(error, FakeError);
        losses++;
      });
      done++;
    }
  };
  const tasks = watch(Promise.all(Array.from({ length: 10 }, task)));
  for (let seconds = 0; tasks.state === "pending" && seconds < 60; seconds++) {
    await clock.advance(1_000);
  }
  assertEquals([tasks.state, tasks.error, done], ["fulfilled", undefined, 2_000]);
  assertEquals([driver.applied.length, losses > 0, driver.peak], [writes, true, 8]);
  await clock.advance(1_000);
  assertCounts(pool, { total: 3, idle: 3 });
  await pool.close();
  assertEquals([driver.open, clock.pending], [0, 0]);
});
