import { assertEquals } from "@std/assert";
import type { LossScope } from "../../../src/core/driver.ts";
import type { Lease } from "../../../src/core/lease.ts";
import { type FakeConnection, FakeError } from "../../../src/testing/mod.ts";
import { assertCounts, must, type Setup, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

function loss(scope: LossScope): FakeError {
  return new FakeError("lost", `lost: ${scope}`, scope);
}

interface Warm extends Setup {
  readonly leases: readonly Lease<FakeConnection>[];
}

/** A pool that has lent so many connections. */
async function lent(count: number, options: Parameters<typeof setup>[0] = {}): Promise<Warm> {
  const all = setup({ max: count, ...options });
  const { pool } = all;
  return { ...all, leases: await Promise.all(Array.from({ length: count }, () => pool.acquire())) };
}

/** A pool with so many idle connections. */
async function idle(count: number, options: Parameters<typeof setup>[0] = {}): Promise<Warm> {
  const all = await lent(count, options);
  for (const lease of all.leases) lease.release();
  return all;
}

test("Pool checks older idle connections after one was lost: a terminated backend costs one connection", async () => {
  const { driver, pool } = await idle(5);
  driver.break(must(driver.connections[2]), loss("single"));
  assertCounts(pool, { total: 4, idle: 4 });
  const leases = await Promise.all(Array.from({ length: 4 }, () => pool.acquire()));
  assertEquals([driver.counts.ping, driver.counts.connect], [4, 5]);
  for (const lease of leases) lease.release();
  // Each has given its sign of life.
  for (const lease of await Promise.all(leases.map(() => pool.acquire()))) lease.release();
  assertEquals(driver.counts.ping, 4);
});

test("Pool checks what was lent when another was lost as it comes back, before it lends it on", async () => {
  const { clock, driver, pool, leases: [first, second] } = await lent(2);
  driver.break(must(second).connection, loss("single"));
  driver.hold("connect");
  const waiting = watch(pool.acquire());
  must(first).release();
  assertCounts(pool, { total: 2, connecting: 1, checking: 1, waiters: 1 });
  await clock.settle();
  assertEquals([waiting.value?.connection.id, driver.counts.ping], [1, 1]);
});

test("Pool does not check what it opened after the loss", async () => {
  const { driver, pool } = await idle(1);
  driver.break(must(driver.connections[0]), loss("single"));
  (await pool.acquire()).release();
  (await pool.acquire()).release();
  assertEquals([driver.counts.connect, driver.counts.ping], [2, 0]);
});

test("Pool condemns all at a second loss within a second: idle ones are gone at once (D-57)", async () => {
  const { clock, driver, pool } = await idle(5);
  driver.break(must(driver.connections[0]), loss("single"));
  await clock.advance(1_000);
  driver.break(must(driver.connections[0]), loss("single"));
  assertEquals(driver.open, 0);
  assertCounts(pool, {});
  assertEquals(driver.counts.ping, 0);
});

test("Pool does not condemn for two losses that are further apart", async () => {
  const { clock, driver, pool } = await idle(5);
  for (let i = 0; i < 3; i++) {
    driver.break(must(driver.connections[0]), loss("single"));
    await clock.advance(1_001);
  }
  assertCounts(pool, { total: 2, idle: 2 });
});

test("Pool condemns at once when the server says that all are lost (pain 16)", async () => {
  const { clock, driver, pool, leases: [first, second, third] } = await lent(3);
  must(third).release();
  driver.break(must(first).connection, loss("generation"));
  assertCounts(pool, { total: 1, used: 1 });
  // The borrower keeps what it has, and nobody gets it after that.
  assertEquals(await must(second).connection.run("select 1"), "1");
  const waiting = watch(pool.acquire());
  must(second).release();
  await clock.settle();
  assertEquals([waiting.value?.connection.id, driver.open], [4, 1]);
});

test("Pool gives up connects that were begun before, and starts them anew for who waits", async () => {
  const { clock, driver, pool, leases: [first] } = await lent(1, { max: 3 });
  driver.hold("connect", 2);
  const waiting = [watch(pool.acquire()), watch(pool.acquire())];
  driver.break(must(first).connection, loss("generation"));
  await clock.settle();
  assertEquals(waiting.map(({ value }) => value?.connection.id), [2, 3]);
  assertEquals([driver.counts.connect, driver.held().length, driver.peak <= 3], [5, 0, true]);
});

test("Pool draws no conclusions from what it closed itself, however often", async () => {
  const { driver, pool } = await idle(10);
  for (let i = 0; i < 4; i++) (await pool.acquire()).destroy();
  for (let i = 0; i < 4; i++) driver.break(must(driver.connections[0]), loss("own"));
  assertCounts(pool, { total: 2, idle: 2 });
  (await pool.acquire()).release();
  assertEquals(driver.counts.ping, 0);
});

test("Pool checks the others, and condemns none, when it is not known why connections broke", async () => {
  const { driver, pool } = await idle(10);
  for (let i = 0; i < 5; i++) driver.break(must(driver.connections[0]), loss("doubt"));
  assertCounts(pool, { total: 5, idle: 5 });
  (await pool.acquire()).release();
  assertEquals([driver.counts.ping, driver.counts.connect], [1, 10]);
});

test("Pool learns nothing from late losses of a generation that is condemned already", async () => {
  const { clock, driver, pool, leases } = await lent(4);
  pool.evict();
  must(leases[0]).destroy();
  const young = await pool.acquire();
  young.release();
  for (const lease of leases.slice(1)) driver.break(lease.connection, loss("generation"));
  await clock.settle();
  assertCounts(pool, { total: 1, idle: 1 });
  assertEquals((await pool.acquire()).connection.id, 5);
  assertEquals(driver.counts.ping, 0);
});

test("Pool condemns what it has when a connect is refused", async () => {
  const { clock, driver, pool, leases: [first, second] } = await lent(2, { max: 3 });
  must(second).release();
  const third = await pool.acquire();
  driver.refuse("connect", 1, new FakeError("unavailable", "refused", "generation"));
  driver.hold("connect");
  const waiting = watch(pool.acquire());
  third.release();
  await clock.settle();
  // The waiter had what came back; the connect that failed had been started for it.
  assertEquals(waiting.value?.connection.id, 2);
  must(first).release();
  await clock.settle();
  assertCounts(pool, { total: 1, used: 1 });
  must(waiting.value).release();
  await clock.settle();
  assertEquals(driver.open, 0);
});

test("Pool with no room at the server goes on with what it has: waiters are served by returns (53300)", async () => {
  const { clock, driver, pool, leases: [first, second] } = await lent(2, { max: 10 });
  driver.refuse("connect", Infinity, new FakeError("unavailable", "too many", "own"));
  const waiting = [1, 2, 3].map(() => watch(pool.acquire()));
  await clock.settle();
  assertCounts(pool, { total: 2, used: 2, waiters: 3 });
  must(first).release();
  must(second).release();
  await clock.settle();
  assertEquals(waiting.map(({ value }) => value?.connection.id), [1, 2, undefined]);
  must(waiting[0]?.value).release();
  await clock.settle();
  assertEquals([waiting[2]?.value?.connection.id, driver.counts.ping], [1, 0]);
});

test("Pool.condemn() closes the idle at once, the lent as they come back, for a standby cannot be written to", async () => {
  const { clock, driver, pool, leases: [first, second] } = await lent(2);
  must(second).release();
  pool.condemn(new Error("cannot execute INSERT in a read-only transaction"));
  assertEquals([driver.open, must(first).lost], [1, false]);
  must(first).release();
  await clock.settle();
  assertEquals(driver.open, 0);
  assertEquals((await pool.acquire()).connection.id, 3);
});

test("Pool.condemn() wakes who waits", async () => {
  const { clock, driver, pool } = await idle(1);
  await clock.advance(2_000);
  driver.hold("ping", 1);
  const waiting = watch(pool.acquire());
  pool.condemn();
  await clock.settle();
  assertEquals([waiting.value?.connection.id, driver.peak], [2, 1]);
});

test("Pool.condemn() again and again makes no connect loop: a standby that stays one", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  for (let second = 0; second < 600; second++) {
    for (let i = 0; i < 10; i++) {
      const lease = await pool.acquire();
      pool.condemn();
      lease.release();
    }
    await clock.advance(1_000);
  }
  // At 0, 1, 3, 7, 15, 31, 63, 123, … s, and one each because that is when the first is opened.
  assertEquals(driver.counts.connect <= 2 * 18, true, `${driver.counts.connect} connects`);
  assertEquals(driver.counts.connect >= 14, true, `${driver.counts.connect} connects`);
});

test("Pool.condemn(cause, connection) does nothing for a connection of an older generation", async () => {
  const { clock, driver, pool, leases: [old] } = await lent(1, { max: 2 });
  pool.condemn(undefined, must(old).connection);
  const young = await pool.acquire();
  await clock.advance(60_000);
  pool.condemn(undefined, must(old).connection);
  young.release();
  assertCounts(pool, { total: 2, used: 1, idle: 1 });
  pool.condemn(undefined, young.released ? must(driver.connections[1]) : undefined);
  assertCounts(pool, { total: 1, used: 1 });
});

test("Pool.condemn() of a closed pool, or of one that has nothing, does nothing", async () => {
  const { driver, pool } = setup();
  pool.condemn();
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  for (const lease of leases) lease.release();
  await pool.close();
  pool.condemn();
  assertEquals([driver.counts.connect, pool.stats().state], [2, "closed"]);
});
