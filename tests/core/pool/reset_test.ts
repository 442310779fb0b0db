import { assertEquals } from "@std/assert";
import type { ResetLevel } from "../../../src/core/driver.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

const LEVELS: readonly ResetLevel[] = ["none", "rollback", "session", "discard"];

for (const reset of LEVELS) {
  const thorough = reset === "session" || reset === "discard";

  test(`Pool with reset "${reset}" ${thorough ? "cleans" : "keeps"} the session at a return (pain 5)`, async () => {
    const { clock, driver, pool } = setup({ max: 1, reset });
    const lease = await pool.acquire();
    await lease.connection.run("set k v");
    const waiting = watch(pool.acquire());
    lease.release();
    // Off the caller's path.
    assertCounts(pool, thorough ? { total: 1, resetting: 1, waiters: 1 } : { total: 1, used: 1 });
    await clock.settle();
    const next = must(waiting.value);
    assertEquals(await next.connection.run("show k"), thorough ? "" : "v");
    assertEquals([next.connection.id, driver.counts.reset], [1, thorough ? 1 : 0]);
  });

  test(`Pool with reset "${reset}" lends no connection in the middle of a transaction (X-04, A-37)`, async () => {
    for (const refuse of [false, true]) {
      const { clock, driver, pool } = setup({ max: 1, reset });
      const lease = await pool.acquire();
      await lease.connection.run("begin");
      await lease.connection.run("write a");
      if (refuse) driver.refuse("reset", 1);
      const waiting = watch(pool.acquire());
      lease.release();
      await clock.settle();
      const { connection } = must(waiting.value);
      assertEquals([connection.id, driver.status(connection)], [refuse ? 2 : 1, "idle"]);
      assertEquals([driver.applied, driver.peak], [[], 1]);
      const level = driver.log.findLast(({ event }) => event === "reset")?.detail;
      assertEquals(level, thorough ? reset : "rollback");
    }
  });
}

test("Pool destroys a connection that cannot be cleaned, or not in time (pain 7, D-29)", async () => {
  for (const fault of ["refuse", "hold"] as const) {
    const { clock, driver, pool } = setup({ max: 1, reset: "session" });
    const lease = await pool.acquire();
    const { connection } = lease;
    driver[fault]("reset", 1);
    lease.release();
    await clock.advance(2_000);
    assertEquals([connection.gone, driver.open, clock.referenced], [true, 0, 0]);
    assertCounts(pool, {});
  }
});

test("Pool sets the session up again after a cleaning that undid it (G-06)", async () => {
  for (const reset of ["session", "discard"] as const) {
    const { clock, driver, pool } = setup({ max: 1, reset, session: ["set k v"] });
    const lease = await pool.acquire();
    await lease.connection.run("set k w");
    lease.release();
    await clock.settle();
    const next = await pool.acquire();
    assertEquals(await next.connection.run("show k"), "v");
    assertEquals([next.connection.id, driver.counts.execute], [1, 2]);
  }
});

test("Pool does not set the session up again after a mere rollback", async () => {
  const { clock, driver, pool } = setup({ max: 1, session: ["set k v"] });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  lease.release();
  await clock.settle();
  assertEquals([driver.counts.reset, driver.counts.execute], [1, 1]);
});

test("Pool destroys a connection whose session cannot be set up again, or breaks in it", async () => {
  for (const how of ["refuse", "hold", "break"] as const) {
    const { clock, driver, pool } = setup({
      max: 1,
      reset: "session",
      session: ["set k v"],
      connectTimeoutMs: 500,
    });
    const lease = await pool.acquire();
    const { connection } = lease;
    driver[how === "refuse" ? "refuse" : "hold"]("execute", 1);
    lease.release();
    await clock.settle();
    if (how === "break") driver.break(connection);
    if (how === "hold") await clock.advance(500);
    await clock.settle();
    assertCounts(pool, {});
    assertEquals([connection.gone, driver.open, clock.referenced], [true, 0, 0]);
    assertEquals(await (await pool.acquire()).connection.run("show k"), "v");
  }
});

test("Pool does not clean after single statements that share a connection: they leave nothing", async () => {
  const { clock, driver, pool } = setup({ max: 1, reset: "session" }, {}, { sharing: "multiplex" });
  const leases: (() => void)[] = [];
  for (let i = 0; i < 2; i++) {
    pool.share((lease) => leases.push(() => lease.release()), () => {});
    await clock.settle();
    leases.pop()?.();
  }
  assertCounts(pool, { total: 1, idle: 1 });
  assertEquals(driver.counts.reset, 0);
  // The exclusive one after them is.
  (await pool.acquire()).release();
  await clock.settle();
  assertEquals(driver.counts.reset, 1);
});

test("Pool closes a connection that is condemned while it is cleaned, and destroys what close() waits for too long", async () => {
  const { clock, driver, pool } = setup({ max: 2, reset: "discard" });
  const lease = await pool.acquire();
  driver.hold("reset", 1);
  lease.release();
  pool.condemn();
  assertCounts(pool, { total: 1, resetting: 1 });
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals(driver.open, 0);
});

test("Pool draws conclusions from a cleaning that breaks", async () => {
  const { driver, pool } = setup({ max: 2, reset: "session" });
  const [first, second] = [await pool.acquire(), await pool.acquire()];
  driver.hold("reset", 1);
  const { connection } = first;
  first.release();
  driver.break(connection);
  second.release();
  await Promise.resolve();
  (await pool.acquire()).release();
  // It has been cleaned since: that is a sign of life.
  assertEquals(driver.counts.ping, 0);
});
