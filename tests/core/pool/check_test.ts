import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { AcquireTimeoutError, TooManyConnectionsError } from "../../../src/core/errors.ts";
import type { Pool } from "../../../src/core/pool.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

/** Opens connections and gives them back, so that the one with the lowest number is the next to be lent. */
async function warm(pool: Pool<FakeConnection>, count: number): Promise<FakeConnection[]> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()));
  const connections = leases.map(({ connection }) => connection);
  for (const lease of leases.reverse()) lease.release();
  return connections;
}

test("Pool lends what was idle for a second at most without a check: nothing extra on the wire", async () => {
  const { clock, driver, pool } = setup();
  const [connection] = await warm(pool, 1);
  await clock.advance(1_000);
  const lease = await pool.acquire();
  assertEquals(lease.connection, connection);
  lease.release();
  pool.tryAcquire()?.release();
  assertEquals([driver.counts.ping, driver.counts.connect], [0, 1]);
});

test("Pool checks what was idle for longer before it lends it (pain 6, D-14)", async () => {
  const { clock, driver, pool } = setup();
  await warm(pool, 1);
  await clock.advance(1_001);
  driver.hold("ping", 1);
  const waiting = watch(pool.acquire());
  assertCounts(pool, { total: 1, checking: 1, waiters: 1 });
  await clock.settle();
  assertEquals([waiting.state, driver.counts.ping], ["pending", 1]);
  must(driver.held()[0]).answer();
  await clock.settle();
  const lease = must(waiting.value);
  assertEquals([lease.connection.id, driver.counts.connect, clock.referenced], [1, 1, 0]);
  // It has just answered.
  lease.release();
  (await pool.acquire()).release();
  assertEquals(driver.counts.ping, 1);
});

for (
  const [checkAfterIdleMs, idleMs, pings] of [
    [0, 0, 1],
    [50, 50, 0],
    [50, 51, 1],
    [
      5_000,
      5_000,
      0,
    ],
    [5_000, 5_001, 1],
    [Infinity, 10 ** 9, 0],
  ] as const
) {
  test(`Pool with checkAfterIdleMs ${checkAfterIdleMs} pings ${pings} times after ${idleMs} ms`, async () => {
    const { clock, driver, pool } = setup({
      checkAfterIdleMs,
      idleTimeoutMs: Infinity,
      maxLifetimeMs: Infinity,
    });
    await warm(pool, 1);
    await clock.advance(idleMs);
    (await pool.acquire()).release();
    assertEquals([driver.counts.ping, driver.counts.connect], [pings, 1]);
  });
}

for (const how of ["refuses", "breaks", "does not answer"] as const) {
  test(`Pool replaces a connection whose check ${how}: it is never lent (D-28…D-30, Y-22)`, async () => {
    const { clock, driver, pool } = setup({ max: 1 });
    const [old] = await warm(pool, 1);
    await clock.advance(2_000);
    if (how === "refuses") driver.refuse("ping", 1);
    else driver.hold("ping", 1);
    const waiting = watch(pool.acquire());
    if (how === "breaks") driver.break(must(old));
    if (how === "does not answer") {
      await clock.advance(1_999);
      assertEquals([waiting.state, driver.open], ["pending", 1]);
      await clock.advance(1);
    } else await clock.settle();
    assertEquals([waiting.value?.connection.id, must(old).gone, driver.peak], [2, true, 1]);
    assertEquals(clock.referenced, 0);
  });
}

test("Pool gives a check the deadline checkTimeoutMs", async () => {
  const { clock, driver, pool } = setup({ max: 1, checkTimeoutMs: 70 });
  await warm(pool, 1);
  await clock.advance(2_000);
  driver.hold("ping", 1);
  const waiting = watch(pool.acquire());
  await clock.advance(69);
  assertEquals(waiting.state, "pending");
  await clock.advance(1);
  assertEquals(waiting.value?.connection.id, 2);
});

test("Pool.tryAcquire() lends only what needs no check, and starts none", async () => {
  const { clock, driver, pool } = setup();
  await warm(pool, 2);
  await clock.advance(1_001);
  assertEquals([pool.tryAcquire(), driver.counts.ping], [undefined, 0]);
  assertCounts(pool, { total: 2, idle: 2 });
});

test("Pool serves a waiter with whatever is free first while it checks", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  first.release();
  await clock.advance(2_000);
  driver.hold("ping", 1);
  const waiting = watch(pool.acquire());
  second.release();
  await clock.settle();
  assertEquals(waiting.value?.connection.id, 2);
  assertCounts(pool, { total: 2, checking: 1, used: 1 });
  must(driver.held()[0]).answer();
  await clock.settle();
  assertCounts(pool, { total: 2, idle: 1, used: 1 });
  assertEquals((await pool.acquire()).connection.id, 1);
});

test("Pool checks as many as there are waiters, and opens for the rest", async () => {
  const { clock, driver, pool } = setup({ max: 5 });
  await warm(pool, 3);
  await clock.advance(2_000);
  driver.hold("ping");
  const waiting = [1, 2].map(() => watch(pool.acquire()));
  assertCounts(pool, { total: 3, idle: 1, checking: 2, waiters: 2 });
  waiting.push(...[3, 4].map(() => watch(pool.acquire())));
  assertCounts(pool, { total: 4, checking: 3, connecting: 1, waiters: 4 });
  await clock.settle();
  for (const call of driver.held()) call.answer();
  await clock.settle();
  // In the order they came, of what was ready first.
  assertEquals(waiting.map(({ value }) => value?.connection.id), [4, 1, 2, 3]);
});

test("Pool checks what comes back in doubt although a connect is under way: that may take longer", async () => {
  const { clock, driver, pool } = setup({ max: 3 });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  driver.hold("connect", 1);
  const waiting = watch(pool.acquire());
  driver.break(second.connection);
  first.release();
  assertCounts(pool, { total: 2, connecting: 1, checking: 1, waiters: 1 });
  await clock.settle();
  assertEquals([waiting.value?.connection.id, driver.counts.ping], [1, 1]);
});

test("Pool.acquire({ timeoutMs: 0 }) waits for a check, which has a deadline of its own", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  await warm(pool, 1);
  await clock.advance(2_000);
  driver.hold("ping", 1);
  const never = watch(pool.acquire({ timeoutMs: 0 }));
  const second = watch(pool.acquire({ timeoutMs: 0 }));
  await clock.settle();
  assertInstanceOf(second.error, TooManyConnectionsError);
  assert(second.error.message.includes("1 checking"), second.error.message);
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals(never.value?.connection.id, 1);
});

test("Pool tells that an acquire timed out in a check", async () => {
  const { clock, driver, pool } = setup({ max: 1, acquireTimeoutMs: 500 });
  await warm(pool, 1);
  await clock.advance(2_000);
  driver.hold("ping", 1);
  const waiting = watch(pool.acquire());
  await clock.advance(500);
  assertInstanceOf(waiting.error, AcquireTimeoutError);
  assertEquals([waiting.error.phase, waiting.error.stats.checking], ["check", 1]);
  // The check is the pool's: its end finds an idle connection.
  must(driver.held()[0]).answer();
  await clock.settle();
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool whose waiter left during a check keeps the connection (X-06)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  await warm(pool, 1);
  await clock.advance(2_000);
  driver.hold("ping", 1);
  const abort = new AbortController();
  const waiting = watch(pool.acquire({ signal: abort.signal }));
  abort.abort("enough");
  await clock.settle();
  assertEquals(waiting.error, "enough");
  must(driver.held()[0]).answer();
  await clock.settle();
  assertCounts(pool, { total: 1, idle: 1 });
  assertEquals(clock.referenced, 0);
});

test("Pool.evict() and Pool.close() close what is being checked (X-04)", async () => {
  for (const end of ["evict", "close"] as const) {
    const { clock, driver, pool } = setup({ max: 1 });
    await warm(pool, 1);
    await clock.advance(2_000);
    driver.hold("ping", 1);
    const waiting = watch(pool.acquire());
    const ending = pool[end]();
    assertCounts(pool, { total: 1, closing: 1, waiters: end === "close" ? 0 : 1 });
    must(driver.held()[0]).answer();
    await clock.settle();
    await ending;
    assertEquals([waiting.value?.connection.id], [end === "close" ? undefined : 2]);
    assertEquals(driver.peak, 1);
  }
});

test("Pool takes a check that takes longer than connecting for lost: ten that are mute cost two checks", async () => {
  const { clock, driver, pool } = setup({ max: 10 });
  await warm(pool, 10);
  await clock.advance(2_000);
  driver.hold("ping");
  const waiting = watch(pool.acquire());
  await clock.advance(4_000);
  assertEquals([waiting.value?.connection.id, driver.counts.ping, driver.open], [11, 2, 1]);
});

test("Pool lends a younger connection that needs no check before an older one that does", async () => {
  const { clock, driver, pool } = setup({ max: 3 });
  const [old, broken] = await Promise.all([pool.acquire(), pool.acquire()]);
  const third = await pool.acquire();
  driver.break(broken.connection);
  third.destroy();
  const young = await pool.acquire();
  young.release();
  old.release();
  const lease = pool.tryAcquire();
  await clock.settle();
  assertEquals([lease?.connection.id, driver.counts.ping], [young.released ? 4 : 0, 0]);
});

test("Pool judges idleness by what the machine slept, too (pain 18, X-08)", async () => {
  const { clock, driver, pool } = setup({ checkAfterIdleMs: Infinity, idleTimeoutMs: Infinity });
  await warm(pool, 2);
  await clock.settle();
  // Only the wall clock went on: a laptop, a suspended virtual machine.
  clock.shiftWall(3_600_000 / 4);
  assertEquals(pool.tryAcquire(), undefined);
  (await pool.acquire()).release();
  assertEquals(driver.counts.ping, 1);
  (await pool.acquire()).release();
  assertEquals([driver.counts.ping, driver.counts.connect], [1, 2]);
});

test("Pool checks what it has when the process was stopped: both clocks went on, no timer fired", async () => {
  const { clock, driver, pool } = setup();
  await warm(pool, 1);
  await clock.settle();
  const [now, wallNow] = [clock.now.bind(clock), clock.wallNow.bind(clock)];
  clock.now = () => now() + 60_000;
  clock.wallNow = () => wallNow() + 60_000;
  assertEquals(pool.tryAcquire(), undefined);
  (await pool.acquire()).release();
  assertEquals(driver.counts.ping, 1);
});

test("Pool replaces what grew old while the machine slept: lifetimes go by wall time as well", async () => {
  const { clock, driver, pool } = setup();
  await warm(pool, 1);
  await clock.settle();
  clock.shiftWall(1_800_000);
  const lease = await pool.acquire();
  assertEquals([lease.connection.id, driver.counts.ping, driver.open], [2, 0, 1]);
});

test("Pool asks the next idle connection when the one that answered is too old by then", async () => {
  const { clock, driver, pool } = setup({ max: 2, maxLifetimeMs: 5_000 }, { random: () => 0 });
  const first = await pool.acquire();
  await clock.advance(3_000);
  const second = await pool.acquire();
  second.release();
  first.release();
  await clock.advance(1_500);
  driver.hold("ping", 1);
  driver.hold("close", 1);
  const waiting = watch(pool.acquire());
  await clock.settle();
  await clock.advance(1_000);
  must(driver.held("ping")[0]).answer();
  await clock.settle();
  // The close of the old one takes its time: nobody has to wait for it.
  assertCounts(pool, { total: 2, used: 1, closing: 1 });
  assertEquals([must(waiting.value).connection.id, driver.counts.ping], [2, 2]);
});
