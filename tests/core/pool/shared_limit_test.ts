import { assertEquals } from "@std/assert";
import type { PoolOptions } from "../../../src/core/options.ts";
import type { SharedLease } from "../../../src/core/shared_lease.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, must, type Setup, setup, watch } from "../setup.ts";

/** Longer than a connection may be quiet and take one more unasked. */
const QUIET_MS = 1_500;

function sharing(options: Omit<PoolOptions, "clock"> = {}): Setup {
  return setup({ max: 3, maxShared: 1, ...options }, {}, { sharing: "multiplex" });
}

/** Takes shares at a time, and tells which connections they are of. */
async function burst({ pool }: Setup, count = 6): Promise<number[]> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquireShared()));
  const ids = new Set(leases.map(({ connection }) => connection.id));
  for (const lease of leases) lease.release();
  return [...ids];
}

test("A shared connection that another was shared in place of takes no more leases beside that one (H-16, H-18)", async () => {
  const bench = sharing();
  const { pool } = bench;
  const first = await pool.acquireShared();
  await first.connection.run("begin");
  const second = await pool.acquireShared();
  assertEquals(second.connection.id, 2);
  await first.connection.run("rollback");
  assertEquals(await burst(bench), [2]);
  assertCounts(pool, { total: 2, used: 2, shared: 2, sharedLeases: 2 });
  // It does again when it is the only one that can.
  await second.connection.run("begin");
  assertEquals(await burst(bench), [1]);
  await second.connection.run("rollback");
  assertEquals(await burst(bench), [2]);
  second.release();
  assertEquals(await burst(bench), [1]);
  first.release();
  assertCounts(pool, { total: 2, idle: 2 });
});

for (const answers of [true, false]) {
  const what = answers ? "is shared when it has answered" : "goes when there is no answer";

  test(`While the shared connection is asked no other is shared: what comes back is kept, and ${what}`, async () => {
    const { clock, driver, pool } = sharing({ max: 2 });
    const [common, alone] = [await pool.acquireShared(), await pool.acquire()];
    await clock.advance(QUIET_MS);
    driver.hold("ping", 1);
    const next = [watch(pool.acquireShared()), watch(pool.acquireShared())];
    alone.release();
    await clock.settle();
    assertEquals(next.map(({ state }) => state), ["pending", "pending"]);
    assertCounts(pool, { total: 2, used: 1, idle: 1, waiters: 2, shared: 1, sharedLeases: 1 });
    const call = must(driver.held("ping")[0]);
    if (answers) call.answer();
    else call.refuse();
    await clock.settle();
    const id = answers ? 1 : 2;
    assertEquals(next.map(({ value }) => value?.connection.id), [id, id]);
    common.release();
    for (const { value } of next) value?.release();
  });
}

test("Who wants a connection alone passes those who wait for the answer of the shared one, and takes nothing from them", async () => {
  for (const way of ["idle", "given back", "opened"]) {
    const { clock, driver, pool } = sharing({ max: 2 });
    const common = await pool.acquireShared();
    const alone = way === "opened" ? undefined : await pool.acquire();
    await clock.advance(QUIET_MS);
    driver.hold("ping", 1);
    const next = watch(pool.acquireShared());
    if (way === "idle") alone?.release();
    await clock.settle();
    const other = watch(pool.acquire());
    const third = watch(pool.acquire());
    if (way === "given back") alone?.release();
    await clock.settle();
    assertEquals([next.state, other.value?.connection.id, third.state], [
      "pending",
      2,
      "pending",
    ], way);
    driver.held("ping")[0]?.answer();
    await clock.settle();
    assertEquals([next.value?.connection.id, third.state], [1, "pending"], way);
    must(other.value).release();
    await clock.settle();
    assertEquals(third.state, "fulfilled");
    for (const lease of [common, must(next.value), must(third.value)]) lease.release();
    assertCounts(pool, { total: 2, idle: 2 });
  }
});

test("Who waits for the answer of the shared connection counts for none, be it of high priority", async () => {
  const { clock, driver, pool } = sharing({ max: 4, reserved: 1 });
  const common: SharedLease<FakeConnection> = await pool.acquireShared();
  const alone = [await pool.acquire(), await pool.acquire()];
  await clock.advance(QUIET_MS);
  driver.hold("ping", 1);
  const next = watch(pool.acquireShared({ priority: "high" }));
  const late = watch(pool.acquire());
  await clock.settle();
  // The fourth is reserved, and the one of high priority has no use for it.
  assertEquals([next.state, late.state, driver.counts.connect], ["pending", "pending", 3]);
  driver.held("ping")[0]?.answer();
  await clock.settle();
  assertEquals([next.value?.connection.id, late.state], [1, "pending"]);
  for (const lease of [common, must(next.value), ...alone]) lease.release();
  await clock.settle();
  assertEquals(late.state, "fulfilled");
});
