import { assertEquals, assertInstanceOf } from "@std/assert";
import { TooManyConnectionsError } from "../../../src/core/errors.ts";
import type { PoolOptions } from "../../../src/core/options.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, must, type Setup, setup, watch } from "../setup.ts";

/** Longer than a connection may be quiet and take one more unasked. */
const QUIET_MS = 1_500;

function sharing(options: Omit<PoolOptions, "clock"> = {}): Setup {
  return setup({ max: 1, maxShared: 1, ...options }, {}, { sharing: "multiplex" });
}

test("Who must not queue is refused when the shared connection that was asked gives no sign of life", async () => {
  const { clock, driver, pool } = sharing({ checkTimeoutMs: 200 });
  const common = await pool.acquireShared();
  await clock.advance(QUIET_MS);
  driver.hold("ping", 1);
  const never = [0, 0].map((timeoutMs) => watch(pool.acquireShared({ timeoutMs })));
  const patient = watch(pool.acquireShared());
  await clock.advance(199);
  assertEquals(never.map(({ state }) => state), ["pending", "pending"]);
  await clock.advance(1);
  for (const { error } of never) assertInstanceOf(error, TooManyConnectionsError);
  assertEquals(patient.state, "pending");
  driver.held("ping")[0]?.answer();
  common.release();
  await clock.settle();
  assertEquals(patient.value?.connection.id, 2);
});

test("Who must not queue is refused when somebody waits before who wants a connection alone", async () => {
  const { clock, driver, pool } = sharing({ max: 2 });
  const leases = [await pool.acquireShared(), await pool.acquire()];
  const alone = watch(pool.acquire());
  const never = watch(pool.acquireShared({ timeoutMs: 0 }));
  await clock.settle();
  assertInstanceOf(never.error, TooManyConnectionsError);
  leases[1]?.release();
  await clock.settle();
  must(alone.value).release();
  // Unless something comes for that one.
  pool.evict(({ epoch }) => epoch === 2);
  await clock.settle();
  driver.hold("connect", 1);
  const next = [watch(pool.acquire()), watch(pool.acquireShared({ timeoutMs: 0 }))];
  await clock.settle();
  driver.held("connect")[0]?.answer();
  await clock.settle();
  assertEquals(next.map(({ value }) => value?.connection.id), [3, 1]);
  for (const lease of [must(leases[0]), ...next.map(({ value }) => must(value))]) lease.release();
});

test("Who must not queue is refused when the shared connection that was asked is gone, and there is room for none", async () => {
  const { clock, driver, pool } = sharing({ max: 3 });
  const leases = [await pool.acquireShared(), await pool.acquire(), await pool.acquire()];
  await clock.advance(QUIET_MS);
  driver.hold("ping", 1);
  const never = watch(pool.acquireShared({ timeoutMs: 0 }));
  await clock.settle();
  pool.resize(2);
  leases[0]?.release();
  await clock.settle();
  assertInstanceOf(never.error, TooManyConnectionsError);
  for (const lease of leases) lease.release();
});

test("Who must not queue is refused when those before have worn out what came", async () => {
  const { clock, pool } = sharing({ maxUses: 2 });
  const shares = [0, 0, 0].map((timeoutMs) => watch(pool.acquireShared({ timeoutMs })));
  await clock.settle();
  assertEquals(shares.map(({ state }) => state), ["fulfilled", "fulfilled", "rejected"]);
  assertInstanceOf(shares[2]?.error, TooManyConnectionsError);
  for (const { value } of shares) value?.release();
});

test("Who must not queue is not refused while another shared connection is asked, or one comes", async () => {
  for (const max of [2, 3]) {
    const { clock, driver, pool } = sharing({ max, maxShared: 2 });
    const common = [await pool.acquireShared(), await pool.acquireShared()];
    await clock.advance(QUIET_MS);
    driver.hold("ping", 2);
    const never = watch(pool.acquireShared({ timeoutMs: 0 }));
    await clock.settle();
    const calls = driver.held("ping");
    calls[0]?.refuse();
    await clock.settle();
    assertEquals(never.state, max === 2 ? "pending" : "fulfilled");
    calls[1]?.answer();
    await clock.settle();
    assertEquals(never.value?.connection.id, max);
    for (const lease of [...common, must(never.value)]) lease.release();
  }
});

for (const state of ["idle", "in a transaction"]) {
  test(`A shared connection that its last holder leaves ${state} while it is asked is kept for who waits`, async () => {
    const { clock, driver, pool } = sharing();
    const common = await pool.acquireShared();
    await clock.advance(QUIET_MS);
    driver.hold("ping", 1);
    const next = watch(pool.acquireShared());
    if (state !== "idle") void common.connection.run("begin");
    common.release();
    await clock.settle();
    assertCounts(pool, { total: 1, checking: 1, waiters: 1 });
    driver.held("ping")[0]?.answer();
    await clock.settle();
    assertEquals([next.value?.connection.id, driver.counts.connect], [1, 1]);
    assertEquals(driver.counts.reset, state === "idle" ? 0 : 1);
    must(next.value).release();
    assertCounts(pool, { total: 1, idle: 1 });
    assertEquals(pool.stats().useMs.count, 0);
  });
}

test("A shared connection that its last holder leaves while it is asked goes when there is no answer, and is no longer there when it is lost or evicted", async () => {
  for (const way of ["no answer", "lost", "evicted", "closed"]) {
    const { clock, driver, pool } = sharing({ checkTimeoutMs: 200 });
    const common = await pool.acquireShared();
    await clock.advance(QUIET_MS);
    driver.hold("ping", 1);
    const next = watch(pool.acquireShared());
    await clock.settle();
    common.release();
    if (way === "lost") driver.break(must(driver.connections[0]));
    if (way === "evicted") pool.evict();
    if (way === "closed") void pool.close();
    await clock.advance(way === "no answer" ? 200 : 0);
    driver.held("ping")[0]?.answer();
    await clock.advance(3_000);
    assertEquals(
      [next.value?.connection.id, driver.open],
      way === "closed" ? [undefined, 0] : [2, 1],
    );
    next.value?.release();
  }
});

test("A shared connection that its last holder leaves in a statement, and that nobody asks, is closed", async () => {
  const { clock, driver, pool } = sharing();
  const common = await pool.acquireShared();
  common.connection.run("sleep").catch(() => {});
  common.release();
  await clock.settle();
  assertEquals([driver.counts.destroy, pool.stats().counters.closes.dirty], [1, 1]);
});

test("Those who want a connection alone are served in a loop while those before wait for the shared one's answer", async () => {
  const { clock, driver, pool } = sharing({ max: 2 });
  const [common, alone] = [await pool.acquireShared(), await pool.acquire()];
  await clock.advance(QUIET_MS);
  driver.hold("ping", 1);
  const next = watch(pool.acquireShared());
  await clock.settle();
  let served = 0;
  // Each in the stack frame of the one before would be too many.
  for (let count = 0; count < 20_000; count++) {
    pool.lend((lease) => {
      served++;
      lease.release();
    }, () => {});
  }
  alone.release();
  assertEquals([served, next.state], [20_000, "pending"]);
  driver.held("ping")[0]?.answer();
  await clock.settle();
  for (const lease of [common, must(next.value)]) lease.release();
});
