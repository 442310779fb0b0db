import { assertEquals } from "@std/assert";
import { FakeError } from "../../../src/testing/mod.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

test("Pool replaces a connection after maxUses leases: 100 need 10 opens (S-30)", async () => {
  const { clock, driver, pool } = setup({ max: 1, maxUses: 10 });
  for (let i = 0; i < 100; i++) {
    (await pool.acquire()).release();
    await clock.settle();
  }
  assertEquals([driver.counts.open, driver.open, driver.peak], [10, 0, 1]);
});

test("Pool closes a worn connection when it comes back: it does not stay open (S-31)", async () => {
  const { clock, driver, pool } = setup({ max: 1, maxUses: 1 });
  const lease = await pool.acquire();
  lease.release();
  assertCounts(pool, { total: 1, closing: 1 });
  await clock.settle();
  assertEquals([driver.open, driver.counts.close], [0, 1]);
});

test("Pool does not wear a connection out under its borrower, whatever it runs (S-32, S-35, D-39)", async () => {
  const { clock, driver, pool } = setup({ maxUses: 1, maxLifetimeMs: 1_000 });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  for (let i = 0; i < 60; i++) {
    await lease.connection.run("write a");
    await clock.advance(100);
  }
  await lease.connection.run("commit");
  assertEquals([driver.applied.length, driver.counts.open, lease.lost], [60, 1, false]);
});

test("Pool keeps worn connections while the server cannot be had, and replaces them afterwards (S-33)", async () => {
  const { clock, driver, pool } = setup({ max: 2, maxUses: 1 }, { random: () => 0.999 });
  const lease = await pool.acquire();
  driver.refuse("connect", 2, new FakeError("unavailable", "too many", "own"));
  const second = watch(pool.acquire());
  await clock.settle();
  lease.release();
  await clock.settle();
  assertEquals(second.value?.connection.id, 1);
  must(second.value).release();
  await clock.settle();
  // Better old than none; nobody waits, so nobody tries.
  assertCounts(pool, { total: 1, idle: 1 });
  const third = await pool.acquire();
  assertEquals(third.connection.id, 1);
  // The pause is over: the return of a worn one is the occasion to try.
  await clock.advance(100);
  third.release();
  await clock.advance(0);
  assertEquals(driver.counts.refuse, 2);
  assertCounts(pool, { total: 1, idle: 1 });
  await clock.advance(200);
  const fourth = await pool.acquire();
  fourth.release();
  await clock.settle();
  assertCounts(pool, { total: 2, idle: 2 });
  // There is another one now.
  const fifth = await pool.acquire();
  assertEquals(fifth.connection.id, 2);
  await clock.settle();
  (await pool.acquire()).release();
  await clock.settle();
  assertEquals(
    driver.log.some(({ event, connection }) => event === "close" && connection === 1),
    true,
  );
});

test("Pool counts uses by connection: a new one begins at nought (S-36)", async () => {
  const { driver, pool } = setup({ max: 1, maxUses: 3 });
  for (let i = 0; i < 2; i++) (await pool.acquire()).release();
  driver.break(must(driver.connections[0]));
  for (let i = 0; i < 2; i++) (await pool.acquire()).release();
  assertCounts(pool, { total: 1, idle: 1 });
  (await pool.acquire()).release();
  assertCounts(pool, { total: 1, closing: 1 });
});

test("Pool replaces a connection at the end of its life: when it comes back, or before it is lent", async () => {
  const { clock, driver, pool } = setup({ max: 1, maxLifetimeMs: 60_000 }, { random: () => 0 });
  const lease = await pool.acquire();
  await clock.advance(60_000);
  lease.release();
  assertCounts(pool, { total: 1, closing: 1 });
  await clock.settle();
  (await pool.acquire()).release();
  await clock.advance(59_999);
  (await pool.acquire()).release();
  await clock.advance(60_000);
  const third = watch(pool.acquire());
  await clock.settle();
  assertEquals([third.value?.connection.id, driver.peak], [3, 1]);
  // No check of what is not to be lent anyway.
  assertEquals(driver.counts.ping, 1);
});

test("Pool takes up to a tenth off a life, so that what was opened together is not replaced together", async () => {
  let chance = 0;
  const { clock, driver, pool } = setup({ max: 2, maxLifetimeMs: 60_000 }, {
    random: () => chance,
  });
  const first = await pool.acquire();
  chance = 0.999_999;
  const second = await pool.acquire();
  await clock.advance(54_001);
  first.release();
  second.release();
  assertCounts(pool, { total: 2, idle: 1, closing: 1 });
  await clock.settle();
  assertEquals(driver.connections.map(({ id }) => id), [1]);
});

test("Pool with a life of 30 days keeps a connection that long (X-08)", async () => {
  const day = 86_400_000;
  const { clock, driver, pool } = setup({ maxLifetimeMs: 30 * day, idleTimeoutMs: Infinity }, {
    random: () => 0,
  });
  (await pool.acquire()).release();
  for (let days = 0; days < 29; days++) {
    await clock.advance(day);
    (await pool.acquire()).release();
  }
  assertEquals(driver.counts.connect, 1);
  await clock.advance(day);
  (await pool.acquire()).release();
  assertEquals([driver.counts.connect, clock.referenced], [2, 0]);
});

test("Pool replaces a connection that is shared without end: it takes no more statements (H-29)", async () => {
  const { clock, driver, pool } = setup({ max: 2, maxUses: 2_000 }, {}, { sharing: "multiplex" });
  const releases: (() => void)[] = [];
  const share = () => pool.share((lease) => releases.push(() => lease.release()), () => {});
  share();
  for (let i = 0; i < 10_000; i++) {
    share();
    await clock.settle();
    releases.shift()?.();
  }
  while (releases.length > 0) releases.shift()?.();
  assertEquals(driver.counts.open >= 5, true, `${driver.counts.open} opened`);
  assertEquals(driver.peak <= 2, true);
});
