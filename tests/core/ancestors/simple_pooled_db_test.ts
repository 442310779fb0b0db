/** What DBUtils' SimplePooledDB does, as far as it is safe, on `new Pool(driver, { max: n })`. */

import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { LeaseReleasedError, PoolClosedError } from "../../../src/core/errors.ts";
import { Pool } from "../../../src/core/pool.ts";
import { FakeDriver } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { eventsOf, idOf, take } from "./leases.ts";

test("A simple pool of n has n connections: a third borrower of two gets the one that comes back (Q-03, Q-17)", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const [first, second] = [await pool.acquire(), await pool.acquire()];
  const third = watch(pool.acquire());
  await clock.advance(100);
  assertEquals(third.state, "pending");
  const { connection } = second;
  second.release();
  await clock.settle();
  assertStrictEquals(third.value?.connection, connection);
  assertEquals([first.connection === connection, driver.counts.open], [false, 2]);
});

test("A simple pool takes a connection back once, and its holder is told when it goes on (Q-05, Q-07)", async () => {
  const { driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  lease.release();
  lease.release();
  assertThrows(() => lease.connection, LeaseReleasedError);
  const again = await pool.acquire();
  assertCounts(pool, { total: 1, used: 1 });
  assertEquals([idOf(again), driver.counts.open], [1, 1]);
});

test("A simple pool rolls back what was left: the next borrower finds no transaction, nothing of it is in force (Q-08)", async () => {
  const { driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  await lease.connection.run("write a");
  lease.release();
  const next = await pool.acquire();
  assertEquals([idOf(next), driver.status(next.connection)], [1, "idle"]);
  assertEquals([driver.applied, eventsOf(driver, "reset")], [[], ["reset rollback"]]);
});

test("A simple pool lends the same connections again: statements add up to 5 + 3 on one, 8 on the other (Q-09)", async () => {
  const { driver, pool } = setup({ max: 2 });
  for (const [ones, others] of [[5, 4], [3, 4]] as const) {
    const [first, second] = await take(pool, 2);
    for (let count = 0; count < ones; count++) await must(first).connection.run("select 1");
    for (let count = 0; count < others; count++) await must(second).connection.run("select 1");
    // What came back last is the first to be lent again.
    must(second).release();
    must(first).release();
  }
  assertEquals(driver.connections.map(({ counts }) => counts.send), [8, 8]);
  assertEquals(driver.counts.open, 2);
});

test("A simple pool heals: a connection that died is replaced, not lent for ever (Q-10)", async () => {
  const { driver, pool } = setup({ max: 2 });
  for (const lease of await take(pool, 2)) lease.release();
  for (const connection of driver.connections) driver.break(connection);
  const leases = await take(pool, 2);
  for (const lease of leases) assertEquals(await lease.connection.run("select 1"), "1");
  assertEquals([leases.map(idOf), driver.open, driver.peak], [[3, 4], 2, 2]);
});

test("A simple pool of no connections is refused: nobody would ever be served (Q-11)", () => {
  const driver = new FakeDriver();
  for (const max of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => new Pool(driver, { max }), RangeError, "max must be an integer >= 1");
  }
});

test("A simple pool can be closed: its connections are, and nobody is lent any more (Q-14)", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  for (const lease of await take(pool, 2)) lease.release();
  await pool.close();
  assertEquals([driver.open, driver.counts.close, clock.pending], [0, 2, 0]);
  assertInstanceOf(await pool.acquire().catch((error) => error), PoolClosedError);
});
