import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { AcquireTimeoutError, ConnectError, PoolClosedError } from "../../../src/core/errors.ts";
import { FakeError } from "../../../src/testing/mod.ts";
import { assertCounts, countedSignal, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

test("Pool.ready() opens one connection, or as many as minIdle says (Q-02, D-05)", async () => {
  for (const [minIdle, opens] of [[0, 1], [3, 3]] as const) {
    const { clock, driver, pool } = setup({ max: 5, minIdle });
    await pool.ready();
    assertCounts(pool, { total: opens, idle: opens });
    await pool.ready();
    assertEquals([driver.counts.connect, clock.referenced], [opens, 0]);
  }
});

test("Pool.ready() is resolved when as many are open, lent or not", async () => {
  const { clock, driver, pool } = setup({ max: 3, minIdle: 3 });
  driver.hold("connect");
  const leases = [watch(pool.acquire()), watch(pool.acquire())];
  const ready = watch(pool.ready());
  for (const turn of [1, 2, 3]) {
    must(driver.held("connect")[0]).answer();
    await clock.settle();
    assertEquals(ready.state, turn < 3 ? "pending" : "fulfilled");
  }
  assertEquals(leases.map(({ state }) => state), ["fulfilled", "fulfilled"]);
  assertCounts(pool, { total: 3, used: 2, idle: 1 });
});

test("Pool.ready() of a pool that keeps nothing idle is resolved by one connect", async () => {
  const { clock, driver, pool } = setup({ max: 2, maxIdle: 0 });
  const ready = watch(pool.ready());
  await clock.settle();
  assertEquals([ready.state, driver.counts.connect], ["fulfilled", 1]);
  assertCounts(pool, {});
});

test("Pool.ready() rejects at its deadline with what it waited for, and by its signal", async () => {
  const { clock, driver, pool } = setup();
  driver.hold("connect");
  const late = watch(pool.ready({ timeoutMs: 500 }));
  const { abort, ...counted } = countedSignal();
  const aborted = watch(pool.ready({ signal: abort.signal }));
  await clock.advance(499);
  assertEquals([late.state, clock.referenced > 0], ["pending", true]);
  await clock.advance(1);
  assertInstanceOf(late.error, AcquireTimeoutError);
  assertEquals([late.error.phase, late.error.timeoutMs], ["connect", 500]);
  const reason = { any: "thing" };
  abort.abort(reason);
  await clock.settle();
  assertStrictEquals(aborted.error, reason);
  assertEquals(counted.listeners, 0);
  const before = watch(pool.ready({ signal: AbortSignal.abort(reason) }));
  await clock.settle();
  assertStrictEquals(before.error, reason);
});

test("Pool.ready() waits for a server that is down, within its deadline", async () => {
  const { clock, driver, pool } = setup({ minIdle: 2 });
  driver.refuse("connect", 5);
  const ready = watch(pool.ready());
  await clock.settle();
  assertEquals([ready.state, clock.referenced > 0], ["pending", true]);
  await clock.advance(9_000);
  assertEquals(ready.state, "fulfilled");
  assertCounts(pool, { total: 2, idle: 2 });
});

test("Pool.ready() holds the process no longer than somebody waits for it", async () => {
  const { clock, driver, pool } = setup();
  driver.refuse("connect");
  const late = watch(pool.ready({ timeoutMs: 50 }));
  await clock.advance(51);
  assertEquals([late.state, clock.referenced], ["rejected", 0]);
});

test("Pool.ready() rejects as an acquire would: refused for good, down and not to be waited for, closed", async () => {
  const rejected = setup();
  rejected.driver.rejectCredentials();
  const first = watch(rejected.pool.ready());
  await rejected.clock.settle();
  assertInstanceOf(first.error, ConnectError);
  assertEquals([first.error.retryable, first.error.phase], [false, "connect"]);

  for (const options of [{ unavailable: "fail-fast" }, { acquireTimeoutMs: 0 }] as const) {
    const down = setup(options);
    down.driver.refuse("connect", 1, new FakeError("unavailable", "down"));
    const second = watch(down.pool.ready());
    await down.clock.settle();
    assertInstanceOf(second.error, ConnectError);
    assertEquals(second.error.retryable, true);
  }

  const hopeless = setup({ unavailable: "fail-fast" }, { random: () => 0.999 });
  hopeless.driver.refuse("connect", 1);
  await Promise.allSettled([hopeless.pool.acquire()]);
  const third = watch(hopeless.pool.ready());
  await hopeless.clock.settle();
  assertInstanceOf(third.error, ConnectError);

  const closed = setup();
  closed.driver.hold("connect");
  const fourth = watch(closed.pool.ready({ timeoutMs: Infinity }));
  await closed.clock.settle();
  void closed.pool.close();
  const fifth = watch(closed.pool.ready());
  await closed.clock.settle();
  assertInstanceOf(fourth.error, PoolClosedError);
  assertInstanceOf(fifth.error, PoolClosedError);
});

test("Pool.ready() refuses bad options", async () => {
  const { clock, pool } = setup();
  const bad = watch(pool.ready({ timeoutMs: -1 }));
  await clock.settle();
  assertInstanceOf(bad.error, RangeError);
});

test("Pool.ready() closes what is worn for what is new, where no more may be kept: after an outage it connects no more than that", async () => {
  const { clock, driver, pool } = setup({ max: 3, minIdle: 2, maxIdle: 2, maxUses: 1 });
  await pool.ready();
  driver.refuse("connect");
  const leases = [await pool.acquire(), await pool.acquire()];
  const refused = watch(pool.acquire({ timeoutMs: 50 }));
  await clock.advance(50);
  assertEquals(refused.state, "rejected");
  // In an outage an old connection is better than none.
  for (const lease of leases) lease.release();
  await clock.settle();
  assertCounts(pool, { total: 2, idle: 2 });
  driver.restore();
  const before = driver.counts.connect;
  const ready = watch(pool.ready());
  await clock.advance(60_000);
  assertEquals(ready.state, "fulfilled");
  assertEquals(driver.counts.connect - before, 2);
  assertCounts(pool, { total: 2, idle: 2 });
  await pool.close();
});
