import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { PoolClosedError, TooManyConnectionsError } from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { AcquireOptions, PoolOptions } from "../../../src/core/options.ts";
import type { Pool } from "../../../src/core/pool.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { assertCounts, must, type Setup, setup } from "../setup.ts";
import { test } from "../../support/harness.ts";

type FakeLease = Lease<FakeConnection>;

/** One that asked for a connection for one statement. */
interface Sharer {
  lease: FakeLease | undefined;
  error: unknown;
  cancel: () => void;
}

function share(pool: Pool<FakeConnection>, options?: AcquireOptions): Sharer {
  const sharer: Sharer = { lease: undefined, error: undefined, cancel: () => {} };
  sharer.cancel = pool.share(
    (lease) => sharer.lease = lease,
    (error) => sharer.error = error,
    options,
  );
  return sharer;
}

function connectionOf(sharer: Sharer): number {
  return must(sharer.lease).connection.id;
}

/** A pool whose `max` connections are open, and which has found out that all statements are served best on one. */
async function sharing(options: Omit<PoolOptions, "clock"> = {}): Promise<Setup> {
  const all = setup({ max: 3, ...options }, {}, { sharing: "multiplex" });
  const { clock, pool } = all;
  const max = options.max ?? 3;
  const leases = await Promise.all(Array.from({ length: max }, () => pool.acquire()));
  for (const lease of leases) lease.release();
  // The more connections, the slower: the pool has to come to the conclusion by itself.
  for (let count = 0; count < 3_000; count++) {
    const sharers = [share(pool), share(pool), share(pool)];
    const connections = new Set(sharers.map((sharer) => sharer.lease?.connection));
    await clock.advance(connections.size);
    for (const { lease } of sharers) lease?.release();
    if (count > 1_000 && connections.size === 1) break;
  }
  assertCounts(pool, { total: max, idle: max });
  return all;
}

test("Pool.share() gives each statement a connection of its own to begin with", async () => {
  const { clock, pool } = setup({ max: 2 }, {}, { sharing: "multiplex" });
  const sharers = [share(pool), share(pool), share(pool)];
  await clock.settle();
  assertEquals(sharers.map(({ lease }) => lease?.connection.id), [1, 2, undefined]);
  assertCounts(pool, { total: 2, used: 2, waiters: 1 });
  sharers[0]?.lease?.release();
  assertEquals(sharers[2]?.lease?.connection.id, 1);
});

test("Pool.share() puts statements on one connection once that serves them sooner", async () => {
  const { pool } = await sharing();
  const sharers = [share(pool), share(pool), share(pool), share(pool)];
  assertEquals(new Set(sharers.map(connectionOf)).size, 1);
  assertCounts(pool, { total: 3, idle: 2, used: 1 });
  for (const { lease } of sharers.slice(1)) lease?.release();
  assertCounts(pool, { total: 3, idle: 2, used: 1 });
  sharers[0]?.lease?.release();
  sharers[0]?.lease?.release();
  assertCounts(pool, { total: 3, idle: 3 });
});

test("Pool.share() never puts a statement on a connection that is lent, nor lends one that is shared", async () => {
  const { pool } = await sharing({ max: 2 });
  const shared = share(pool);
  const lease = await pool.acquire();
  const more = [share(pool), share(pool)];
  assertEquals(more.map(connectionOf), [connectionOf(shared), connectionOf(shared)]);
  assert(lease.connection !== must(shared.lease).connection);
  assertEquals(pool.tryAcquire(), undefined);
});

test("Pool.share() does not go past who waits for a connection of its own", async () => {
  const { clock, pool } = await sharing({ max: 1 });
  const first = share(pool);
  const exclusive = pool.acquire();
  const late = share(pool);
  assertEquals(late.lease, undefined);
  assertCounts(pool, { total: 1, used: 1, waiters: 2 });
  first.lease?.release();
  const lease = await exclusive;
  await clock.settle();
  assertEquals(late.lease, undefined);
  lease.release();
  assertEquals(connectionOf(late), 1);
});

test("Pool.share() serves those who wait together as soon as a connection is free (H-35)", async () => {
  const { pool } = await sharing({ max: 1 });
  const lease = await pool.acquire();
  const sharers = [share(pool), share(pool), share(pool)];
  const exclusive = pool.acquire();
  const behind = share(pool);
  lease.release();
  assertEquals(sharers.map(connectionOf), [1, 1, 1]);
  assertEquals(behind.lease, undefined);
  for (const sharer of sharers) sharer.lease?.release();
  (await exclusive).release();
  assertEquals(connectionOf(behind), 1);
});

test("Pool.share() has no more than maxPipeline on one connection", async () => {
  const { pool } = await sharing({ max: 2, maxPipeline: 2 });
  const sharers = Array.from({ length: 5 }, () => share(pool));
  const ids = sharers.map(({ lease }) => lease?.connection.id);
  assertEquals(ids.filter((id) => id === undefined).length, 1);
  for (const id of [1, 2]) assertEquals(ids.filter((other) => other === id).length, 2);
});

test("Pool.share() sends nothing behind what the driver says must be alone", async () => {
  const { pool } = await sharing({ max: 2 });
  const first = share(pool);
  void must(first.lease).connection.run("begin");
  await Promise.resolve();
  const second = share(pool);
  assert(connectionOf(second) !== connectionOf(first));
});

test("Pool.share() sends nothing behind a statement that has not been answered for a while", async () => {
  const { clock, pool } = await sharing({ max: 2 });
  const slow = share(pool);
  await clock.advance(50);
  const second = share(pool);
  assert(connectionOf(second) !== connectionOf(slow));
  assertEquals(connectionOf(share(pool)), connectionOf(second));
});

test("Pool.share() with multiplex off, or of a driver that cannot, gives a connection each", async () => {
  for (
    const [options, driver] of [
      [{ multiplex: "off" }, { sharing: "multiplex" }],
      [{}, { sharing: "exclusive" }],
    ] as const
  ) {
    const { clock, pool } = setup({ max: 1, ...options }, {}, driver);
    for (let count = 0; count < 3_000; count++) {
      const sharer = share(pool);
      await clock.settle(4);
      sharer.lease?.release();
    }
    const [first, second] = [share(pool), share(pool)];
    assertEquals([connectionOf(first), second.lease], [1, undefined]);
    first.lease?.release();
    assertEquals(connectionOf(second), 1);
  }
});

test("A shared connection that is lost leaves the books right, whoever releases afterwards", async () => {
  const { clock, driver, pool } = await sharing({ max: 1 });
  const sharers = [share(pool), share(pool)];
  driver.break(must(sharers[0]?.lease).connection);
  assertCounts(pool, {});
  const next = share(pool);
  for (const { lease } of sharers) lease?.release();
  await clock.settle();
  assertEquals(connectionOf(next), 2);
  assertEquals(connectionOf(share(pool)), 2);
  assertCounts(pool, { total: 1, used: 1 });
});

test("A shared connection that is condemned is closed when its last statement is over, and takes no more", async () => {
  const { clock, pool } = await sharing({ max: 1 });
  const sharers = [share(pool), share(pool)];
  pool.evict();
  const next = share(pool);
  sharers[0]?.lease?.release();
  assertEquals(next.lease, undefined);
  assertCounts(pool, { total: 1, used: 1, waiters: 1 });
  sharers[1]?.lease?.release();
  await clock.settle();
  assertEquals(connectionOf(next), 2);
});

test("Pool.close() waits for the statements on a shared connection", async () => {
  const { clock, pool } = await sharing({ max: 1 });
  const sharers = [share(pool), share(pool)];
  let closed = false;
  void pool.close().then(() => closed = true);
  assertInstanceOf(share(pool).error, PoolClosedError);
  sharers[0]?.lease?.release();
  await clock.settle();
  assertEquals(closed, false);
  sharers[1]?.lease?.release();
  await clock.settle();
  assertEquals(closed, true);
});

test("Pool.share() that must not queue is refused only where no connection takes it", async () => {
  const { pool } = await sharing({ max: 1 });
  const first = share(pool, { timeoutMs: 0 });
  const second = share(pool, { timeoutMs: 0 });
  assertEquals([connectionOf(first), connectionOf(second)], [1, 1]);
  for (const { lease } of [first, second]) lease?.release();
  await pool.acquire();
  assertInstanceOf(share(pool, { timeoutMs: 0 }).error, TooManyConnectionsError);
});

test("A hundred thousand that share and give back at once take no stack", async () => {
  const { pool } = await sharing({ max: 1 });
  const lease = await pool.acquire();
  let served = 0;
  for (let count = 0; count < 100_000; count++) {
    pool.share((lease) => {
      served++;
      lease.release();
    }, () => {});
  }
  lease.release();
  assertEquals(served, 100_000);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Sharing and lending keep their invariants in any order of events", async () => {
  const step = fc.record({ kind: fc.nat(19), choice: fc.nat(20) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 60, maxLength: 60, size: "max" }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, max, maxPipeline) => {
        const { clock, driver, pool } = await sharing({ max, maxPipeline });
        const held: { lease: FakeLease; shares: boolean; connection: FakeConnection }[] = [];
        const order: number[] = [];
        let asked = 0;
        const ask = (shares: boolean): void => {
          const number = asked++;
          pool[shares ? "share" : "lend"]((lease) => {
            order.push(number);
            held.push({ lease, shares, connection: lease.connection });
          }, () => {});
        };
        for (const { kind, choice } of steps) {
          const one = held[choice % Math.max(1, held.length)];
          if (kind < 8) ask(true);
          else if (kind < 10) ask(false);
          else if (kind < 17 && one !== undefined) {
            held.splice(held.indexOf(one), 1);
            one.lease.release();
            one.lease.release();
          } else if (kind === 17 && one !== undefined) driver.break(one.connection);
          else if (kind === 18) pool.evict();
          else await clock.advance(choice);
          await clock.settle();
          const alive = held.filter(({ connection }) => !connection.gone);
          const connections = new Set(alive.map(({ connection }) => connection));
          assertEquals(pool.stats().used, connections.size);
          for (const connection of connections) {
            const holders = alive.filter((other) => other.connection === connection);
            const exclusive = holders.filter(({ shares }) => !shares).length;
            assert(exclusive === 0 || holders.length === 1, "lent and shared at once");
            assert(exclusive === 1 || holders.length <= maxPipeline, "more than maxPipeline");
          }
          assertEquals(order, [...order].sort((a, b) => a - b), "served in the order they came");
          const { waiters, idle, total } = pool.stats();
          assert(waiters === 0 || idle === 0, "somebody waits while a connection is idle");
          assert(total <= max, "above max");
        }
        for (const { lease } of held) lease.release();
        await pool.close({ timeoutMs: 0 });
        assertEquals([driver.open, clock.pending], [0, 0]);
      },
    ),
    { numRuns: 60 },
  );
});
