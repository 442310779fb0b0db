import { assert, assertEquals } from "@std/assert";
import type { PoolOptions } from "../../../src/core/options.ts";
import { assertCounts, must, type Setup, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

/** A pool whose shared connections are of a kind of their own. */
function sharing(options: Omit<PoolOptions, "clock">): Setup {
  return setup({ maxShared: 1, ...options }, {}, { sharing: "multiplex", readers: true });
}

/** One in which a reader is idle beside the stock. */
async function withReader(options: Omit<PoolOptions, "clock">): Promise<Setup> {
  const all = sharing(options);
  await all.pool.ready();
  const reader = await all.pool.acquireShared();
  reader.release();
  await all.clock.settle();
  return all;
}

test("A pool whose stock is all it may keep opens none for each that it closes: an idle reader goes instead", async () => {
  const { clock, driver, pool } = sharing({ minIdle: 2, maxIdle: 2, max: 5 });
  await pool.ready();
  const reader = await pool.acquireShared();
  await clock.advance(2_000);
  driver.delay("connect", 100);
  driver.break(must(driver.connections[0]));
  reader.release();
  await clock.settle();
  assertCounts(pool, { total: 3, idle: 2, connecting: 1 });
  await clock.advance(5_000);
  // Two of the stock, the reader, and the one for the lost.
  assertEquals(driver.counts.connect, 4);
  assertCounts(pool, { total: 2, idle: 2 });
  assertEquals(driver.connections.map(({ readOnly }) => readOnly), [false, false]);
});

test("An idle reader makes room for one of the stock that comes back", async () => {
  const { clock, driver, pool } = await withReader({ minIdle: 1, maxIdle: 2, max: 5 });
  assertCounts(pool, { total: 2, idle: 2 });
  const [first, second] = [await pool.acquire(), await pool.acquire()];
  first.release();
  second.release();
  await clock.settle();
  const connects = driver.counts.connect;
  await clock.advance(1_000);
  const { idle } = pool.stats();
  const plain = driver.connections.filter(({ readOnly }) => !readOnly);
  assertEquals([idle, driver.counts.connect], [2, connects]);
  assert(plain.length >= 1);
});

test("What is unused for too long is closed by kinds: readers all, of the others as many stay as are kept", async () => {
  const { clock, driver, pool } = await withReader({ minIdle: 1, max: 5, idleTimeoutMs: 10_000 });
  for (let minutes = 0; minutes < 5; minutes++) await clock.advance(60_000);
  assertEquals(driver.connections.map(({ readOnly }) => readOnly), [false]);
  // The one of the start, used by nobody.
  assertEquals([driver.counts.connect, must(pool.inspect()[0]).epoch], [2, 1]);
  assertCounts(pool, { total: 1, idle: 1 });
  assertEquals(clock.referenced, 0);
});

test("Who waits for a reader gets one though the stock fills the pool, and the stock does not take it back", async () => {
  const all = sharing({ minIdle: 2, max: 2 });
  const { clock, driver, pool } = all;
  await pool.ready();
  const reader = watch(pool.acquireShared());
  await clock.advance(1_000);
  assertEquals([must(reader.value).connection.readOnly, driver.peak], [true, 2]);
  must(reader.value).release();
  const connects = driver.counts.connect;
  await clock.advance(5_000);
  assert(driver.counts.connect <= connects + 1);
});

test("What one kind gives back of the unreserved goes to who waits for the other kind", async () => {
  for (const readerFirst of [true, false]) {
    const { clock, pool } = sharing({ max: 4, reserved: 3 });
    const first = await (readerFirst ? pool.acquireShared() : pool.acquire());
    const waiting = watch<unknown>(readerFirst ? pool.acquire() : pool.acquireShared());
    await clock.settle();
    assertEquals(waiting.state, "pending");
    first.release();
    await clock.settle();
    assertEquals(waiting.state, "fulfilled", String(readerFirst));
  }
});

test("A reader that is worn is closed though one of the stock is worn, too, and cannot be replaced yet", async () => {
  const { clock, driver, pool } = await withReader({ minIdle: 1, maxLifetimeMs: 10_000 });
  driver.hold("connect", 1);
  await clock.advance(10_000);
  assertEquals(driver.connections.map(({ readOnly }) => readOnly), [false]);
  assertCounts(pool, { total: 2, idle: 1, connecting: 1 });
});
