import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  AcquireTimeoutError,
  PoolClosedError,
  TooManyConnectionsError,
} from "../../../src/core/errors.ts";
import type { Pool } from "../../../src/core/pool.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { FakeError } from "../../../src/testing/mod.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

async function warm(pool: Pool<FakeConnection>, count: number): Promise<void> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
  for (const lease of leases) lease.release();
}

// resize

test("Pool.resize() to more serves who waits at once", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  await pool.acquire();
  const waiting = [watch(pool.acquire()), watch(pool.acquire())];
  pool.resize(2);
  await clock.settle();
  assertEquals(waiting.map(({ state }) => state), ["fulfilled", "pending"]);
  pool.resize(3);
  await clock.settle();
  assertEquals(waiting.map(({ state }) => state), ["fulfilled", "fulfilled"]);
  assertEquals([driver.peak, pool.stats().max], [3, 3]);
});

test("Pool.resize() to less closes the idle at once, those that were used least lately first", async () => {
  const { clock, driver, pool } = setup({ max: 5 });
  await warm(pool, 5);
  pool.resize(2);
  assertCounts(pool, { total: 5, idle: 2, closing: 3 });
  await clock.settle();
  assertEquals(driver.connections.map(({ id }) => id), [4, 5]);
  await warm(pool, 2);
  assertEquals(driver.counts.connect, 5);
});

test("Pool.resize() to less closes what is lent when it comes back, and no more than that", async () => {
  const { clock, driver, pool } = setup({ max: 5 });
  const leases = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()));
  driver.delay("close", 10);
  pool.resize(3);
  assertCounts(pool, { total: 5, used: 5 });
  const waiting = watch(pool.acquire());
  for (const lease of leases.slice(0, 2)) lease.release();
  // Not handed on: there would be four.
  assertCounts(pool, { total: 5, used: 3, closing: 2, waiters: 1 });
  must(leases[2]).release();
  await clock.settle();
  assertEquals(waiting.value?.connection.id, 3);
  await clock.advance(10);
  assertCounts(pool, { total: 3, used: 3 });
  assertEquals(driver.counts.connect, 5);
});

test("Pool.resize() is hard: also what is dirty, in doubt, or old in an outage goes when it comes back", async () => {
  const { clock, driver, pool } = setup({ max: 3 });
  const [first, second, third] = await Promise.all([
    pool.acquire(),
    pool.acquire(),
    pool.acquire(),
  ]);
  driver.refuse("connect");
  await must(first).connection.run("begin");
  pool.resize(1);
  must(first).release();
  driver.break(must(second).connection, new FakeError("lost", "lost", "own"));
  await clock.settle();
  assertCounts(pool, { total: 1, used: 1 });
  must(third).release();
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool.resize() to less ends connects under way that are too many", async () => {
  const { clock, driver, pool } = setup({ max: 3 });
  driver.hold("connect", 3);
  const waiting = Array.from({ length: 3 }, () => watch(pool.acquire()));
  pool.resize(1);
  await clock.settle();
  assertCounts(pool, { total: 1, connecting: 1, waiters: 3 });
  must(driver.held("connect")[0]).answer();
  await clock.settle();
  assertEquals(waiting.map(({ state }) => state), ["fulfilled", "pending", "pending"]);
  assertEquals(driver.open, 1);
});

test("Pool.resize() takes a shared connection out though it is never without statements", async () => {
  const { clock, driver, pool } = setup({ max: 2 }, {}, { sharing: "multiplex" });
  const lent: (() => void)[] = [];
  const share = () => pool.share((lease) => lent.push(() => lease.release()), () => {});
  for (let i = 0; i < 20; i++) share();
  await clock.settle();
  pool.resize(1);
  for (let i = 0; i < 100; i++) {
    share();
    await clock.settle();
    lent.shift()?.();
  }
  await clock.settle();
  assertEquals([driver.open, pool.stats().total], [1, 1]);
});

test("Pool.resize() moves maxIdle and maxPendingConnects unless they were given", async () => {
  const { clock, driver, pool } = setup({ max: 2, minIdle: 1 });
  pool.resize(6);
  await warm(pool, 6);
  await clock.settle();
  assertEquals(pool.stats().idle, 6);
  const given = setup({ max: 2, maxIdle: 2, maxPendingConnects: 1 });
  given.pool.resize(6);
  given.driver.hold("connect");
  const waiting = Array.from({ length: 3 }, () => watch(given.pool.acquire()));
  assertEquals(given.pool.stats().connecting, 1);
  given.driver.restore("connect");
  must(given.driver.held("connect")[0]).answer();
  await given.clock.settle();
  for (const { value } of waiting) must(value).release();
  await given.clock.settle();
  assertEquals(given.pool.stats().idle, 2);
  assertEquals(driver.peak, 6);
});

test("Pool.resize() refuses what the pool could not have been made with, and changes nothing", () => {
  const { pool } = setup({ max: 5, minIdle: 2 });
  for (const max of [0, 1, 1.5, NaN, Infinity]) assertThrows(() => pool.resize(max), RangeError);
  assertThrows(() => pool.resize("3" as unknown as number), TypeError);
  assertEquals(pool.stats().max, 5);
});

// suspend, resume

test("Pool.suspend() lends nothing: acquires wait, within their deadlines; resume() serves them in order", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  await warm(pool, 2);
  pool.suspend();
  pool.suspend();
  assertEquals([pool.stats().state, pool.tryAcquire()], ["suspended", undefined]);
  const late = watch(pool.acquire({ timeoutMs: 100 }));
  const never = watch(pool.acquire({ timeoutMs: 0 }));
  const waiting = [watch(pool.acquire()), watch(pool.acquire())];
  await clock.advance(100);
  assertInstanceOf(late.error, AcquireTimeoutError);
  assertEquals(late.error.phase, "queue");
  assertEquals(/suspended/.test(late.error.message), true, late.error.message);
  assertInstanceOf(never.error, TooManyConnectionsError);
  assertCounts(pool, { total: 2, idle: 2, waiters: 2 });
  pool.resume();
  pool.resume();
  assertEquals(pool.stats().state, "open");
  await clock.settle();
  assertEquals(waiting.map(({ value }) => value?.connection.id), [2, 1]);
  assertEquals(driver.counts.connect, 2);
});

test("Pool.suspend() takes back and looks after what there is, and opens nothing for who waits", async () => {
  const { clock, driver, pool } = setup({ max: 3, idleTimeoutMs: 5_000, maxLifetimeMs: Infinity });
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  await must(leases[0]).connection.run("begin");
  pool.suspend();
  const waiting = watch(pool.acquire({ timeoutMs: Infinity }));
  for (const lease of leases) lease.release();
  await clock.settle();
  assertCounts(pool, { total: 2, idle: 2, waiters: 1 });
  await clock.advance(5_000);
  assertCounts(pool, { waiters: 1 });
  pool.resume();
  await clock.settle();
  assertEquals([waiting.value?.connection.id, driver.counts.reset], [3, 1]);
});

test("Pool.suspend() refuses who must not queue and waits for a connect; who may waits on", async () => {
  const { clock, driver, pool } = setup();
  driver.hold("connect", 2);
  const [never, may] = [watch(pool.acquire({ timeoutMs: 0 })), watch(pool.acquire())];
  await clock.settle();
  pool.suspend();
  await clock.settle();
  assertInstanceOf(never.error, TooManyConnectionsError);
  for (const call of driver.held("connect")) call.answer();
  await clock.settle();
  assertCounts(pool, { total: 2, idle: 2, waiters: 1 });
  pool.resume();
  await clock.settle();
  assertEquals(may.state, "fulfilled");
});

test("Pool.suspend() in the callback that lends stops the serving; resume() there goes on with it", async () => {
  const { clock, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const served: number[] = [];
  for (const number of [1, 2, 3]) {
    pool.lend((lease) => {
      served.push(number);
      if (number < 3) pool.suspend();
      if (number === 2) pool.resume();
      lease.release();
    }, () => {});
  }
  lease.release();
  assertEquals(served, [1]);
  pool.resume();
  await clock.settle();
  assertEquals(served, [1, 2, 3]);
});

test("Pool.suspend() holds single statements back, too", async () => {
  const { clock, pool } = setup({ max: 2 }, {}, { sharing: "multiplex" });
  await warm(pool, 1);
  pool.suspend();
  let lent = 0;
  pool.share((lease) => {
    lent++;
    lease.release();
  }, () => {});
  await clock.settle();
  assertEquals([lent, pool.stats().waiters], [0, 1]);
  pool.resume();
  assertEquals(lent, 1);
});

test("Pool with minIdle keeps its stock while it is suspended", async () => {
  const { clock, driver, pool } = setup({ max: 3, minIdle: 2 });
  pool.suspend();
  await clock.settle();
  assertCounts(pool, { total: 2, idle: 2 });
  driver.break(must(driver.connections[0]));
  await clock.advance(100);
  assertCounts(pool, { total: 2, idle: 2 });
  await pool.ready();
});

test("Pool.suspend() of a pool that is closed or closing does nothing; close() ends a suspension", async () => {
  const { clock, pool } = setup();
  const lease = await pool.acquire();
  pool.suspend();
  const waiting = watch(pool.acquire());
  const closing = watch(pool.close());
  await clock.settle();
  assertInstanceOf(waiting.error, PoolClosedError);
  assertEquals(pool.stats().state, "draining");
  pool.suspend();
  lease.release();
  await clock.settle();
  pool.suspend();
  pool.resume();
  assertEquals([closing.state, pool.stats().state], ["fulfilled", "closed"]);
  await pool.open();
  (await pool.acquire()).release();
});

// evict

test("Pool.evict(filter) closes the idle that it names now, the lent when they come back, and no others (Z-11)", async () => {
  const { clock, driver, pool } = setup({ max: 4 });
  const leases = await Promise.all(Array.from({ length: 4 }, () => pool.acquire()));
  must(leases[0]).release();
  must(leases[1]).release();
  pool.evict(({ epoch }) => epoch === 1 || epoch === 3);
  await clock.settle();
  assertCounts(pool, { total: 3, used: 2, idle: 1 });
  must(leases[2]).release();
  must(leases[3]).release();
  await clock.settle();
  assertEquals(driver.connections.map(({ id }) => id), [2, 4]);
  assertCounts(pool, { total: 2, idle: 2 });
});

test("Pool.evict(filter) is shown what there is of each connection", async () => {
  const { clock, pool } = setup({ max: 3, checkAfterIdleMs: Infinity });
  await warm(pool, 2);
  await clock.advance(500);
  const lease = await pool.acquire();
  const seen: unknown[] = [];
  pool.evict((info) => {
    seen.push([info.state, info.epoch, info.ageMs, info.idleMs]);
    return false;
  });
  assertEquals(seen, [["idle", 1, 500, 500], ["used", 2, 500, 0]]);
  assertCounts(pool, { total: 2, used: 1, idle: 1 });
  lease.release();
});

test("Pool.evict(filter) takes no promise for a yes", async () => {
  const { pool } = setup();
  (await pool.acquire()).release();
  const later = (() => Promise.resolve(false)) as unknown as () => boolean;
  const message =
    "Cannot evict connections as what filter returns must be true or false: received a value of type object";
  assertThrows(() => pool.evict(later), TypeError, message);
  assertEquals(pool.stats().idle, 1);
  await pool.close();
});

test("Pool.evict(filter) keeps nothing for an outage, and changes nothing if the filter throws", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const lease = await pool.acquire();
  driver.refuse("connect");
  const waiting = watch(pool.acquire({ timeoutMs: 50 }));
  await clock.advance(50);
  assertEquals(waiting.state, "rejected");
  assertThrows(() =>
    pool.evict(() => {
      throw new Error("of the filter");
    })
  );
  assertThrows(() => pool.evict(true as unknown as () => boolean), TypeError);
  pool.evict(() => true);
  lease.release();
  await clock.settle();
  assertEquals(driver.open, 0);
});

test("Pool.evict(filter) gives connects up that it names, and starts them anew for who waits", async () => {
  const { clock, driver, pool } = setup();
  driver.hold("connect", 1);
  const waiting = watch(pool.acquire());
  pool.evict(({ state }) => state === "connecting");
  await clock.settle();
  assertEquals([waiting.state, driver.counts.connect], ["fulfilled", 2]);
});

// open

test("Pool.open() makes a closed pool usable again, with books as new (A-28, D-49, G-18)", async () => {
  const { clock, driver, pool } = setup({ max: 2, minIdle: 1 });
  await warm(pool, 2);
  await pool.close();
  await pool.open();
  await pool.open();
  assertEquals(pool.stats().state, "open");
  await clock.settle();
  assertCounts(pool, { total: 1, idle: 1 });
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  const third = watch(pool.acquire({ timeoutMs: 100 }));
  await clock.advance(100);
  assertInstanceOf(third.error, AcquireTimeoutError);
  for (const lease of leases) lease.release();
  await pool.close();
  assertEquals([driver.open, clock.pending, driver.peak], [0, 0, 2]);
});

test("Pool.open() while the pool closes waits for the end of that, then opens", async () => {
  const { clock, pool } = setup();
  const lease = await pool.acquire();
  const closing = watch(pool.close({ timeoutMs: Infinity }));
  const opening = [watch(pool.open()), watch(pool.open())];
  const asked = watch(pool.acquire());
  await clock.settle();
  assertEquals([closing.state, opening[0]?.state], ["pending", "pending"]);
  assertInstanceOf(asked.error, PoolClosedError);
  lease.release();
  await clock.settle();
  assertEquals([closing.state, ...opening.map(({ state }) => state)], [
    "fulfilled",
    "fulfilled",
    "fulfilled",
  ]);
  (await pool.acquire()).release();
  await clock.settle();
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool.close() after open() while it closes has the last word", async () => {
  const { clock, pool } = setup();
  const lease = await pool.acquire();
  const first = watch(pool.close());
  const opening = watch(pool.open());
  const second = watch(pool.close());
  await clock.settle();
  assertInstanceOf(opening.error, PoolClosedError);
  lease.release();
  await clock.settle();
  assertEquals([first.state, second.state, pool.stats().state], [
    "fulfilled",
    "fulfilled",
    "closed",
  ]);
});

test("Pool.open() begins without the outage, the deadline and the leases of the life before", async () => {
  const { clock, driver, pool } = setup({ max: 2 }, { random: () => 0.999 });
  const lease = await pool.acquire();
  driver.refuse("connect", 5);
  const refused = watch(pool.acquire({ timeoutMs: 1_000 }));
  await clock.advance(1_000);
  assertEquals(refused.state, "rejected");
  driver.restore("connect");
  const closing = watch(pool.close({ timeoutMs: 100 }));
  void pool.open();
  await clock.advance(100);
  assertEquals([closing.state, pool.stats().state, driver.open], ["fulfilled", "open", 0]);
  // What was lent in the life before is gone, and comes back to nobody.
  lease.release();
  const again = await pool.acquire();
  await clock.advance(10_000);
  assertCounts(pool, { total: 1, used: 1 });
  again.release();
});

test("Pool may be closed and opened by those whom its closing refuses", async () => {
  const { clock, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const opened: unknown[] = [];
  pool.lend(() => {}, () => void pool.open().then(() => opened.push("first")));
  pool.lend(() => {}, () => void pool.open().then(() => opened.push("second")));
  lease.destroy();
  const next = watch(pool.acquire());
  void pool.close();
  await clock.settle();
  assertEquals([opened, pool.stats().state], [["first", "second"], "open"]);
  assertEquals(next.state, "rejected");
  (await pool.acquire()).release();
});

test("Pool.close() with everything lent: late returns are closed, those who wait are told (D-47, D-48, D-50, D-51, A-29)", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  const waiting = watch(pool.acquire());
  const closing = watch(pool.close());
  await clock.settle();
  assertInstanceOf(waiting.error, PoolClosedError);
  must(first).release();
  await clock.settle();
  assertCounts(pool, { total: 1, used: 1 });
  must(second).release();
  await clock.settle();
  assertEquals([closing.state, driver.open], ["fulfilled", 0]);
});
