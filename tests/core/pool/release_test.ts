import { assert, assertEquals, assertThrows } from "@std/assert";
import { LeaseReleasedError } from "../../../src/core/errors.ts";
import { Pool } from "../../../src/core/pool.ts";
import { FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

test("Lease.release() twice returns once: nobody gets a connection that is lent", async () => {
  const { pool } = setup({ max: 1 });
  const first = await pool.acquire();
  first.release();
  const second = await pool.acquire();
  first.release();
  first.destroy();
  assertCounts(pool, { total: 1, used: 1 });
  assertEquals(second.connection.gone, false);
});

test("Lease after release rejects any use; nothing goes on the wire (X-12)", async () => {
  const { driver, pool } = setup();
  const lease = await pool.acquire();
  lease.release();
  const events = driver.log.length;
  assertThrows(() => lease.connection.run("select 1"), LeaseReleasedError);
  assertEquals(driver.log.length, events);
});

test("Lease.release() of a clean connection lends it on at once, without cleaning (D-24, Y-10)", async () => {
  const { driver, pool } = setup();
  const lease = await pool.acquire();
  await lease.connection.run("select 1");
  lease.release();
  assertCounts(pool, { total: 1, idle: 1 });
  assertEquals([driver.counts.reset, driver.counts.ping], [0, 0]);
});

for (const state of ["in transaction", "failed"] as const) {
  test(`Lease.release() ${state} rolls back off the caller's path, then lends (A-19, Y-13)`, async () => {
    const { clock, driver, pool } = setup({ max: 1 });
    const lease = await pool.acquire();
    const { connection } = lease;
    await connection.run("begin");
    await connection.run("write a");
    if (state === "failed") await connection.run("fail").catch(() => {});
    assertEquals(driver.status(connection), state);
    const waiting = watch(pool.acquire());
    lease.release();
    assertCounts(pool, { total: 1, resetting: 1, waiters: 1 });
    await clock.settle();
    assertEquals(waiting.value?.connection, connection);
    assertEquals([driver.status(connection), driver.applied], ["idle", []]);
    assertEquals(driver.log.findLast(({ event }) => event === "reset")?.detail, "rollback");
    assertEquals(clock.referenced, 0);
  });
}

test("Lease.release() while a statement is in flight destroys (X-10)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const { connection } = lease;
  const statement = watch(connection.run("sleep"));
  const waiting = watch(pool.acquire());
  lease.release();
  assert(connection.gone);
  await clock.settle();
  assertEquals([statement.state, waiting.value?.connection.id], ["rejected", 2]);
  assertEquals([connection.counts.destroy, connection.counts.close], [1, 0]);
  assertEquals(driver.peak, 1);
});

test("Lease.release() to a driver that cannot tell the status destroys", async () => {
  const { driver, pool } = setup({ max: 1 }, {}, { knowsStatus: false });
  const lease = await pool.acquire();
  lease.release();
  assertEquals([driver.open, driver.counts.destroy], [0, 1]);
  assertCounts(pool, {});
});

test("Lease.release() whose rollback fails destroys, and the waiter gets a new one (D-52, A-20, Y-15)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  driver.refuse("reset", 1);
  const waiting = watch(pool.acquire());
  lease.release();
  await clock.settle();
  assertEquals([waiting.value?.connection.id, driver.peak], [2, 1]);
});

test("Lease.release() whose rollback does not help destroys", async () => {
  const clock = new VirtualClock();
  const driver = new class extends FakeDriver {
    override reset(): Promise<void> {
      return Promise.resolve();
    }
  }({ clock });
  const pool = new Pool(driver, { clock });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  lease.release();
  await clock.settle();
  assertEquals(driver.open, 0);
  assertCounts(pool, {});
});

test("Lease.release() whose rollback gets no answer destroys at a deadline", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  driver.hold("reset", 1);
  const waiting = watch(pool.acquire());
  lease.release();
  await clock.advance(1_999);
  assertEquals([waiting.state, driver.open], ["pending", 1]);
  await clock.advance(1);
  assertEquals([waiting.value?.connection.id, driver.open, driver.peak], [2, 1, 1]);
  assertEquals(clock.referenced, 0);
});

test("Lease.release() whose connection is lost while it is cleaned frees its place", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  driver.hold("reset", 1);
  const waiting = watch(pool.acquire());
  const { connection } = lease;
  lease.release();
  driver.break(connection);
  assertCounts(pool, { total: 1, connecting: 1, waiters: 1 });
  await clock.settle();
  assertEquals(waiting.value?.connection.id, 2);
});

test("Lease.destroy() closes at once and serves the waiter with a new connection", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const { connection } = lease;
  const waiting = watch(pool.acquire());
  lease.destroy();
  assert(connection.gone);
  await clock.settle();
  assertEquals([waiting.value?.connection.id, driver.peak], [2, 1]);
});

test("Pool frees the place of a lent connection that is lost; the lease stays dead (D-16, G-23)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const { connection, epoch } = lease;
  const waiting = watch(pool.acquire());
  driver.break(connection);
  assertEquals(lease.lost, true);
  await clock.settle();
  assertEquals([waiting.value?.connection.id, waiting.value?.epoch], [2, 2]);
  // Still the old one: a stale lease never reaches a newer session.
  assertEquals([lease.connection, lease.epoch], [connection, epoch]);
  lease.release();
  lease.destroy();
  assertCounts(pool, { total: 1, used: 1 });
});

test("Pool forgets an idle connection that is lost, in any place of the stack", async () => {
  for (const lost of [1, 2, 3]) {
    const { driver, pool } = setup();
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    for (const lease of leases) lease.release();
    driver.break(must(driver.connections[lost - 1]));
    assertCounts(pool, { total: 2, idle: 2 });
    const left = [await pool.acquire(), await pool.acquire()].map(({ connection }) =>
      connection.id
    );
    assertEquals(left, [3, 2, 1].filter((id) => id !== lost));
    assertEquals(driver.counts.connect, 3);
  }
});

test("Pool.evict() closes the idle now, the lent when they come back", async () => {
  const { clock, driver, pool } = setup();
  const [lent, idle] = await Promise.all([pool.acquire(), pool.acquire()]);
  idle.release();
  pool.evict();
  assertCounts(pool, { total: 2, used: 1, closing: 1 });
  await clock.settle();
  assertCounts(pool, { total: 1, used: 1 });
  assertEquals(await lent.connection.run("select 1"), "1");
  lent.release();
  assertCounts(pool, { total: 1, closing: 1 });
  await clock.settle();
  assertEquals([driver.open, driver.counts.close, driver.counts.destroy], [0, 2, 2]);
  const fresh = await pool.acquire();
  fresh.release();
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool.evict() counts what is closing against max", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  (await pool.acquire()).release();
  driver.hold("close", 1);
  pool.evict();
  const waiting = watch(pool.acquire());
  await clock.settle();
  assertEquals([waiting.state, driver.open], ["pending", 1]);
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals([waiting.value?.connection.id, driver.peak], [2, 1]);
});

test("Pool.evict() destroys what does not close within 5 s", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  (await pool.acquire()).release();
  driver.hold("close", 1);
  pool.evict();
  const waiting = watch(pool.acquire());
  await clock.advance(5_000);
  assertEquals([waiting.value?.connection.id, driver.open], [2, 1]);
});

test("Pool.evict() condemns what is being cleaned", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  driver.hold("reset", 1);
  lease.release();
  pool.evict();
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals(driver.open, 0);
  assertCounts(pool, {});
});

test("Pool.evict() starts connects under way anew: who waits does not wait for a condemned one", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  driver.hold("connect", 1);
  const waiting = watch(pool.acquire());
  pool.evict();
  assertCounts(pool, { total: 2, connecting: 1, closing: 1, waiters: 1 });
  await clock.settle();
  assertEquals(waiting.value?.connection.id, 1);
  assertEquals([driver.counts.connect, driver.open, driver.peak], [2, 1, 1]);
  assertCounts(pool, { total: 1, used: 1 });
  must(waiting.value).release();
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool.evict() counts a connection that has just arrived until it is gone, in any turn", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const { clock, driver, pool } = setup({ max: 1 });
    driver.hold("connect", 1);
    const waiting = watch(pool.acquire());
    must(driver.held()[0]).answer();
    await clock.settle(turns);
    const condemned = pool.stats().used === 1;
    pool.evict();
    await clock.settle();
    const lease = must(waiting.value);
    assertEquals([driver.peak, driver.open], [1, 1], `${turns} turns`);
    lease.release();
    await clock.settle();
    assertCounts(pool, condemned ? {} : { total: 1, idle: 1 });
  }
});

test("Pool lets the process end while nobody waits", async () => {
  const { clock, driver, pool } = setup({ max: 2, idleTimeoutMs: Infinity });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  assertEquals(clock.referenced, 0);
  const waiting = watch(pool.acquire());
  assertEquals(clock.referenced, 1);
  first.release();
  await clock.settle();
  assertEquals([waiting.state, clock.referenced], ["fulfilled", 0]);
  second.release();
  must(waiting.value).release();
  await clock.advance(60_000);
  // What is set for the end of their lives does not hold it.
  assertEquals([clock.pending, clock.referenced, driver.open], [1, 0, 2]);
});
