/** What DBUtils' PooledDB does, as far as it is safe: its own tests and their numbers, on this pool. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  AcquireTimeoutError,
  ConnectError,
  LeaseReleasedError,
  TooManyConnectionsError,
} from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { PoolObserver } from "../../../src/core/observer.ts";
import { POOL_OPTION_NAMES } from "../../../src/core/options.ts";
import { Pool } from "../../../src/core/pool.ts";
import { SteadyConnection } from "../../../src/core/steady_connection.ts";
import { type FakeConnection, FakeDriver, FakeError } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { eventsOf, idOf, take } from "./leases.ts";

// Making a pool

test("An option that is undefined was not given, and null is refused, whichever it is (D-04)", () => {
  for (const name of POOL_OPTION_NAMES) {
    const driver = new FakeDriver();
    const { max } = new Pool(driver, { [name]: undefined }).stats();
    assertEquals(max, 10, name);
    assertThrows(() => new Pool(driver, { [name]: null }), TypeError, "Cannot create pool", name);
  }
});

// Lending

test("The connection that was used last takes all of 15 leases: the other four of 5 idle ones grow old (D-11)", async () => {
  const { driver, pool } = setup({ max: 5 });
  for (const lease of await take(pool, 5)) lease.release();
  for (let count = 0; count < 15; count++) {
    const lease = await pool.acquire();
    await lease.connection.run("select 1");
    lease.release();
  }
  assertEquals(driver.connections.map(({ counts }) => counts.send), [0, 0, 0, 0, 15]);
  assertEquals(driver.counts.open, 5);
});

test("Ten leases of a driver that can share are ten connections: an acquire is exclusive (D-42, D-43, H-02)", async () => {
  const { pool } = setup({}, {}, { sharing: "multiplex" });
  const leases = await take(pool, 10);
  assertEquals(new Set(leases.map(idOf)).size, 10);
  assertCounts(pool, { total: 10, used: 10 });
});

test("Only what was idle is asked before it is lent, as often as the option says (D-13, V9)", async () => {
  for (const [checkAfterIdleMs, perLease] of [[Infinity, 0], [0, 1]] as const) {
    const { driver, pool } = setup({ checkAfterIdleMs });
    for (let lease = 0; lease < 3; lease++) {
      (await pool.acquire()).release();
      // The first lease is of a fresh one.
      assertEquals(driver.counts.ping, lease * perLease);
    }
    assertEquals(driver.counts.open, 1);
  }
});

test("An idle connection that broke is not lent though none is ever asked: its loss is known (D-14, A-24)", async () => {
  const { driver, pool } = setup({ checkAfterIdleMs: Infinity, max: 1 });
  (await pool.acquire()).release();
  driver.break(must(driver.connections[0]));
  const lease = await pool.acquire();
  assertEquals([idOf(lease), await lease.connection.run("select 1")], [2, "1"]);
  assertEquals(driver.counts.ping, 0);
});

test("A dead connection is not lent when no other can be had either: the acquire says why (D-15)", async () => {
  const { clock, driver, pool } = setup({ checkAfterIdleMs: 0, max: 1, acquireTimeoutMs: 500 });
  (await pool.acquire()).release();
  driver.refuse("ping", 1, new FakeError("lost", "gone"));
  const cause = new FakeError("unavailable", "refused");
  driver.refuse("connect", Infinity, cause);
  const waiting = watch(pool.acquire());
  await clock.advance(500);
  assertInstanceOf(waiting.error, AcquireTimeoutError);
  assertStrictEquals(waiting.error.cause, cause);
  assertCounts(pool, {});
});

test("One borrower has two connections apart; the one it gave back is the next it gets (D-45, G-28)", async () => {
  const { driver, pool } = setup({ max: 2 });
  const [first, second] = [await pool.acquire(), await pool.acquire()];
  for (let count = 0; count < 5; count++) await first.connection.run("select 1");
  for (let count = 0; count < 7; count++) await second.connection.run("select 1");
  const id = idOf(first);
  first.release();
  const again = await pool.acquire();
  for (let count = 0; count < 3; count++) await again.connection.run("select 1");
  assertEquals(idOf(again), id);
  assertEquals(driver.connections.map(({ counts }) => counts.send), [8, 7]);
  assertEquals(driver.counts.open, 2);
});

test("Three borrowers of two connections: the third gets the one that comes back, and nothing before (D-19, D-54, G-24)", async () => {
  const { clock, pool } = setup({ max: 2 });
  const [first, second] = [await pool.acquire(), await pool.acquire()];
  const third = watch(pool.acquire());
  await clock.advance(100);
  assertEquals(third.state, "pending");
  const { connection } = second;
  second.release();
  await clock.settle();
  assertStrictEquals(third.value?.connection, connection);
  assertCounts(pool, { total: 2, used: 2 });
  first.release();
});

test("Waiters of one connection are served 0, 1, 2, 3, and a newcomer does not slip in (D-20)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const served: number[] = [];
  for (let number = 0; number < 4; number++) {
    void pool.acquire().then((lease) => {
      served.push(number);
      lease.release();
    });
  }
  lease.release();
  // The connection is on its way to who was woken: nobody can take it from there.
  assertEquals(pool.tryAcquire(), undefined);
  const newcomer = watch(pool.acquire());
  await clock.settle();
  assertEquals([served, newcomer.state, driver.counts.open], [[0, 1, 2, 3], "fulfilled", 1]);
});

test("At the limit who must not queue is refused at once and changes no count (D-18)", async () => {
  const { driver, pool } = setup({ max: 3, acquireTimeoutMs: 0 });
  const leases = await take(pool, 3);
  for (let count = 0; count < 2; count++) {
    const error: unknown = await pool.acquire().catch((error) => error);
    assertInstanceOf(error, TooManyConnectionsError);
    assertCounts(pool, { total: 3, used: 3 });
  }
  must(leases[0]).release();
  await pool.acquire();
  assertEquals(driver.counts.open, 3);
});

test("Counts tell what is lent from what is idle; all of them given back, none is lent (D-17, A-30, W-10)", async () => {
  const { pool } = setup({ max: 5 });
  const leases = await take(pool, 5);
  assertCounts(pool, { total: 5, used: 5 });
  for (const lease of leases.slice(0, 2)) lease.release();
  assertCounts(pool, { total: 5, used: 3, idle: 2 });
  for (const lease of leases) lease.release();
  assertCounts(pool, { total: 5, idle: 5 });
});

// Connecting

test("Refused connects take no place for good: three in vain, then one that works (D-22, G-17)", async () => {
  const { clock, driver, pool } = setup({ max: 2, acquireTimeoutMs: 0 }, { random: () => 0 });
  for (let count = 0; count < 3; count++) {
    const cause = new FakeError("unavailable", "refused");
    driver.refuse("connect", 1, cause);
    const error: unknown = await pool.acquire().catch((error) => error);
    assertInstanceOf(error, ConnectError);
    assertStrictEquals(error.cause, cause);
    assertCounts(pool, {});
  }
  const leases = [await pool.acquire(), await pool.acquire()];
  assertCounts(pool, { total: 2, used: 2 });
  for (const lease of leases) lease.release();
  await clock.settle();
  assertEquals([driver.counts.refuse, driver.counts.open], [3, 2]);
});

test("Connects do not wait for each other, nor do returns for connects: three of 300 ms take 300 ms (D-23)", async () => {
  const { clock, driver, pool } = setup({ max: 4 });
  const lease = await pool.acquire();
  driver.delay("connect", 300);
  const waiting = [1, 2, 3].map(() => watch(pool.acquire()));
  await clock.advance(100);
  lease.release();
  await clock.settle();
  assertEquals(waiting.map(({ state }) => state), ["fulfilled", "pending", "pending"]);
  await clock.advance(200);
  assertEquals(waiting.map(({ state }) => state), ["fulfilled", "fulfilled", "fulfilled"]);
});

test("A steady connection beside the pool is none of the pool's: it has a place of its own (D-44, P-28)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  await using steady = new SteadyConnection(driver, { clock });
  await steady.run((connection) => connection.run("select 1"));
  assertCounts(pool, {});
  const lease = await pool.acquire();
  assertCounts(pool, { total: 1, used: 1 });
  assertEquals(driver.open, 2);
  lease.release();
});

// Giving back

test("Of four pieces of work two are committed; each of the others is rolled back once, and nothing else is (D-25, D-53, V11)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const events: string[] = [];
  for (const [name, commits] of [["a", true], ["b", false], ["c", true], ["d", false]] as const) {
    const lease = await pool.acquire();
    await lease.connection.run("begin");
    await lease.connection.run(`write ${name}`);
    if (commits) await lease.connection.run("commit");
    lease.release();
    await clock.settle();
  }
  // One that did nothing.
  (await pool.acquire()).release();
  events.push(...eventsOf(driver, "apply", "reset"));
  assertEquals(events, [
    ...["begin", "write a", "commit"],
    ...["begin", "write b", "reset rollback"],
    ...["begin", "write c", "commit"],
    ...["begin", "write d", "reset rollback"],
  ]);
  assertEquals([driver.applied, driver.counts.open], [["a", "c"], 1]);
});

test("A transaction that was left is rolled back once, an untouched connection never (D-26, V12)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  lease.release();
  await clock.settle();
  (await pool.acquire()).release();
  await clock.settle();
  assertEquals([driver.counts.reset, driver.counts.open], [1, 1]);
});

test("A waiter runs between two others' work with nothing of theirs: opened once, one statement, none to clean (D-21, V13)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  (await pool.acquire()).release();
  const main = await pool.acquire();
  const thread = pool.acquire().then(async (lease) => {
    await lease.connection.run("set thread 1");
    lease.release();
  });
  await clock.advance(100);
  assertEquals(driver.counts.send, 0);
  main.release();
  await thread;
  assertEquals(eventsOf(driver, "open", "apply", "reset"), ["open", "set thread 1"]);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("What a borrower SET is left to the next; a new connection has the set-up alone (D-27, D-41)", async () => {
  const { driver, pool } = setup({ max: 1, session: ["set a 1", "set b 2"] });
  const shown = async (): Promise<string[]> => {
    const lease = await pool.acquire();
    const { connection } = lease;
    const values = [];
    for (const name of ["a", "b", "c"]) values.push(await connection.run(`show ${name}`));
    lease.release();
    return values;
  };
  const lease = await pool.acquire();
  await lease.connection.run("set c 3");
  lease.release();
  assertEquals(await shown(), ["1", "2", "3"]);
  assertEquals(driver.counts.execute, 2);
  driver.break(must(driver.connections[0]));
  assertEquals(await shown(), ["1", "2", ""]);
  assertEquals(driver.counts.execute, 4);
});

test('With reset "session" nothing is left to the next, and the set-up is done again (D-27)', async () => {
  const { clock, driver, pool } = setup({ max: 1, reset: "session", session: "set a 1" });
  const lease = await pool.acquire();
  await lease.connection.run("set a 2");
  await lease.connection.run("set c 3");
  lease.release();
  await clock.settle();
  const next = await pool.acquire();
  const { connection } = next;
  assertEquals([await connection.run("show a"), await connection.run("show c")], ["1", ""]);
  assertEquals([connection.id, driver.counts.execute], [1, 2]);
});

test("use() does not commit: what is left when the callback returns is rolled back (D-46)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  await pool.use(async ({ connection }) => {
    await connection.run("begin");
    await connection.run("write a");
  });
  await clock.settle();
  assertEquals([driver.applied, driver.counts.reset], [[], 1]);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("A rollback that fails is no error of who gave back: the observer hears of it, the place is free (D-52)", async () => {
  const told: unknown[] = [];
  const observer: PoolObserver = {
    reset: ({ epoch, level, ok }) => told.push([epoch, level, ok]),
    closed: ({ epoch, reason }) => told.push([epoch, reason]),
  };
  const { clock, driver, pool } = setup({ max: 1, observer });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  driver.refuse("reset", 1);
  lease.release();
  await clock.settle();
  assertEquals(told, [[1, "rollback", false], [1, "dirty"]]);
  assertCounts(pool, {});
});

test("A lease that was given back is gone for its holder, twice given back is once (D-33, D-34, G-26, Z-09)", async () => {
  const { driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  await lease.connection.run("select 1");
  lease.release();
  lease.release();
  assertCounts(pool, { total: 1, idle: 1 });
  assertThrows(() => lease.connection, LeaseReleasedError);
  assertThrows(() => lease.epoch, LeaseReleasedError);
  const next = await pool.acquire();
  await next.connection.run("select 1");
  // The same connection as before.
  assertEquals([next.connection.counts.send, driver.counts.open], [2, 1]);
});

// Wear

for (const [maxUses, opens] of [[Infinity, 1], [3, 7], [7, 3]] as const) {
  test(`21 leases with maxUses ${maxUses} need ${opens} connections (D-39, D-40)`, async () => {
    const { clock, driver, pool } = setup({ max: 1, maxUses });
    for (let count = 0; count < 21; count++) {
      const lease = await pool.acquire();
      // Uses count over leases, by connection.
      assertEquals(lease.epoch, Math.floor(count / maxUses) + 1);
      await lease.connection.run("select 1");
      lease.release();
      await clock.settle();
    }
    assertEquals([driver.counts.open, driver.peak], [opens, 1]);
  });
}

// The end

test("close() lets who has a lease end its work, and closes each connection as it comes back (D-47, D-50)", async () => {
  const { clock, driver, pool } = setup({ max: 10 });
  const leases: Lease<FakeConnection>[] = await take(pool, 10);
  for (const lease of leases.slice(0, 7)) lease.release();
  const closing = watch(pool.close());
  await clock.settle();
  assertEquals([driver.counts.close, closing.state], [7, "pending"]);
  for (const { connection } of leases.slice(7)) assertEquals(await connection.run("select 1"), "1");
  for (const lease of leases.slice(7)) lease.release();
  await clock.settle();
  assertEquals([driver.counts.close, driver.open, closing.state], [10, 0, "fulfilled"]);
  assert(pool.stats().total === 0);
});
