import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { AcquireTimeoutError } from "../../../src/core/errors.ts";
import type { PoolOptions } from "../../../src/core/options.ts";
import type { SharedLease } from "../../../src/core/shared_lease.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, must, type Setup, setup, watch, type Watched } from "../setup.ts";

type Share = Watched<SharedLease<FakeConnection>>;

/** What nothing takes in virtual time that is answered; less than any deadline. */
const LONG_MS = 100;

function sharing(options: Omit<PoolOptions, "clock"> = {}, readers = false): Setup {
  return setup({ max: 4, maxShared: 2, ...options }, {}, { sharing: "multiplex", readers });
}

function ask({ pool }: Setup, count: number): Share[] {
  return Array.from({ length: count }, () => watch(pool.acquireShared()));
}

function ids(shares: readonly Share[]): (number | undefined)[] {
  return shares.map(({ value }) => value?.connection.id);
}

for (const readers of [false, true]) {
  const kind = readers ? " of a kind of their own" : "";

  test(`Who could share waits for one more connection${kind}, but not for a connect that hangs`, async () => {
    const bench = sharing({}, readers);
    const { clock, driver, pool } = bench;
    const first = await pool.acquireShared();
    driver.hold("connect", 1);
    const second = ask(bench, 1);
    await clock.advance(LONG_MS - 1);
    assertEquals([ids(second), driver.counts.connect], [[undefined], 2]);
    await clock.advance(1);
    assertEquals(ids(second), [1]);
    // Nobody who comes now waits for it, and none is opened beside it.
    const third = ask(bench, 2);
    await clock.settle();
    assertEquals([ids(third), driver.counts.connect], [[1, 1], 2]);
    // It is of use when it comes after all.
    driver.held("connect")[0]?.answer();
    await clock.settle();
    const fourth = ask(bench, 1);
    await clock.settle();
    assertEquals(ids(fourth), [2]);
    first.release();
    for (const { value } of [...second, ...third, ...fourth]) must(value).release();
    assertCounts(pool, { total: 2, idle: 2 });
    void pool.close();
    await clock.settle();
    assertEquals(clock.pending, 0);
  });

  test(`Those who share what was opened are not held up by another connect${kind} that hangs`, async () => {
    const bench = sharing({ maxShared: 3 }, readers);
    const { clock, driver } = bench;
    driver.hold("connect", 1);
    const shares = ask(bench, 11);
    await clock.settle();
    assertEquals(new Set(ids(shares)), new Set([1, 2, undefined]));
    await clock.advance(LONG_MS);
    const counts = [1, 2].map((id) => ids(shares).filter((other) => other === id).length);
    assertEquals(counts.toSorted(), [5, 6]);
    for (const { value } of shares) must(value).release();
    await bench.pool.close({ timeoutMs: 0 });
    assertEquals([driver.open, clock.pending], [0, 0]);
  });

  test(`Another connection${kind} is opened beside a connect that hangs, for who else waits to share`, async () => {
    const bench = sharing({ maxShared: 1 }, readers);
    const { clock, driver, pool } = bench;
    driver.hold("connect", 2);
    const shares = ask(bench, 3);
    await clock.advance(LONG_MS);
    await clock.advance(LONG_MS);
    assertEquals([ids(shares), driver.counts.connect], [[1, 1, 1], 3]);
    // More than may be shared may come then.
    for (const call of driver.held("connect")) call.answer();
    await clock.settle();
    const more = ask(bench, 3);
    await clock.settle();
    assertEquals(ids(more), [1, 1, 1]);
    assertCounts(pool, { total: 3, used: 1, idle: 2, shared: 1, sharedLeases: 6 });
    for (const { value } of [...shares, ...more]) must(value).release();
  });

  test(`No more connects${kind} hang than wait to share`, async () => {
    const bench = sharing({ maxShared: 1, acquireTimeoutMs: 5_000 }, readers);
    const { clock, driver } = bench;
    driver.hold("connect");
    const shares = ask(bench, 2);
    for (let i = 0; i < 10; i++) await clock.advance(LONG_MS);
    assertEquals([driver.counts.connect, ids(shares)], [2, [undefined, undefined]]);
    await clock.advance(4_000);
    for (const { error } of shares) assertInstanceOf(error, AcquireTimeoutError);
    assertEquals(driver.counts.connect, 2);
    await bench.pool.close({ timeoutMs: 0 });
    await clock.settle();
    assertEquals([driver.open, clock.pending], [0, 0]);
  });
}

test("A connection is opened for who waits to share when the one that was checked is worn before their turn", async () => {
  const bench = sharing({ maxShared: 1, maxUses: 3 });
  const { clock, driver, pool } = bench;
  (await pool.acquire()).release();
  await clock.advance(1_500);
  const shares = ask(bench, 3);
  await clock.settle();
  assertEquals([ids(shares), driver.counts.ping], [[1, 1, 2], 1]);
  for (const { value } of shares) must(value).release();
});

test("Connects that take their time are waited for as long as is usual there", async () => {
  const bench = sharing();
  const { clock, driver } = bench;
  driver.delay("connect", 400);
  const [first] = ask(bench, 1);
  await clock.advance(400);
  const second = ask(bench, 1);
  await clock.advance(399);
  assertEquals(ids(second), [undefined]);
  await clock.advance(1);
  assertEquals(ids(second), [2]);
  driver.restore();
  for (const share of [first, ...second]) must(share?.value).release();
});

test("Nobody who could share waits for a connect for longer than a second, whatever is usual there", async () => {
  const bench = sharing();
  const { clock, driver } = bench;
  driver.delay("connect", 3_000);
  const first = ask(bench, 1);
  await clock.advance(3_000);
  const second = ask(bench, 1);
  await clock.advance(999);
  assertEquals(ids(second), [undefined]);
  await clock.advance(1);
  assertEquals(ids(second), [1]);
  for (const share of [...first, ...second]) must(share.value).release();
});

test("Who could share does not wait for a connect longer than half of its time", async () => {
  const { clock, driver, pool } = sharing();
  const first = await pool.acquireShared();
  driver.hold("connect", 1);
  const hasty = [20, 60, 50].map((timeoutMs) => watch(pool.acquireShared({ timeoutMs })));
  for (const [ms, states] of [[10, "fpp"], [15, "fpp"], [5, "fff"]] as const) {
    await clock.advance(ms);
    assertEquals(hasty.map(({ state }) => state.charAt(0)).join(""), states);
  }
  first.release();
  for (const { value } of hasty) must(value).release();
});

test("Who could share does not wait for any connect while the server cannot be had", async () => {
  const bench = sharing({ maxShared: 3 });
  const { clock, driver, pool } = bench;
  const first = await pool.acquireShared();
  driver.hold("connect", 1);
  driver.refuse("connect", 1);
  const shares = ask(bench, 2);
  await clock.settle();
  assertEquals([ids(shares), pool.stats().counters.outages], [[1, 1], 1]);
  for (const lease of [first, ...shares.map(({ value }) => must(value))]) lease.release();
});

test("Who could share does not wait long for the answer of an idle connection, nor for the end of a close", async () => {
  for (const way of ["check", "close"]) {
    const bench = sharing({ max: 2 });
    const { clock, driver, pool } = bench;
    const first = await pool.acquireShared();
    const alone = await pool.acquire();
    if (way === "check") {
      alone.release();
      await clock.advance(1_500);
      // The shared one answers, the idle one does not.
      driver.delay("ping", 0, 1);
      driver.hold("ping", 1);
    } else {
      driver.hold("close", 1);
      pool.evict(({ epoch }) => epoch === alone.epoch);
      alone.release();
    }
    const next = ask(bench, 1);
    await clock.advance(LONG_MS - 1);
    assertEquals(ids(next), [undefined], way);
    await clock.advance(1);
    assertEquals(ids(next), [1], way);
    first.release();
    must(next[0]?.value).release();
    assert(pool.stats().waiters === 0);
    void pool.close({ timeoutMs: 0 });
    await clock.advance(10_000);
    assertEquals([driver.open, clock.pending], [0, 0]);
  }
});
