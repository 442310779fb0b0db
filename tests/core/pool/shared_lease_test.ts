import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  AcquireTimeoutError,
  ConnectError,
  LeaseReleasedError,
  TooManyConnectionsError,
} from "../../../src/core/errors.ts";
import type { PoolOptions } from "../../../src/core/options.ts";
import type { SharedLease } from "../../../src/core/shared_lease.ts";
import { type FakeConnection, FakeError } from "../../../src/testing/mod.ts";
import { assertCounts, must, type Setup, setup, watch, type Watched } from "../setup.ts";
import { test } from "../../support/harness.ts";

type Shared = SharedLease<FakeConnection>;

function sharing(options: Omit<PoolOptions, "clock"> = {}, readers = false): Setup {
  return setup({ max: 3, maxShared: 2, ...options }, {}, { sharing: "multiplex", readers });
}

function ids(leases: readonly Shared[]): number[] {
  return leases.map(({ connection }) => connection.id);
}

function loads(leases: readonly Shared[]): number[] {
  const counts = new Map<number, number>();
  for (const id of ids(leases)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts.values()].toSorted((a, b) => a - b);
}

for (const readers of [false, true]) {
  const kind = readers ? " of a kind of their own" : "";

  test(`Pool.acquireShared() shares new connections first, then those with the fewest leases${kind} (H-03, H-04, H-07, H-09)`, async () => {
    const { pool } = sharing({}, readers);
    const leases: Shared[] = [];
    for (let i = 0; i < 5; i++) leases.push(await pool.acquireShared());
    assertEquals(ids(leases), [1, 2, 1, 2, 1]);
    assertEquals(leases.every(({ shared }) => shared), true);
    assertEquals(leases.every(({ connection }) => connection.readOnly === readers), true);
    assertCounts(pool, { total: 2, used: 2, shared: 2, sharedLeases: 5 });
    assertEquals(pool.stats().sharing, true);
    leases[0]?.release();
    leases[2]?.release();
    assertEquals((await pool.acquireShared()).connection.id, 1);
  });

  test(`Pool.acquireShared() of a thousand who wait is served by two connections${kind}, evenly (H-13)`, async () => {
    const { clock, driver, pool } = sharing({}, readers);
    const waiting = Array.from({ length: 1_000 }, () => watch(pool.acquireShared()));
    await clock.settle();
    const leases = waiting.map(({ value }) => must(value));
    assertEquals([loads(leases), driver.peak], [[500, 500], 2]);
    for (const lease of leases) lease.release();
    assertCounts(pool, { total: 2, idle: 2 });
  });
}

test("Pool.acquireShared() keeps 5 connections even whoever leaves: 7,7,5,4,6 become 7 each (H-14)", async () => {
  const { pool } = sharing({ max: 5, maxShared: 5 });
  const leases: Shared[] = [];
  for (let i = 0; i < 35; i++) leases.push(await pool.acquireShared());
  assertEquals(loads(leases), [7, 7, 7, 7, 7]);
  for (const [id, count] of [[3, 2], [4, 3], [5, 1]] as const) {
    for (let i = 0; i < count; i++) {
      const index = leases.findIndex(({ connection }) => connection.id === id);
      leases.splice(index, 1)[0]?.release();
    }
  }
  assertEquals(loads(leases), [4, 5, 6, 7, 7]);
  for (let i = 0; i < 6; i++) leases.push(await pool.acquireShared());
  assertEquals(loads(leases), [7, 7, 7, 7, 7]);
  for (const lease of leases) lease.release();
  assertCounts(pool, { total: 5, idle: 5 });
});

test("Pool.acquireShared() takes an idle connection before it opens one, and leaves others alone (H-03, H-05)", async () => {
  const { driver, pool } = sharing();
  const [first, second, third] = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
  for (const lease of [third, second, first]) lease.release();
  const leases = [
    await pool.acquireShared(),
    await pool.acquireShared(),
    await pool.acquireShared(),
  ];
  assertEquals([ids(leases), driver.counts.connect], [[1, 2, 1], 3]);
  assertCounts(pool, { total: 3, used: 2, idle: 1, shared: 2, sharedLeases: 3 });
  // And a lease for one is never one of them (H-06).
  assertEquals((await pool.acquire()).connection.id, 3);
  assertEquals(pool.tryAcquire(), undefined);
});

test("SharedLease.release() of one touches nobody else; the last one's gives the connection back (H-10, H-11, H-12, A-10)", async () => {
  const { clock, driver, pool } = sharing({ maxShared: 1 });
  const [one, two] = [await pool.acquireShared(), await pool.acquireShared()];
  const answer = two.connection.run("sleep 10");
  one.release();
  one.release();
  assertEquals([one.released, two.released, two.lost], [true, false, false]);
  assertCounts(pool, { total: 1, used: 1, shared: 1, sharedLeases: 1 });
  assertEquals(driver.counts.reset, 0);
  await clock.advance(10);
  assertEquals(await answer, "");
  let error: unknown;
  try {
    one.connection;
  } catch (thrown) {
    error = thrown;
  }
  assertInstanceOf(error, LeaseReleasedError);
  two[Symbol.dispose]();
  assertCounts(pool, { total: 1, idle: 1 });
});

test("The last one's release has what is dirty cleaned (H-20, D-24)", async () => {
  const { clock, driver, pool } = sharing({ maxShared: 1, reset: "session" });
  const [one, two] = [await pool.acquireShared(), await pool.acquireShared()];
  await one.connection.run("set k v");
  one.release();
  assertEquals(driver.counts.reset, 0);
  two.release();
  assertCounts(pool, { total: 1, resetting: 1 });
  await clock.settle();
  assertEquals([await (await pool.acquire()).connection.run("show k"), driver.counts.reset], [
    "",
    1,
  ]);
});

test("Pool.acquireShared() never shares what somebody left in a transaction, until that is over (H-16, H-17, H-18)", async () => {
  const { clock, pool } = sharing({ max: 2, maxShared: 1 });
  const first = await pool.acquireShared();
  await first.connection.run("begin");
  // Another is shared in its place: nobody waits for the end of somebody's transaction.
  const second = await pool.acquireShared();
  assertEquals(second.connection.id, 2);
  await second.connection.run("begin");
  const waiting = watch(pool.acquireShared());
  await clock.settle();
  assertEquals(waiting.state, "pending");
  second.release();
  await clock.settle();
  assertEquals(waiting.value?.connection.id, 2);
  await first.connection.run("rollback");
  first.release();
  assertCounts(pool, { total: 2, used: 1, idle: 1, shared: 1, sharedLeases: 1 });
});

test("All who have a connection lose it together, and know; their release counts no more (H-28, A-11)", async () => {
  const { clock, driver, pool } = sharing({ maxShared: 1 });
  const leases = [await pool.acquireShared(), await pool.acquireShared()];
  driver.break(must(leases[0]).connection);
  assertEquals(leases.map(({ lost }) => lost), [true, true]);
  assertCounts(pool, {});
  const next = await pool.acquireShared();
  for (const lease of leases) lease.release();
  await clock.settle();
  assertCounts(pool, { total: 1, used: 1, shared: 1, sharedLeases: 1 });
  assertEquals([next.connection.id, next.lost], [2, false]);
});

test("Pool.acquireShared() asks a connection in doubt, and touches nobody who has it when there is no answer (H-27)", async () => {
  const { clock, driver, pool } = sharing({ max: 4, maxShared: 1, checkTimeoutMs: 100 });
  const holder = await pool.acquireShared();
  const other = await pool.acquire();
  driver.break(other.connection, new FakeError("lost", "terminated", "single"));
  const second = await pool.acquireShared();
  assertEquals([second.connection.id, driver.counts.ping], [1, 1]);
  // In doubt again, and slow: it does not answer in time.
  const third = await pool.acquire();
  await clock.advance(5_000);
  driver.break(third.connection, new FakeError("lost", "terminated", "single"));
  const slow = holder.connection.run("sleep 1000");
  const waiting = watch(pool.acquireShared());
  await clock.advance(100);
  await clock.settle();
  assertEquals(waiting.value?.connection.id, 4);
  assertEquals([holder.lost, second.lost], [false, false]);
  await clock.advance(1_000);
  assertEquals(await slow, "");
  holder.release();
  second.release();
  await clock.settle();
  assertCounts(pool, { total: 1, used: 1, shared: 1, sharedLeases: 1 });
});

test("Who shares and who does not wait in one queue, in the order they came (X-21, H-22, H-24)", async () => {
  const { clock, pool } = sharing({ max: 1, maxShared: 1 });
  const first = await pool.acquire();
  const order: string[] = [];
  const ask = async (name: string, shared: boolean) => {
    const lease = shared ? await pool.acquireShared() : await pool.acquire();
    order.push(name);
    return lease;
  };
  const asks = [
    ask("shared a", true),
    ask("shared b", true),
    ask("alone", false),
    ask("shared c", true),
  ];
  await clock.settle();
  assertCounts(pool, { total: 1, used: 1, waiters: 4 });
  first.release();
  await clock.settle();
  // The third does not slip past who wants it alone.
  assertEquals(order, ["shared a", "shared b"]);
  for (const ask of asks.slice(0, 2)) (await must(ask)).release();
  await clock.settle();
  assertEquals(order, ["shared a", "shared b", "alone"]);
  (await must(asks[2])).release();
  await clock.settle();
  assertEquals(order.at(-1), "shared c");
});

test("Who shares is served when the one before who wants a connection alone gives up, or its deadline passes", async () => {
  for (const way of ["signal", "deadline"]) {
    const { clock, pool } = sharing({ max: 1, maxShared: 1 });
    const first = await pool.acquireShared();
    const abort = new AbortController();
    const alone = watch(pool.acquire({ signal: abort.signal, timeoutMs: 500 }));
    const next = watch(pool.acquireShared());
    await clock.settle();
    assertEquals(next.state, "pending");
    if (way === "signal") abort.abort(new Error("enough"));
    else await clock.advance(500);
    await clock.settle();
    assertEquals([alone.state, next.state], ["rejected", "fulfilled"]);
    first.release();
    must(next.value).release();
  }
});

test("Who waits to share has what somebody of high priority was lent, too", async () => {
  const { clock, pool } = sharing({ max: 2, maxShared: 1, reserved: 1 });
  const alone = await pool.acquire();
  const next = watch(pool.acquireShared());
  await clock.settle();
  assertEquals(next.state, "pending");
  (await pool.acquire({ priority: "high" })).release();
  const high = await pool.acquireShared({ priority: "high" });
  await clock.settle();
  assertEquals(must(next.value).connection.id, high.connection.id);
  for (const lease of [alone, high, must(next.value)]) lease.release();
});

test("Who waits to share shares what there is when another got the place for one more", async () => {
  const { clock, pool } = sharing({ max: 2 }, true);
  const common = await pool.acquireShared();
  (await pool.acquire()).release();
  pool.suspend();
  const alone = watch(pool.acquire());
  const next = watch(pool.acquireShared());
  pool.resume();
  await clock.settle();
  assertEquals([alone.state, next.state], ["fulfilled", "fulfilled"]);
  for (const lease of [common, must(alone.value), must(next.value)]) lease.release();
});

test("A shared connection in doubt is asked for who waits behind one that is served alone", async () => {
  const { clock, pool } = sharing({ max: 2, maxShared: 1 });
  const common = await pool.acquireShared();
  const first = await pool.acquire();
  await clock.advance(1_500);
  const alone = watch(pool.acquire());
  const next = watch(pool.acquireShared());
  first.release();
  await clock.settle();
  assertEquals([alone.state, next.state], ["fulfilled", "fulfilled"]);
  common.release();
});

test("At the limit a share is had though nothing else is, and the limit is never exceeded (H-23, H-25)", async () => {
  const { driver, pool } = sharing({ max: 2, maxShared: 2, acquireTimeoutMs: 0 });
  const shared = await pool.acquireShared();
  await pool.acquire();
  const again = await pool.acquireShared();
  assertEquals([again.connection.id, shared.connection.id, driver.peak], [1, 1, 2]);
  await assertRejects(() => pool.acquire(), TooManyConnectionsError);
  assertCounts(pool, { total: 2, used: 2, shared: 1, sharedLeases: 2 });
});

test("Pool.acquireShared() gives a lease of its own where nothing can be shared, and says so (H-01, H-15, H-33, A-08)", async () => {
  const drivers = [{ sharing: "exclusive" }, { sharing: "multiplex", readers: true }] as const;
  for (const [maxShared, driverOptions] of [[2, drivers[0]], [0, drivers[1]]] as const) {
    const { pool } = setup({ max: 3, maxShared }, {}, driverOptions);
    const leases = [await pool.acquireShared(), await pool.acquireShared()];
    assertEquals([pool.stats().sharing, leases.map(({ shared }) => shared)], [false, [
      false,
      false,
    ]]);
    assertEquals(ids(leases), [1, 2]);
    assertEquals(leases[0]?.connection.readOnly, "readers" in driverOptions);
    assertCounts(pool, { total: 2, used: 2 });
    for (const lease of leases) lease.release();
    assertCounts(pool, { total: 2, idle: 2 });
  }
});

test("Pool.close() waits for who shares, and takes them their connection when the time is over (H-30, H-31, H-32)", async () => {
  const { clock, pool } = sharing({ maxShared: 1 });
  const [one, two] = [await pool.acquireShared(), await pool.acquireShared()];
  const closed = watch(pool.close({ timeoutMs: 100 }));
  one.release();
  await clock.settle();
  assertEquals([closed.state, two.lost], ["pending", false]);
  await clock.advance(100);
  assertEquals([closed.state, two.lost], ["fulfilled", true]);
  two.release();
  assertCounts(pool, {});
});

test("A worn connection takes no more leases, and goes when the last one leaves it (H-29)", async () => {
  const { clock, driver, pool } = sharing({ maxShared: 1, maxUses: 2 });
  const leases = [
    await pool.acquireShared(),
    await pool.acquireShared(),
    await pool.acquireShared(),
  ];
  assertEquals(ids(leases), [1, 1, 2]);
  leases[0]?.release();
  assertEquals(must(leases[1]).lost, false);
  leases[1]?.release();
  await clock.settle();
  assertEquals([driver.counts.close, pool.stats().total], [1, 1]);
});

test("A worn connection takes leases all the same while the server cannot be had", async () => {
  const { clock, driver, pool } = sharing({ max: 2, maxShared: 1, maxUses: 2 });
  const leases = [await pool.acquireShared(), await pool.acquireShared()];
  driver.refuse("connect");
  const waiting = watch(pool.acquireShared());
  await clock.settle();
  const next = watch(pool.acquireShared());
  await clock.settle();
  assertEquals([waiting.value?.connection.id, next.value?.connection.id], [1, 1]);
  driver.restore();
  await clock.advance(800);
  // Whether it is over is found out meanwhile, and then another is shared in place of that one.
  leases.push(await pool.acquireShared());
  await clock.settle();
  leases.push(await pool.acquireShared());
  assertEquals(ids(leases), [1, 1, 1, 2]);
  for (const lease of [...leases, must(waiting.value), must(next.value)]) lease.release();
});

// Where read-only connections are a kind of their own

test("A full pool closes an idle connection of the other kind for who waits, and has never more than max (A-06, A-07)", async () => {
  const { clock, driver, pool } = sharing({ max: 2, maxShared: 2 }, true);
  const plain = [await pool.acquire(), await pool.acquire()];
  for (const lease of plain) lease.release();
  const reader = await pool.acquireShared();
  assertEquals([reader.connection.readOnly, driver.peak], [true, 2]);
  assertCounts(pool, { total: 2, used: 1, idle: 1, shared: 1, sharedLeases: 1 });
  reader.release();
  const again = [await pool.acquire(), await pool.acquire()];
  assertEquals(again.map(({ connection }) => connection.readOnly), [false, false]);
  await clock.settle();
  assertEquals([driver.peak, driver.counts.connect], [2, 4]);
  assertCounts(pool, { total: 2, used: 2 });
});

test("Who waits for the other kind gets its turn: a connection that comes back makes room for it (X-21)", async () => {
  const { clock, pool } = sharing({ max: 1, maxShared: 1 }, true);
  const lease = await pool.acquire();
  const order: string[] = [];
  const ask = (name: string, shared: boolean) =>
    (shared ? pool.acquireShared() : pool.acquire()).then((lease) => {
      order.push(name);
      return lease;
    });
  const first = ask("reader", true);
  await clock.advance(1);
  const second = ask("writer", false);
  await clock.advance(1);
  const third = ask("late reader", true);
  lease.release();
  await clock.settle();
  // Served with the first, whose connection it shares: it takes nothing from who waits.
  assertEquals(order, ["reader", "late reader"]);
  (await first).release();
  (await third).release();
  await clock.settle();
  assertEquals(order, ["reader", "late reader", "writer"]);
  (await second).release();
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Those who share cannot keep a pool to themselves for ever", async () => {
  const { clock, pool } = sharing({ max: 1, maxShared: 1 }, true);
  let holder = await pool.acquireShared();
  const writer = watch(pool.acquire());
  for (let i = 0; i < 3 && writer.state === "pending"; i++) {
    const next = watch(pool.acquireShared());
    await clock.advance(1);
    holder.release();
    await clock.settle();
    if (next.value !== undefined) holder = next.value;
  }
  assertEquals(writer.state, "fulfilled");
});

test("One who waits for the other kind takes no more than one connection from those who share", async () => {
  const { clock, driver, pool } = sharing({ max: 2, maxShared: 2 }, true);
  const [one, two] = [await pool.acquireShared(), await pool.acquireShared()];
  const writers = [watch(pool.acquire()), watch(pool.acquire())];
  const next = [watch(pool.acquireShared()), watch(pool.acquireShared())];
  await clock.settle();
  assertEquals(next.map(({ value }) => value?.connection.id), [2, 2]);
  one.release();
  await clock.settle();
  assertEquals(writers.map(({ state }) => state), ["fulfilled", "pending"]);
  const last = watch(pool.acquireShared());
  await clock.settle();
  assertEquals([last.value?.connection.id, driver.peak], [2, 2]);
  must(writers[0]?.value).release();
  await clock.settle();
  assertEquals(writers[1]?.state, "fulfilled");
  for (const lease of [two, ...[...next, last, writers[1]].map((seen) => must(seen?.value))]) {
    lease.release();
  }
});

test("A login that is refused to readers refuses readers alone", async () => {
  const { clock, driver, pool } = sharing({}, true);
  driver.refuse("connect", 1, new FakeError("rejected", "wrong credentials"));
  const reader = watch(pool.acquireShared());
  const writer = watch(pool.acquire());
  await clock.settle();
  assertInstanceOf(reader.error, ConnectError);
  assertEquals([reader.error.retryable, writer.state], [false, "fulfilled"]);
});

test("Waits of both kinds end at their deadlines, and leave nothing behind", async () => {
  const { clock, pool } = sharing({ max: 1, maxShared: 1, acquireTimeoutMs: 100 }, true);
  await pool.acquire();
  const waits = [watch(pool.acquireShared()), watch(pool.acquire())];
  await clock.advance(50);
  const abort = new AbortController();
  const given = watch(pool.acquireShared({ signal: abort.signal }));
  abort.abort(new Error("mine"));
  await clock.advance(50);
  for (const { error } of waits) assertInstanceOf(error, AcquireTimeoutError);
  assertEquals((given.error as Error).message, "mine");
  assertCounts(pool, { total: 1, used: 1 });
});

test("Whatever happens to a pool of both kinds, nobody waits for what is there, and nothing exceeds max", async () => {
  const step = fc.record({
    kind: fc.integer({ min: 0, max: 19 }),
    choice: fc.integer({ min: 0, max: 20 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 50, maxLength: 50, size: "max" }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 0, max: 1 }),
      fc.boolean(),
      async (steps, max, maxShared, reserved, readers) => {
        const { clock, driver, pool } = sharing(
          { max, maxShared, reserved: Math.min(reserved, max - 1), acquireTimeoutMs: 60_000 },
          readers,
        );
        const asks: { seen: Watched<Shared>; shared: boolean }[] = [];
        const held: { lease: Shared; shared: boolean }[] = [];
        for (const { kind, choice } of steps) {
          const one = held[choice % Math.max(1, held.length)];
          const priority = choice % 5 === 0 ? "high" : "normal";
          if (kind < 5) asks.push({ seen: watch(pool.acquireShared({ priority })), shared: true });
          else if (kind < 9) {
            asks.push({ seen: watch<Shared>(pool.acquire({ priority }) as never), shared: false });
          } else if (kind < 16 && one !== undefined) {
            held.splice(held.indexOf(one), 1);
            one.lease.release();
            one.lease.release();
          } else if (kind === 16 && one !== undefined && !one.lease.lost) {
            driver.break(one.lease.connection);
          } else if (kind === 17) pool.evict();
          else if (kind === 18) driver.refuse("connect", 1);
          else await clock.advance(100 * choice);
          await clock.settle();
          for (const { seen, shared } of asks.splice(0)) {
            if (seen.value !== undefined) held.push({ lease: seen.value, shared });
            else asks.push({ seen, shared });
          }
          const alive = held.filter(({ lease }) => !lease.lost);
          const connections = new Set(alive.map(({ lease }) => lease.connection));
          const stats = pool.stats();
          assertEquals(stats.used, connections.size);
          assertEquals(stats.sharedLeases, alive.filter(({ shared }) => shared).length);
          for (const connection of connections) {
            const holders = alive.filter(({ lease }) => lease.connection === connection);
            const alone = holders.filter(({ shared }) => !shared).length;
            assert(alone === 0 || holders.length === 1, "lent and shared at once");
            if (readers) assertEquals(connection.readOnly, alone === 0);
          }
          assert(stats.total <= max && driver.open <= max, "above max");
          assertEquals(stats.waiters, asks.filter(({ seen }) => seen.state === "pending").length);
          const moving = stats.connecting + stats.checking + stats.closing > 0 || clock.pending > 1;
          const normal = stats.used < max - Math.min(reserved, max - 1);
          assert(stats.waiters === 0 || moving || !normal, "somebody waits for what is there");
        }
        driver.restore();
        for (const { lease } of held) lease.release();
        for (let i = 0; i < 200 && pool.stats().waiters > 0; i++) {
          await clock.advance(500);
          for (const { seen } of asks) seen.value?.release();
          await clock.settle();
        }
        await clock.settle();
        assertEquals(pool.stats().waiters, 0);
        for (const { seen } of asks) {
          assertEquals(seen.state === "pending", false);
          seen.value?.release();
        }
        void pool.close({ timeoutMs: 0 });
        await clock.advance(10_000);
        assertEquals([driver.open, clock.pending, pool.stats().sharedLeases], [0, 0, 0]);
        assert(driver.peak <= max);
      },
    ),
    { numRuns: 150 },
  );
});
