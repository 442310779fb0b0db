import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { AcquireTimeoutError, ConnectError } from "../../../src/core/errors.ts";
import { FakeError } from "../../../src/testing/mod.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

/** Pauses as long as they can be, nearly. */
const LONGEST = { random: () => 0.999_999 };

const stopping = () => new FakeError("lost", "terminated by an administrator", "single");
const refused = () => new FakeError("unavailable", "refused", "generation");

for (const max of [10, 100]) {
  test(`Pool of ${max} recovers from a restart with one failed discovery and ${max} connects at most`, async () => {
    const { clock, driver, pool } = setup({ max, acquireTimeoutMs: 60_000 }, LONGEST);
    const leases = await Promise.all(Array.from({ length: max }, () => pool.acquire()));
    const waiting = Array.from({ length: 3 * max }, () => watch(pool.acquire()));
    driver.refuse("connect", Infinity, refused());
    const before = driver.counts.connect;
    // All backends end, one after the other.
    for (const { connection } of leases) driver.break(connection, stopping());
    for (const lease of leases) lease.release();
    await clock.settle();
    // One that was begun at the first loss, and given up at the second.
    assertEquals(driver.counts.refuse, 1);
    await clock.advance(1_500);
    // 100, 300, 700, 1,500 ms: probes follow the backoff.
    assertEquals(driver.counts.refuse, 5);
    assert(driver.counts.connect - before <= 6);
    driver.restore("connect");
    const opened = driver.counts.open;
    await clock.advance(1_600);
    for (let served = 0; served < waiting.length; served++) {
      const lease = must(waiting[served]?.value);
      lease.release();
      await clock.settle();
    }
    assertEquals(driver.counts.open - opened <= max, true);
    assertEquals(driver.peak, max);
  });
}

test("Pool lets waiters through gradually after an outage: one connect more for each that succeeds", async () => {
  const { clock, driver, pool } = setup({ max: 20 }, LONGEST);
  driver.refuse("connect", 1);
  const first = watch(pool.acquire());
  await clock.advance(100);
  must(first.value);
  driver.delay("connect", 10);
  const waiting = Array.from({ length: 19 }, () => watch(pool.acquire()));
  const connecting: number[] = [];
  for (let round = 0; round < 5; round++) {
    connecting.push(pool.stats().connecting);
    await clock.advance(10);
  }
  assertEquals(connecting, [2, 4, 8, 5, 0]);
  assertEquals(waiting.every(({ state }) => state === "fulfilled"), true);
});

test("Pool opens one connection first after its generation was condemned", async () => {
  const { clock, driver, pool } = setup({ max: 5 }, LONGEST);
  const leases = await Promise.all([1, 2, 3, 4, 5].map(() => pool.acquire()));
  const waiting = [1, 2, 3, 4, 5].map(() => watch(pool.acquire()));
  driver.delay("connect", 10);
  driver.break(must(leases[0]).connection, refused());
  for (const lease of leases) lease.destroy();
  await clock.settle();
  assertEquals(pool.stats().connecting, 1);
  await clock.advance(30);
  assertEquals(waiting.every(({ state }) => state === "fulfilled"), true);
});

// unavailable: "fail-fast"

test('Pool with unavailable "fail-fast" rejects at once while the server cannot be had', async () => {
  const { clock, driver, pool } = setup({ unavailable: "fail-fast" }, LONGEST);
  const cause = refused();
  driver.refuse("connect", Infinity, cause);
  const first = watch(pool.acquire());
  await clock.settle();
  const second = watch(pool.acquire());
  await clock.settle();
  for (const { error } of [first, second]) {
    assertInstanceOf(error, ConnectError);
    assertEquals([error.retryable, error.outcome], [true, "not-applied"]);
    assertStrictEquals(error.cause, cause);
  }
  // No prober goes on without anybody.
  await clock.advance(60_000);
  assertEquals([driver.counts.connect, clock.pending], [1, 0]);
});

test('Pool with unavailable "fail-fast" tries again only for who comes after the pause', async () => {
  const { clock, driver, pool } = setup({ unavailable: "fail-fast" }, LONGEST);
  driver.refuse("connect", 1, refused());
  watch(pool.acquire());
  await clock.advance(99);
  watch(pool.acquire());
  await clock.advance(60_000);
  assertEquals(driver.counts.connect, 1);
  driver.hold("connect", 1);
  const trial = watch(pool.acquire());
  const other = watch(pool.acquire());
  await clock.settle();
  // The one waits for the attempt that it started; nobody else does.
  assertEquals([trial.state, other.state, driver.counts.connect], ["pending", "rejected", 2]);
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals(trial.state, "fulfilled");
  assertEquals((await pool.acquire()).connection.id, 2);
});

test('Pool with unavailable "fail-fast" lets wait while a connection is left that may come back', async () => {
  const { clock, driver, pool } = setup({ unavailable: "fail-fast", max: 3 }, LONGEST);
  const lease = await pool.acquire();
  driver.refuse("connect", Infinity, new FakeError("unavailable", "too many", "own"));
  const waiting = [watch(pool.acquire()), watch(pool.acquire())];
  await clock.advance(50);
  assertEquals(waiting.map(({ state }) => state), ["pending", "pending"]);
  lease.release();
  await clock.settle();
  assertEquals(waiting.map(({ state }) => state), ["fulfilled", "pending"]);
  // The last one is gone.
  must(waiting[0]?.value).destroy();
  await clock.settle();
  assertInstanceOf(waiting[1]?.error, ConnectError);
  assertEquals(clock.referenced, 0);
});

test('Pool with unavailable "fail-fast" rejects those who wait when its generation is lost and the server is down', async () => {
  const { clock, driver, pool } = setup({ unavailable: "fail-fast", max: 2 }, LONGEST);
  const leases = [await pool.acquire(), await pool.acquire()];
  const waiting = [watch(pool.acquire()), watch(pool.acquire()), watch(pool.acquire())];
  driver.refuse("connect", Infinity, refused());
  for (const { connection } of leases) driver.break(connection, stopping());
  await clock.settle();
  assertEquals(waiting.map(({ state }) => state), ["rejected", "rejected", "rejected"]);
  assertCounts(pool, {});
});

test('Pool with unavailable "fail-fast" opens and lends as ever while all is well', async () => {
  const { clock, pool } = setup({ unavailable: "fail-fast", max: 1 });
  const lease = await pool.acquire();
  const waiting = watch(pool.acquire());
  await clock.settle();
  assertEquals(waiting.state, "pending");
  lease.release();
  await clock.settle();
  assertEquals(waiting.state, "fulfilled");
});

// session

test("Pool sets each connection up before it lends it (A-38)", async () => {
  const { pool } = setup({ max: 2, session: ["set k v"] });
  const leases = [await pool.acquire(), await pool.acquire()];
  const seen = await Promise.all(leases.map(({ connection }) => connection.run("show k")));
  assertEquals(seen, ["v", "v"]);
});

test("Pool whose session statement is refused tells all who wait, and does not try again by itself", async () => {
  const { clock, driver, pool } = setup({ max: 3, session: ["fail no such setting"] });
  const waiting = [1, 2, 3, 4].map(() => watch(pool.acquire()));
  await clock.settle();
  for (const { error } of waiting) {
    assertInstanceOf(error, ConnectError);
    assertEquals([error.phase, error.retryable], ["session", false]);
    assertInstanceOf(error.cause, FakeError);
    assertEquals(error.cause.message, "no such setting");
    assert(error.message.startsWith("Cannot set the session up: no such setting ("), error.message);
  }
  await clock.advance(60_000);
  assertEquals([driver.counts.connect <= 3, driver.open, clock.pending], [true, 0, 0]);
  assertCounts(pool, {});
});

test("Pool whose session cannot be set up for now tries again with pauses", async () => {
  const { clock, driver, pool } = setup({ session: "set k v" }, LONGEST);
  driver.refuse("execute", 2, new FakeError("unavailable", "not now"));
  const waiting = watch(pool.acquire());
  await clock.advance(299);
  assertEquals([waiting.state, driver.counts.connect], ["pending", 2]);
  await clock.advance(1);
  assertEquals([waiting.state, driver.counts.connect, driver.open], ["fulfilled", 3, 1]);
});

test("Pool tells that an acquire timed out while a session was set up, or in an outage of that", async () => {
  const { clock, driver, pool } = setup({ session: "set k v", acquireTimeoutMs: 1_000 }, LONGEST);
  driver.hold("execute", 1);
  const first = watch(pool.acquire());
  await clock.advance(1_000);
  assertInstanceOf(first.error, AcquireTimeoutError);
  assertEquals(first.error.phase, "session");
  must(driver.held()[0]).refuse(new FakeError("unavailable", "not now"));
  driver.refuse("execute", Infinity, new FakeError("unavailable", "not now"));
  await clock.settle();
  const second = watch(pool.acquire());
  await clock.advance(1_000);
  assertInstanceOf(second.error, AcquireTimeoutError);
  assertEquals(second.error.phase, "session");
  assertInstanceOf(second.error.cause, ConnectError);
  assert(second.error.message.includes("not now"), second.error.message);
});

test("Pool tells phase connect while the server has not answered yet, session or not", async () => {
  const { clock, driver, pool } = setup({ session: "set k v", acquireTimeoutMs: 1_000 });
  driver.hold("connect", 1);
  const waiting = watch(pool.acquire());
  await clock.advance(1_000);
  assertInstanceOf(waiting.error, AcquireTimeoutError);
  assertEquals(waiting.error.phase, "connect");
});
