/** What the `webapp_pool` wrapper does, as far as it is safe: getting connections for a web application. */

import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { AcquireTimeoutError, ConnectError } from "../../../src/core/errors.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, setup, watch } from "../setup.ts";

test("A server that is back is found by who waits, with growing pauses and one connection (W-03)", async () => {
  const { clock, driver, pool } = setup({}, { random: () => 0.999 });
  driver.refuse("connect", 3);
  const waiting = watch(pool.acquire());
  await clock.advance(699);
  assertEquals([waiting.state, driver.counts.refuse], ["pending", 3]);
  await clock.advance(1);
  assertEquals([waiting.state, driver.counts.open], ["fulfilled", 1]);
  assertCounts(pool, { total: 1, used: 1 });
});

test("A wrong password is told at once, not retried in silence for ever (W-03, W-06)", async () => {
  const { clock, driver, pool } = setup();
  driver.rejectCredentials();
  const waiting = watch(pool.acquire());
  await clock.settle();
  assertInstanceOf(waiting.error, ConnectError);
  assertEquals([waiting.error.retryable, driver.counts.connect], [false, 1]);
});

test("A slip in the driver is no outage without end: it is the cause of the error at the deadline (W-05)", async () => {
  const { clock, driver, pool } = setup({ acquireTimeoutMs: 1_000 });
  const slip = new TypeError("undefined is not a function");
  driver.connect = () => {
    throw slip;
  };
  const waiting = watch(pool.acquire());
  await clock.advance(1_000);
  assertInstanceOf(waiting.error, AcquireTimeoutError);
  assertStrictEquals(waiting.error.cause, slip);
  assertEquals(clock.pending, 0);
  assertCounts(pool, {});
});

test("Who tries again after a failure has given back before: a pool of one does not lock itself up (W-07)", async () => {
  const { driver, pool } = setup({ max: 1 });
  driver.refuse("statement", 2);
  let turns = 0;
  let answer: string | undefined;
  while (answer === undefined) {
    turns++;
    answer = await pool.use(({ connection }) => connection.run("select 7")).catch(() => undefined);
  }
  assertEquals([answer, turns, driver.counts.open], ["7", 3, 1]);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("A hundred pieces of work one after the other need one connection (W-11)", async () => {
  const { driver, pool } = setup();
  for (let count = 0; count < 100; count++) {
    await pool.use(({ connection }) => connection.run("select 1"));
  }
  assertEquals([driver.counts.open, driver.counts.send], [1, 100]);
  assert(driver.peak === 1);
});
