import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { AcquireTimeoutError, ConnectError } from "../../../src/core/errors.ts";
import { FakeError } from "../../../src/testing/mod.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

/** Pauses as long as they can be, nearly. */
const LONGEST = { random: () => 0.999_999 };

test("Pool.acquire() waits through an outage within its deadline", async () => {
  const { clock, driver, pool } = setup({}, LONGEST);
  driver.refuse("connect", 4);
  const waiting = watch(pool.acquire());
  await clock.advance(1_499);
  assertEquals([waiting.state, driver.counts.connect], ["pending", 4]);
  await clock.advance(1);
  assertEquals([waiting.value?.connection.id, driver.counts.connect], [1, 5]);
  assertEquals(clock.referenced, 0);
});

test("Pool paces its attempts by the clock: 100, 200, 400 ms, up to a quarter of the deadline", async () => {
  const { clock, driver, pool } = setup({ acquireTimeoutMs: 4_000 }, LONGEST);
  driver.refuse("connect");
  const attempts: number[] = [];
  const waiting = watch(pool.acquire({ timeoutMs: 60_000 }));
  for (let now = 0; now <= 6_000; now++) {
    while (attempts.length < driver.counts.connect) attempts.push(clock.now());
    await clock.advance(1);
  }
  assertEquals(attempts, [1, 101, 301, 701, 1_501, 2_501, 3_501, 4_501, 5_501].map((at) => at - 1));
  assertEquals(waiting.state, "pending");
});

test("Pool sends one prober in an outage, however many wait", async () => {
  const { clock, driver, pool } = setup({ max: 5 }, LONGEST);
  driver.refuse("connect", 5);
  driver.hold("connect");
  const waiting = [1, 2, 3, 4, 5, 6, 7].map(() => watch(pool.acquire()));
  await clock.settle();
  assertEquals([driver.counts.connect, driver.counts.refuse], [5, 5]);
  assertCounts(pool, { waiters: 7 });
  // The five failed at once and are one sign: the first pause, not the fifth.
  await clock.advance(100);
  assertCounts(pool, { total: 1, connecting: 1, waiters: 7 });
  await clock.advance(5_000);
  assertEquals(driver.counts.connect, 6);
  waiting.push(watch(pool.acquire()));
  assertCounts(pool, { total: 1, connecting: 1, waiters: 8 });
  driver.restore();
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals(driver.counts.connect, 10);
  assertEquals(
    waiting.map(({ state }) => state).filter((state) => state === "fulfilled").length,
    5,
  );
});

test("Pool recovers from an outage: the next one begins with short pauses", async () => {
  const { clock, driver, pool } = setup({}, LONGEST);
  driver.refuse("connect", 6);
  const first = watch(pool.acquire());
  await clock.advance(7_000);
  const lease = must(first.value);
  lease.destroy();
  driver.refuse("connect", 1);
  const second = watch(pool.acquire());
  await clock.advance(99);
  assertEquals(second.state, "pending");
  await clock.advance(1);
  assertEquals(second.state, "fulfilled");
});

test("Pool does not connect in an outage when nobody waits, and holds no process", async () => {
  const { clock, driver, pool } = setup({ acquireTimeoutMs: 1_000 }, LONGEST);
  driver.refuse("connect");
  const abort = new AbortController();
  const leaving = watch(pool.acquire({ signal: abort.signal }));
  await clock.settle();
  abort.abort("enough");
  await clock.settle();
  assertEquals([leaving.error, clock.referenced], ["enough", 0]);
  await clock.advance(60_000);
  assertEquals([driver.counts.connect, clock.pending], [1, 0]);

  const late = watch(pool.acquire());
  await clock.advance(1_000);
  assertInstanceOf(late.error, AcquireTimeoutError);
  assertEquals(clock.pending, 0);
});

test("Pool lends what is given back during an outage", async () => {
  const { clock, driver, pool } = setup({ max: 2 }, LONGEST);
  const lease = await pool.acquire();
  driver.refuse("connect");
  const waiting = watch(pool.acquire());
  await clock.advance(50);
  lease.release();
  await clock.settle();
  assertEquals([waiting.value?.connection.id, clock.referenced], [1, 0]);
});

test("Pool tries at once for who comes when the pause is over", async () => {
  const { clock, driver, pool } = setup({ acquireTimeoutMs: 60_000 }, LONGEST);
  driver.refuse("connect", 1);
  const first = watch(pool.acquire({ timeoutMs: 1 }));
  await clock.advance(200);
  assertEquals(first.state, "rejected");
  const second = watch(pool.acquire());
  await clock.settle();
  assertEquals([second.state, driver.counts.connect], ["fulfilled", 2]);
});

test("Pool frees the place of a failed connect and serves the next with it (X-05)", async () => {
  const { clock, driver, pool } = setup({ max: 1 }, LONGEST);
  driver.hold("connect", 1);
  const waiting = [watch(pool.acquire()), watch(pool.acquire())];
  must(driver.held()[0]).refuse();
  await clock.settle();
  assertCounts(pool, { waiters: 2 });
  await clock.advance(100);
  assertEquals(waiting.map(({ state }) => state), ["fulfilled", "pending"]);
  assertEquals(driver.peak, 1);
});

test("Pool does not retry rejected credentials: all who wait are refused, each with an error of its own (X-16)", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  driver.rejectCredentials();
  const waiting = [1, 2, 3].map(() => watch(pool.acquire()));
  await clock.settle();
  const errors = waiting.map(({ error }) => error);
  for (const error of errors) {
    assertInstanceOf(error, ConnectError);
    assertEquals([error.retryable, error.phase, error.outcome], [false, "connect", "not-applied"]);
    assertInstanceOf(error.cause, FakeError);
    assert(error.message.startsWith("Cannot connect: wrong credentials ("), error.message);
  }
  assertEquals(new Set(errors).size, 3);
  assertEquals(new Set(errors.map((error) => (error as Error).cause)).size, 1);
  await clock.advance(60_000);
  assertEquals([driver.counts.connect, clock.pending], [2, 0]);
  assertCounts(pool, {});
});

test("Pool connects again after a rejection when somebody asks again", async () => {
  const { clock, driver, pool } = setup();
  driver.rejectCredentials();
  const first = watch(pool.acquire());
  await clock.settle();
  assertEquals(first.state, "rejected");
  driver.restore();
  await pool.acquire();
  assertEquals(driver.counts.connect, 2);
});

test("Pool gives up a connect at connectTimeoutMs and tries again", async () => {
  const { clock, driver, pool } = setup({ connectTimeoutMs: 1_000 }, LONGEST);
  driver.hold("connect", 1);
  const waiting = watch(pool.acquire());
  await clock.advance(999);
  assertEquals(driver.open, 1);
  await clock.advance(1);
  assertEquals([driver.open, driver.counts.open], [0, 0]);
  await clock.advance(100);
  assertEquals([waiting.state, driver.counts.connect], ["fulfilled", 2]);
});

test("Pool destroys a connection that arrives after its connect was given up", async () => {
  const { clock, driver, pool } = setup({ connectTimeoutMs: 1_000 }, LONGEST);
  // A driver that does not heed its signal.
  const connect = driver.connect.bind(driver);
  driver.connect = () => connect();
  driver.delay("connect", 1_050, 1);
  const waiting = watch(pool.acquire());
  await clock.advance(1_050);
  assertEquals([driver.counts.open, driver.open], [1, 0]);
  await clock.advance(50);
  assertEquals(waiting.value?.connection.id, 2);
});

test("Pool takes a connection that broke on its way for a failed connect", async () => {
  const { clock, driver, pool } = setup({ max: 1 }, LONGEST);
  driver.hold("connect", 1);
  const waiting = watch(pool.acquire());
  must(driver.held()[0]).answer();
  driver.break(must(driver.connections[0]));
  await clock.settle();
  assertCounts(pool, { waiters: 1 });
  await clock.advance(100);
  assertEquals([waiting.value?.connection.id, driver.peak], [2, 1]);
});

test("Pool tells the last failed connect when the acquire times out in an outage (G-07)", async () => {
  const { clock, driver, pool } = setup({ acquireTimeoutMs: 1_000 }, LONGEST);
  const last = new Error("the last one");
  driver.refuse("connect", 2);
  driver.refuse("connect", Infinity, last);
  const waiting = watch(pool.acquire());
  await clock.advance(1_000);
  assertInstanceOf(waiting.error, AcquireTimeoutError);
  assertStrictEquals(waiting.error.cause, last);
  assert(waiting.error.message.endsWith("; last connect failed: the last one"));
});

test("Pool leaves no promise unhandled, whatever fails in the background (X-15)", async () => {
  const { clock, driver, pool } = setup({ max: 3, connectTimeoutMs: 500 }, LONGEST);
  const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
  for (const { connection } of leases) await connection.run("begin");
  driver.refuse("reset", 1);
  driver.hold("reset");
  driver.refuse("close");
  for (const lease of leases) lease.release();
  driver.break(must(driver.connections[1]));
  driver.refuse("connect");
  const abort = new AbortController();
  const waiting = watch(pool.acquire({ signal: abort.signal }));
  await clock.advance(5_000);
  abort.abort("enough");
  pool.evict();
  await clock.advance(60_000);
  const closing = watch(pool.close());
  await clock.advance(60_000);
  assertEquals([waiting.error, closing.state, clock.pending], ["enough", "fulfilled", 0]);
});
