/** What Zope's resource managers did for requests, of scopes. */

import { assertEquals } from "@std/assert";
import type { Lease } from "../../../src/core/lease.ts";
import { contextVariable, root } from "../../../src/runtime/async_context.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, must, setup } from "../setup.ts";
import { idOf } from "./leases.ts";

const context = { contextVariable, root };

const say = (text: string) => (lease: Lease<FakeConnection>) => lease.connection.run(text);

test("Nothing is opened before the first request; ten first ones at once share one pool and its limit (Z-01)", async () => {
  const { clock, driver, pool } = setup({ max: 3, context });
  await clock.advance(60_000);
  assertEquals([driver.counts.connect, clock.pending], [0, 0]);
  const handler = pool.scoped(() => pool.use(idOf));
  const ids = Promise.all(Array.from({ length: 10 }, () => handler()));
  await clock.settle();
  assertEquals([new Set(await ids).size, driver.counts.connect], [3, 3]);
});

test("A request that uses no connection takes none, and has nothing to give back (Z-08)", async () => {
  const { driver, pool } = setup({ max: 1, context });
  assertEquals(await pool.scoped((text: string) => text.length)("four"), 4);
  assertEquals([driver.counts.connect, pool.stats().counters.acquires], [0, 0]);
});

test("A request gives its connection back by its end alone, and once, whatever it gave back before (Z-07, Z-09)", async () => {
  const { pool } = setup({ max: 1, context });
  await pool.scope(async (scope) => {
    const lease = await pool.acquire();
    lease.release();
    lease.release();
    pool.release(lease);
    assertCounts(pool, { total: 1, used: 1 });
    scope.end();
    scope.end();
    assertCounts(pool, { total: 1, idle: 1 });
    assertEquals(await pool.outside(() => pool.use(idOf)), 1);
  });
  assertCounts(pool, { total: 1, idle: 1 });
});

test("Connections that are evicted while requests have them serve those to their end, and no others (Z-11)", async () => {
  const { driver, pool } = setup({ max: 1, context });
  await pool.scope(async () => {
    const before = await pool.use(idOf);
    pool.evict();
    assertEquals(await pool.use(idOf), before);
  });
  assertEquals(await pool.scope(() => pool.use(idOf)), 2);
  assertEquals(driver.counts.close, 1);
});

test("What a request needs of the server after its restart it has from a new connection (Z-10)", async () => {
  const { driver, pool } = setup({ max: 1, context });
  const handler = pool.scoped(() => pool.use(say("select 1")));
  await handler();
  driver.break(must(driver.connections[0]));
  assertEquals([await handler(), driver.counts.connect], ["1", 2]);
});

test("A session is set up once for each connection, not for each request nor for each use in one (Z-17)", async () => {
  let setUps = 0;
  const { pool } = setup({ max: 1, context, session: () => void setUps++ });
  for (let request = 0; request < 3; request++) {
    await pool.scope(async () => {
      for (let use = 0; use < 3; use++) await pool.use(say("select 1"));
    });
  }
  assertEquals(setUps, 1);
});

test("What is kept of a connection is with the pool: what a request keeps has nothing to be lost or revived (Z-12)", async () => {
  const { pool } = setup({ max: 1, context });
  const kept = await pool.scope(async (scope) => {
    await pool.use(say("select 1"));
    return scope;
  });
  assertEquals([kept.ended, kept.released, kept.epoch], [true, true, 0]);
  assertCounts(pool, { total: 1, idle: 1 });
});
