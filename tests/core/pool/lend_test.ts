import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { AcquireTimeoutError, ConnectError, PoolClosedError } from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { AcquireOptions } from "../../../src/core/options.ts";
import type { Pool } from "../../../src/core/pool.ts";
import { type FakeConnection, FakeError } from "../../../src/testing/mod.ts";
import { assertCounts, must, setup } from "../setup.ts";
import { test } from "../../support/harness.ts";

interface Lending {
  readonly leases: Lease<FakeConnection>[];
  readonly errors: unknown[];
  readonly cancel: () => void;
}

function lend(pool: Pool<FakeConnection>, options?: AcquireOptions): Lending {
  const leases: Lease<FakeConnection>[] = [];
  const errors: unknown[] = [];
  const cancel = pool.lend((lease) => leases.push(lease), (error) => errors.push(error), options);
  return { leases, errors, cancel };
}

test("Pool.lend() calls back before it returns when one is idle", async () => {
  const { pool } = setup();
  (await pool.acquire()).release();
  const { leases, errors, cancel } = lend(pool);
  assertEquals([leases.length, errors.length], [1, 0]);
  cancel();
  assertCounts(pool, { total: 1, used: 1 });
});

test("Pool.lend() calls back in the turn of the release: no turn comes between", async () => {
  const { pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const { leases } = lend(pool);
  assertEquals(leases.length, 0);
  lease.release();
  assertEquals(leases.length, 1);
});

test("Pool.lend() refuses in the turn of the call what cannot be", async () => {
  const { pool } = setup({ max: 1 });
  const bad = lend(pool, { timeoutMs: -1 });
  assertInstanceOf(bad.errors[0], RangeError);
  assertEquals(lend(pool, { signal: AbortSignal.abort("before") }).errors, ["before"]);
  await pool.acquire();
  assertEquals(lend(pool, { timeoutMs: 0 }).errors.length, 1);
  void pool.close();
  const closed = lend(pool);
  assertInstanceOf(closed.errors[0], PoolClosedError);
  closed.cancel();
});

test("Pool.lend() gives a function that ends the wait: no callback is called any more", async () => {
  const { clock, driver, pool } = setup({ max: 1, acquireTimeoutMs: 100 });
  const lease = await pool.acquire();
  const abort = new AbortController();
  const leaving = lend(pool, { signal: abort.signal });
  const staying = lend(pool);
  leaving.cancel();
  leaving.cancel();
  abort.abort();
  assertCounts(pool, { total: 1, used: 1, waiters: 1 });
  lease.release();
  await clock.advance(200);
  assertEquals([leaving.leases, leaving.errors], [[], []]);
  assertEquals([staying.leases.length, driver.counts.connect], [1, 1]);
  staying.cancel();
  assertCounts(pool, { total: 1, used: 1 });
});

test("Pool.lend() cancelled as the last one in an outage stops the attempts", async () => {
  const { clock, driver, pool } = setup({}, { random: () => 0.9 });
  driver.refuse("connect");
  const { cancel } = lend(pool);
  await clock.settle();
  cancel();
  await clock.advance(60_000);
  assertEquals([driver.counts.connect, clock.pending], [1, 0]);
});

test("Pool.lend() calls exactly one callback once, when a lease and an abort meet", async () => {
  const { clock, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const abort = new AbortController();
  const first = lend(pool, { signal: abort.signal });
  lease.release();
  abort.abort("too late");
  await clock.settle();
  assertEquals([first.leases.length, first.errors.length], [1, 0]);
});

test("Pool drains 100,000 waiters that release in their callbacks, in order, without a deep stack", async () => {
  const { pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const served: number[] = [];
  const errors: unknown[] = [];
  for (let i = 0; i < 100_000; i++) {
    pool.lend((lease) => {
      served.push(i);
      lease.release();
    }, (error) => errors.push(error));
  }
  assertCounts(pool, { total: 1, used: 1, waiters: 100_000 });
  lease.release();
  assertEquals([served.length, errors.length], [100_000, 0]);
  assert(served.every((number, index) => number === index));
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool drains 100,000 waiters that destroy in their callbacks", async () => {
  const { clock, driver, pool } = setup({ max: 10 });
  const leases = await Promise.all(Array.from({ length: 10 }, () => pool.acquire()));
  let served = 0;
  for (let i = 0; i < 100_000; i++) {
    pool.lend((lease) => {
      if (served++ % 10_000 === 0) lease.destroy();
      else lease.release();
    }, () => {});
  }
  for (const lease of leases) lease.release();
  await clock.settle();
  assertEquals(served, 100_000);
  assertEquals(driver.peak, 10);
  assertCounts(pool, { total: driver.open, idle: driver.open });
});

test("Pool drains 100,000 awaited acquires", async () => {
  const { clock, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  let served = 0;
  for (let i = 0; i < 100_000; i++) {
    void pool.acquire().then((lease) => {
      served++;
      lease.release();
    });
  }
  lease.release();
  while (served < 100_000) await clock.settle(1_000);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool times 100,000 waiters out with one timer", async () => {
  const { clock, pool } = setup({ max: 1, acquireTimeoutMs: 100 });
  const lease = await pool.acquire();
  let timedOut = 0;
  for (let i = 0; i < 100_000; i++) {
    pool.lend(() => {}, (error) => {
      if (error instanceof AcquireTimeoutError) timedOut++;
    });
  }
  assertEquals(clock.referenced, 1);
  await clock.advance(100);
  // They are told in batches, a turn apart.
  await clock.settle(10_000);
  assertEquals([timedOut, clock.now(), clock.referenced], [100_000, 100, 0]);
  lease.release();
  (await pool.acquire()).release();
});

test("Pool keeps the order when a borrower releases and asks again in its callback (D-20)", async () => {
  const { pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const order: string[] = [];
  const unexpected = (error: unknown): void => void order.push(String(error));
  pool.lend((lease) => {
    order.push("first");
    lease.release();
    // Whoever waited before goes first, though the connection is back.
    assertEquals(pool.tryAcquire(), undefined);
    pool.lend((lease) => {
      order.push("first again");
      lease.release();
    }, unexpected);
  }, unexpected);
  for (const name of ["second", "third"]) {
    pool.lend((lease) => {
      order.push(name);
      lease.release();
    }, unexpected);
  }
  lease.release();
  assertEquals(order, ["first", "second", "third", "first again"]);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Pool takes whatever a borrower does to the pool in its callback", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  const later = lend(pool);
  const served: number[] = [];
  pool.lend((lease) => {
    served.push(lease.connection.id);
    driver.break(lease.connection);
    pool.evict();
    lease.release();
  }, () => {});
  const last = lend(pool);
  // The first waiter was queued before the one above.
  first.release();
  assertEquals([later.leases.length, served], [1, []]);
  second.release();
  await clock.settle();
  assertEquals([served.length, last.leases.length], [1, 1]);
  must(last.leases[0]).release();
  must(later.leases[0]).release();
  await clock.settle();
  assertCounts(pool, { total: 1, idle: 1 });
  assertEquals(driver.peak, 2);
});

test("Pool goes on serving after a callback that threw, though it must not", async () => {
  const { pool } = setup({ max: 2 });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  pool.lend(() => {
    throw new Error("thrown by a callback");
  }, () => {});
  const next = lend(pool);
  assertThrows(() => first.release(), Error, "thrown by a callback");
  // The one that threw has its lease, and never gives it back.
  assertCounts(pool, { total: 2, used: 2, waiters: 1 });
  second.release();
  assertEquals(next.leases.length, 1);
});

test("Pool refuses each waiter once when callbacks abort or cancel others", async () => {
  const { clock, driver, pool } = setup({ max: 4 });
  driver.rejectCredentials();
  const abort = new AbortController();
  const cancels: (() => void)[] = [];
  const errors: unknown[][] = [[], [], [], []];
  for (const [index, own] of errors.entries()) {
    const options = index === 1 ? { signal: abort.signal } : undefined;
    cancels.push(pool.lend(() => {}, (error) => {
      own.push(error);
      if (index === 0) {
        abort.abort("by the first");
        cancels[2]?.();
      }
    }, options));
  }
  await clock.settle();
  const [first, second, third, fourth] = errors;
  assertInstanceOf(first?.[0], ConnectError);
  assertInstanceOf(fourth?.[0], ConnectError);
  assertEquals([first?.length, second, third, fourth?.length], [1, ["by the first"], [], 1]);
});

test("Pool refuses who waited when a connect failed, not who asks again in the callback", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  driver.refuse("connect", 1, new FakeError("rejected", "no such database"));
  let again = 0;
  const served: number[] = [];
  for (let i = 0; i < 2; i++) {
    pool.lend(() => {}, () => {
      if (again++ >= 10) return;
      pool.lend((lease) => served.push(lease.connection.id), () => again++);
    });
  }
  await clock.settle();
  assertEquals([again, served], [2, [1]]);
  assertCounts(pool, { total: 1, used: 1, waiters: 1 });
});

test("Pool.close() in the callback of one who is refused closes once", async () => {
  const { clock, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const ends: string[] = [];
  pool.lend(() => {}, () => void pool.close().then(() => ends.push("inner")));
  void pool.close().then(() => ends.push("outer"));
  lease.release();
  await clock.settle();
  assertEquals(ends.toSorted(), ["inner", "outer"]);
  assertEquals([pool.stats().state, clock.pending], ["closed", 0]);
});

test("Pool.close() takes releases and new requests in the callbacks of who is refused", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
  const errors: unknown[] = [];
  pool.lend(() => {}, () => {
    first.release();
    pool.lend(() => {}, (error) => errors.push(error));
  });
  const closing = pool.close();
  second.release();
  await clock.settle();
  await closing;
  assertEquals([errors.length, driver.open, driver.counts.connect], [1, 0, 2]);
  assertInstanceOf(errors[0], PoolClosedError);
});

test("Pool.lend() in the callback of one whose deadline passed waits anew", async () => {
  const { clock, pool } = setup({ max: 1, acquireTimeoutMs: 100 });
  const lease = await pool.acquire();
  let refusals = 0;
  const again = (): void => void pool.lend(() => {}, () => ++refusals < 3 ? again() : undefined);
  again();
  await clock.advance(100);
  assertEquals(refusals, 1);
  await clock.advance(100);
  assertEquals(refusals, 2);
  await clock.advance(100);
  assertEquals([refusals, clock.referenced], [3, 0]);
  lease.release();
});
