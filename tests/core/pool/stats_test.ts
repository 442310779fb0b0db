import { assertEquals } from "@std/assert";
import type { PoolCounters } from "../../../src/core/counters.ts";
import { must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

/** The counters that are not 0. */
function nonZero(counters: PoolCounters): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(counters)) {
    if (typeof value === "number" && value !== 0) all[name] = value;
    if (typeof value !== "object") continue;
    for (const [reason, count] of Object.entries(value)) {
      if (count !== 0) all[`${name}: ${reason}`] = count;
    }
  }
  return all;
}

test("Pool.stats() counts nothing at first, and never falls (A-30, W-10)", async () => {
  const { clock, driver, pool } = setup({ max: 2, maxWaiters: 1 });
  assertEquals(nonZero(pool.stats().counters), {});
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  await clock.advance(10);
  first.release();
  (await pool.acquire()).release();
  const third = await pool.acquire();
  const waiting = watch(pool.acquire({ timeoutMs: 50 }));
  watch(pool.acquire());
  watch(pool.acquire({ timeoutMs: 0 }));
  await clock.advance(50);
  assertEquals(waiting.state, "rejected");
  const abort = new AbortController();
  watch(pool.acquire({ signal: abort.signal }));
  abort.abort();
  const later = watch(pool.acquire());
  second.release();
  await clock.settle();
  driver.terminate(must(later.value).connection);
  third.destroy();
  await pool.close();
  watch(pool.acquire());
  assertEquals(nonZero(pool.stats().counters), {
    connects: 2,
    acquires: 5,
    waits: 3,
    releases: 5,
    timeouts: 1,
    gaveUp: 1,
    "refusals: queue full": 1,
    "refusals: no wait": 1,
    "refusals: closed": 1,
    losses: 1,
    doubts: 1,
    "closes: destroyed": 1,
  });
});

test("Pool.stats() counts failures, checks, cleanings and closes by reason", async () => {
  const { clock, driver, pool } = setup({ max: 1, maxUses: 3, reset: "session" });
  driver.refuse("connect", 1);
  const lease = watch(pool.acquire());
  await clock.advance(1_000);
  must(lease.value).release();
  await clock.advance(2_000);
  (await pool.acquire()).release();
  await clock.settle();
  (await pool.acquire()).release();
  await clock.settle();
  driver.hold("connect");
  watch(pool.acquire());
  await pool.close();
  assertEquals(nonZero(pool.stats().counters), {
    connects: 1,
    "connectFailures: connect": 1,
    "connectFailures: givenUp": 1,
    acquires: 3,
    waits: 2,
    releases: 3,
    "refusals: closed": 1,
    "closes: worn": 1,
    checks: 1,
    resets: 2,
    doubts: 1,
    outages: 1,
  });
});

test("Pool.stats() measures waits, uses and connects", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  driver.hold("connect");
  const first = watch(pool.acquire());
  await clock.advance(7);
  for (const call of driver.held()) call.answer();
  await clock.settle();
  const second = watch(pool.acquire());
  await clock.advance(100);
  must(first.value).release();
  await clock.settle();
  await clock.advance(50);
  must(second.value).release();
  for (let i = 0; i < 8; i++) (await pool.acquire()).release();
  const { waitMs, useMs, connectMs } = pool.stats();
  assertEquals([connectMs.count, connectMs.sum], [1, 7]);
  assertEquals([waitMs.count, waitMs.sum, waitMs.max, waitMs.p50], [10, 107, 100, 0]);
  assertEquals([useMs.count, useMs.sum, useMs.max, useMs.p50], [10, 150, 100, 0]);
  await pool.close();
});

test("Pool.stats() measures what was lent when it was lost, once", async () => {
  const { clock, driver, pool } = setup();
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  await clock.advance(30);
  driver.terminate(first.connection);
  await clock.settle();
  first.release();
  second.destroy();
  await clock.advance(30);
  assertEquals(pool.stats().useMs.sum, 60);
  await pool.close({ timeoutMs: 0 });
});

test("Pool.stats() suggests a size by what is used, and by what could not be", async () => {
  const { clock, pool } = setup({ max: 10, acquireTimeoutMs: 100 });
  assertEquals(pool.stats().suggestedMax, undefined);
  const leases = await Promise.all(Array.from({ length: 4 }, () => pool.acquire()));
  await clock.advance(10_000);
  assertEquals(pool.stats().suggestedMax, 8);
  for (const lease of leases) lease.release();
  await clock.advance(100_000);
  assertEquals(pool.stats().suggestedMax, 1);
  await pool.close();
});
