/** What DBUtils' shared connections, SimplePooledDB's and antipool's are, as far as it is safe. */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { LeaseReleasedError, TooManyConnectionsError } from "../../../src/core/errors.ts";
import type { PoolOptions } from "../../../src/core/options.ts";
import type { Pool } from "../../../src/core/pool.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, must, type Setup, setup, watch } from "../setup.ts";
import { take } from "./leases.ts";

type Shared = Awaited<ReturnType<Pool<FakeConnection>["acquireShared"]>>;

/** A pool of connections that can be shared. */
function sharing(options: Omit<PoolOptions, "clock">): Setup {
  return setup(options, {}, { sharing: "multiplex" });
}

/** Takes shares, one after the other. */
async function share(pool: Pool<FakeConnection>, count: number): Promise<Shared[]> {
  const leases: Shared[] = [];
  for (let number = 0; number < count; number++) leases.push(await pool.acquireShared());
  return leases;
}

/** Which connection each share is of. */
function idsOf(leases: readonly Shared[]): number[] {
  return leases.map(({ connection }) => connection.id);
}

/** How many shares each connection has, the connections in the order they were opened. */
function sharesOf(leases: readonly Shared[]): number[] {
  const shares = new Map<number, number>();
  for (const id of idsOf(leases)) shares.set(id, (shares.get(id) ?? 0) + 1);
  return [...shares].toSorted(([one], [other]) => one - other).map(([, count]) => count);
}

/** Whether a holder's share is of a given connection. */
function sends(leases: readonly Shared[]): number[] {
  const connections = new Set(leases.map(({ connection }) => connection));
  return [...connections].map(({ counts }) => counts.send);
}

async function runOnEach(leases: readonly Shared[], times = 1): Promise<void> {
  for (const { connection } of leases) {
    for (let count = 0; count < times; count++) await connection.run("select 1");
  }
}

// Which connection

test("A driver whose connections cannot be shared gives each a connection of its own (H-01, H-15, A-08)", async () => {
  const { driver, pool } = setup({ max: 35, maxShared: 5 });
  const leases = await share(pool, 35);
  assertEquals(new Set(idsOf(leases)).size, 35);
  for (const lease of leases) lease.release();
  assertCounts(pool, { total: 35, idle: 35 });
  assertEquals(driver.counts.open, 35);
});

test("Shares are of new connections first, then of the one with the fewest (H-03, H-04, H-07, H-09)", async () => {
  const { driver, pool } = sharing({ maxShared: 2 });
  const leases = await share(pool, 4);
  assertEquals(idsOf(leases), [1, 2, 1, 2]);
  assertCounts(pool, { total: 2, used: 2, shared: 2, sharedLeases: 4 });
  must(leases[1]).release();
  assertEquals(idsOf(await share(pool, 1)), [2]);
  assertEquals(driver.counts.open, 2);
});

test("Idle connections are not shared beyond maxShared: they are left to who wants one alone (H-05)", async () => {
  const { pool } = sharing({ maxShared: 1, max: 3 });
  for (const lease of await take(pool, 3)) lease.release();
  assertEquals(new Set(idsOf(await share(pool, 3))).size, 1);
  assertCounts(pool, { total: 3, used: 1, idle: 2, shared: 1, sharedLeases: 3 });
});

test("A lease is never of a shared connection, nor a share of a lent one (H-06, H-26)", async () => {
  const { pool } = sharing({ maxShared: 3, max: 20 });
  const leases = [];
  const shares = [];
  for (let count = 0; count < 10; count++) {
    leases.push(await pool.acquire());
    shares.push(await pool.acquireShared());
  }
  assertCounts(pool, { total: 13, used: 13, shared: 3, sharedLeases: 10 });
  const lent = new Set(leases.map(({ connection }) => connection.id));
  assertEquals([lent.size, idsOf(shares).filter((id) => lent.has(id))], [10, []]);
  assertEquals(sharesOf(shares), [4, 3, 3]);
});

test("100 shares of two connections are 50 of each (Q-04, Q-15, V17)", async () => {
  const { driver, pool } = sharing({ max: 2, maxShared: 2 });
  const leases = await share(pool, 100);
  assertEquals([sharesOf(leases), driver.counts.open], [[50, 50], 2]);
});

test("35 shares of five connections are seven of each, and so are their statements (H-13, V15)", async () => {
  const { driver, pool } = sharing({ max: 5, maxShared: 5 });
  for (let round = 0; round < 3; round++) {
    const leases = await take(pool, 5);
    for (const { connection } of leases) await connection.run("select 1");
    for (const lease of leases) lease.release();
  }
  const leases = await share(pool, 35);
  await runOnEach(leases);
  assertEquals(sharesOf(leases), [7, 7, 7, 7, 7]);
  assertEquals([sends(leases), driver.counts.open], [[10, 10, 10, 10, 10], 5]);
});

test("Shares that are given back unevenly are evened out by the next (H-14, V14)", async () => {
  const { driver, pool } = sharing({ max: 5, maxShared: 5 });
  const leases = await share(pool, 35);
  await runOnEach(leases, 3);
  assertEquals(sends(leases), [21, 21, 21, 21, 21]);
  const dropped = new Set([3, 8, 33, 12, 17, 34]);
  for (const index of dropped) must(leases[index]).release();
  const left = leases.filter((_, index) => !dropped.has(index));
  assertEquals(sharesOf(left), [7, 7, 5, 4, 6]);
  await runOnEach(left);
  const more = await share(pool, 6);
  await runOnEach(more);
  const all = [...left, ...more];
  assertEquals([sharesOf(all), sends(all)], [[7, 7, 7, 7, 7], [28, 28, 28, 28, 28]]);
  for (const lease of all) lease.release();
  assertCounts(pool, { total: 5, idle: 5 });
  assertEquals(driver.counts.open, 5);
});

// Limits

test("Where all connections are lent there is nothing to share: refused at once, or one waits (H-24)", async () => {
  const { clock, pool } = sharing({ max: 2, maxShared: 2 });
  const [lease] = await take(pool, 2);
  const error: unknown = await pool.acquireShared({ timeoutMs: 0 }).catch((error) => error);
  assertInstanceOf(error, TooManyConnectionsError);
  const waiting = watch(pool.acquireShared());
  await clock.settle();
  assertEquals(waiting.state, "pending");
  must(lease).release();
  await clock.settle();
  assertEquals(waiting.state, "fulfilled");
});

test("At the limit one may still share, though nobody gets a connection alone (H-25)", async () => {
  const { driver, pool } = sharing({ max: 3, maxShared: 1 });
  const shares = await share(pool, 1);
  await take(pool, 2);
  const error: unknown = await pool.acquire({ timeoutMs: 0 }).catch((error) => error);
  assertInstanceOf(error, TooManyConnectionsError);
  shares.push(await pool.acquireShared({ timeoutMs: 0 }));
  assertEquals([sharesOf(shares), driver.peak], [[2], 3]);
});

test("Sharing opens nothing above max: where fewer than maxShared are shared and max is reached, one shares (H-23, A-07)", async () => {
  const { driver, pool } = sharing({ max: 2, maxShared: 2 });
  await pool.acquire();
  const shares = await share(pool, 3);
  assertEquals([sharesOf(shares), driver.peak], [[3], 2]);
  assertCounts(pool, { total: 2, used: 2, shared: 1, sharedLeases: 3 });
});

test("maxShared raises no limit, whether connections can be shared or not: 2 stay 2 (D-10, V18)", async () => {
  for (const kind of ["multiplex", "exclusive"] as const) {
    const { clock, driver, pool } = setup({ max: 2, maxShared: 5 }, {}, { sharing: kind });
    const shares = Array.from({ length: 5 }, () => watch(pool.acquireShared()));
    await clock.settle();
    const served = shares.filter(({ state }) => state === "fulfilled").length;
    assertEquals([pool.stats().max, driver.peak, served], [2, 2, kind === "multiplex" ? 5 : 2]);
  }
});

const BURSTS: readonly (readonly [min: number, most: number, shared: number])[] = [
  [0, 2, 3],
  [0, 3, 2],
];

for (const [minIdle, maxIdle, maxShared] of BURSTS) {
  test(`A burst of ten shares takes ${maxShared} connections, of which ${Math.min(maxIdle, maxShared)} stay (H-36)`, async () => {
    const { clock, driver, pool } = sharing({ minIdle, maxIdle, maxShared });
    const leases = await share(pool, 10);
    assertEquals(sharesOf(leases).length, maxShared);
    for (const lease of leases) lease.release();
    await clock.settle();
    assertCounts(pool, { total: Math.min(maxIdle, maxShared), idle: Math.min(maxIdle, maxShared) });
    assertEquals(driver.counts.open, maxShared);
  });
}

// Readers

test("Readers have one read-only connection in common, opened when the first comes, closed to who wants to write (A-09)", async () => {
  const { driver, pool } = setup({ maxShared: 1 }, {}, { sharing: "multiplex", readers: true });
  assertEquals(driver.counts.connect, 0);
  const readers = await share(pool, 3);
  const writer = await pool.acquire();
  assertEquals(readers.map(({ connection }) => connection.readOnly), [true, true, true]);
  assertEquals([idsOf(readers), writer.connection.readOnly, writer.connection.id], [
    [1, 1, 1],
    false,
    2,
  ]);
  // One budget for both kinds.
  assertCounts(pool, { total: 2, used: 2, shared: 1, sharedLeases: 3 });
});

test("The readers' connection is within max: with room for one connection they wait for the writer, and he for them (A-07)", async () => {
  const { clock, driver, pool } = setup({ max: 1, maxShared: 1 }, {}, {
    sharing: "multiplex",
    readers: true,
  });
  const writer = await pool.acquire();
  const readers = [watch(pool.acquireShared()), watch(pool.acquireShared())];
  await clock.settle();
  assertEquals([readers.map(({ state }) => state), driver.open], [["pending", "pending"], 1]);
  writer.release();
  await clock.settle();
  assertEquals(readers.map(({ value }) => value?.connection.id), [2, 2]);
  const next = watch(pool.acquire());
  for (const { value } of readers) must(value).release();
  await clock.settle();
  assertEquals([next.value?.connection.readOnly, driver.peak], [false, 1]);
});

test("A reader may not write: the server refuses, whatever the text, and nobody else notices (A-14)", async () => {
  const { driver, pool } = setup({ maxShared: 1 }, {}, { sharing: "multiplex", readers: true });
  const [first, second] = await share(pool, 2);
  const error: unknown = await must(first).connection.run("write a").catch((error) => error);
  assertEquals([driver.classify(error), driver.applied], ["statement", []]);
  assertEquals([await must(second).connection.run("count"), must(second).lost], ["0", false]);
});

test("Where nothing is shared a reader has a connection of its own, with no more verbs than others (A-13)", async () => {
  const { clock, driver, pool } = setup({ max: 1 }, {}, { sharing: "multiplex" });
  const [reader] = await share(pool, 1);
  assertEquals([must(reader).shared, pool.stats().sharing], [false, false]);
  for (const verb of ["commit", "rollback", "destroy"]) assertEquals(verb in must(reader), false);
  const next = watch(pool.acquire());
  await must(reader).connection.run("begin");
  must(reader).release();
  await clock.settle();
  assertEquals([next.value?.connection.id, driver.counts.reset], [1, 1]);
});

// Giving back

test("A share that is given back touches no other; the last one frees the connection (H-10, H-11, H-12, Q-06, A-10)", async () => {
  const { clock, driver, pool } = sharing({ max: 1, maxShared: 1, reset: "session" });
  const [first, second, third] = await share(pool, 3);
  assert(first !== undefined && second !== undefined && third !== undefined);
  const running = watch(second.connection.run("sleep 100"));
  const exclusive = watch(pool.acquire());
  first.release();
  first.release();
  third.release();
  assertThrows(() => first.connection, LeaseReleasedError);
  await clock.advance(100);
  // Neither cleaned nor lent to who waits for it alone.
  assertEquals([running.state, driver.counts.reset, exclusive.state], ["fulfilled", 0, "pending"]);
  assertCounts(pool, { total: 1, used: 1, waiters: 1, shared: 1, sharedLeases: 1 });
  second.release();
  await clock.settle();
  assertEquals([exclusive.state, driver.counts.open], ["fulfilled", 1]);
});

test("A share is given back at the end of its block (H-34)", async () => {
  const { clock, pool } = sharing({ maxShared: 1 });
  {
    using lease = await pool.acquireShared();
    assertEquals(await lease.connection.run("select 1"), "1");
    await using other = await pool.acquireShared();
    assertEquals(idsOf([lease, other]), [1, 1]);
    assertCounts(pool, { total: 1, used: 1, shared: 1, sharedLeases: 2 });
  }
  await clock.settle();
  assertCounts(pool, { total: 1, idle: 1 });
});

// Transactions

test("A share has no verbs for the session that others have too: no transaction, no destroying (H-19, H-20)", async () => {
  const { pool } = sharing({ maxShared: 1 });
  const [lease] = await share(pool, 1);
  assert(lease !== undefined);
  for (const verb of ["begin", "commit", "rollback", "transaction", "destroy"]) {
    assertEquals(verb in lease, false, verb);
  }
});

test("A connection on which a holder has begun a transaction gets no more shares until that is over (H-16, H-18)", async () => {
  const { pool } = sharing({ maxShared: 2, max: 2 });
  const [first, second] = await share(pool, 2);
  assert(first !== undefined && second !== undefined);
  await first.connection.run("begin");
  assertEquals(idsOf(await share(pool, 2)), [2, 2]);
  await first.connection.run("rollback");
  assertEquals(idsOf(await share(pool, 1)), [1]);
});

test("Where all shared connections are in transactions one of its own is opened, if there is room (H-17)", async () => {
  const { pool } = sharing({ maxShared: 1, max: 2 });
  const [first] = await share(pool, 1);
  await must(first).connection.run("begin");
  const [second] = await share(pool, 1);
  assertEquals(idsOf(await share(pool, 0)), []);
  assertEquals(must(second).connection === must(first).connection, false);
});

test("Who waits for a shared connection in a transaction is served when its holder leaves, rolled back (H-20, H-21, H-22)", async () => {
  const { clock, driver, pool } = sharing({ max: 1, maxShared: 1 });
  const [holder] = await share(pool, 1);
  await must(holder).connection.run("begin");
  await must(holder).connection.run("write a");
  const waiting = watch(pool.acquireShared());
  await clock.settle();
  assertEquals(waiting.state, "pending");
  must(holder).release();
  await clock.settle();
  assertEquals(must(waiting.value).connection.id, 1);
  assertEquals([driver.applied, driver.counts.reset], [[], 1]);
});

// Loss and wear

test("A shared connection that was quiet is asked before one more gets it; without an answer its holders keep it (H-27)", async () => {
  const { clock, driver, pool } = sharing({ max: 1, maxShared: 1 });
  const [first] = await share(pool, 1);
  await clock.advance(2_000);
  const second = watch(pool.acquireShared());
  await clock.settle();
  assertEquals([second.value?.connection.id, driver.counts.ping], [1, 1]);
  await clock.advance(2_000);
  driver.refuse("ping", 1);
  const third = watch(pool.acquireShared());
  await clock.settle();
  // It may only be slow: nothing is replaced under those who use it.
  assertEquals([third.state, driver.counts.ping, driver.counts.connect], ["pending", 2, 1]);
  for (const lease of [must(first), must(second.value)]) {
    assertEquals([await lease.connection.run("select 1"), lease.lost], ["1", false]);
    lease.release();
  }
  await clock.settle();
  assertEquals([must(third.value).connection.id, driver.peak], [2, 1]);
});

test("A lost shared connection is lost for all who share it, and none of them is moved to another (H-28, A-11)", async () => {
  const { driver, pool } = sharing({ max: 1, maxShared: 1 });
  const leases = await share(pool, 3);
  const { connection } = must(leases[0]);
  driver.break(connection);
  assertEquals(leases.map(({ lost }) => lost), [true, true, true]);
  const [next] = await share(pool, 1);
  assertEquals(must(next).connection.id, 2);
  assertEquals(leases.map((lease) => lease.connection === connection), [true, true, true]);
  for (const lease of leases) lease.release();
  assertEquals(await must(next).connection.run("select 1"), "1");
  assertCounts(pool, { total: 1, used: 1, shared: 1, sharedLeases: 1 });
});

test("close() waits for all who share a connection, closes it once, and the counts come to nought (H-30, H-31)", async () => {
  const { clock, driver, pool } = sharing({ max: 2, maxShared: 1 });
  const leases = await share(pool, 3);
  const closing = watch(pool.close());
  for (const lease of leases.slice(1)) lease.release();
  await clock.settle();
  assertEquals([closing.state, await must(leases[0]).connection.run("select 1")], ["pending", "1"]);
  must(leases[0]).release();
  must(leases[0]).release();
  await clock.settle();
  assertEquals([closing.state, driver.counts.close, driver.open], ["fulfilled", 1, 0]);
  assertCounts(pool, {});
});

test("A share that outlives close() is dead: nothing is opened for it again (H-32)", async () => {
  const { clock, driver, pool } = sharing({ max: 2, maxShared: 1 });
  const [lease] = await share(pool, 1);
  const closing = pool.close({ timeoutMs: 100 });
  await clock.advance(100);
  await closing;
  const { connection, lost } = must(lease);
  const error: unknown = await connection.run("select 1").catch((error) => error);
  assertEquals([lost, driver.classify(error), driver.counts.connect], [true, "lost", 1]);
  must(lease).release();
  assertCounts(pool, {});
});
