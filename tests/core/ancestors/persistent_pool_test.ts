/** What psycopg2's PersistentConnectionPool did for threads, of scopes. */

import { assertEquals, assertNotStrictEquals, assertRejects } from "@std/assert";
import { PoolClosedError, TooManyConnectionsError } from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { ContextVariable } from "../../../src/core/runtime.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, setup, watch } from "../setup.ts";
import { idOf, take } from "./leases.ts";

const say = (text: string) => (lease: Lease<FakeConnection>) => lease.connection.run(text);

test("A scope has the connection that was used last, or a new one, and keeps it (Y-03)", async () => {
  const { driver, pool } = setup({ max: 3 });
  const leases = await take(pool, 2);
  for (const lease of leases) lease.release();
  using scope = pool.openScope();
  assertEquals(await scope.use(idOf), 2);
  assertEquals(await scope.use(idOf), 2);
  using other = pool.openScope();
  using third = pool.openScope();
  assertEquals([await other.use(idOf), await third.use(idOf), driver.counts.connect], [1, 3, 3]);
});

test("A scope is known by itself, not by its name: no other of that name inherits what it left (Y-20)", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  const first = pool.openScope({ name: "140234" });
  await first.use(say("set k v"));
  const second = pool.openScope({ name: "140234" });
  assertNotStrictEquals(await first.use(idOf), await second.use(idOf));
  // Whoever ends in the middle of a transaction leaves it to nobody.
  const lease = await first.acquire();
  await lease.connection.run("begin");
  await lease.connection.run("write a");
  first.end();
  await clock.settle();
  const third = pool.openScope({ name: "140234" });
  assertEquals(await third.use(({ connection }) => driver.status(connection)), "idle");
  assertEquals(driver.applied, []);
  second.end();
  third.end();
});

test("An explicit scope is what an explicit key was: the same connection, wherever it is passed to (Y-23)", async () => {
  const { pool } = setup({ max: 2 });
  const scope = pool.openScope({ name: "import" });
  const helper = (within: typeof scope): Promise<number> => within.use(idOf);
  assertEquals(await Promise.all([helper(scope), helper(scope)]), [1, 1]);
  scope.end();
  assertCounts(pool, { total: 1, idle: 1 });
});

test("With all connections in scopes who must not wait is refused, and who may is served when one ends (Y-07)", async () => {
  const { clock, pool } = setup({ max: 1 });
  const first = pool.openScope();
  await first.use(say("select 1"));
  await assertRejects(() => pool.acquire({ timeoutMs: 0 }), TooManyConnectionsError);
  const second = pool.openScope();
  const waiting = watch(second.use(idOf));
  await clock.settle();
  assertEquals(waiting.state, "pending");
  first.end();
  await clock.settle();
  assertEquals([waiting.state, waiting.value], ["fulfilled", 1]);
  second.end();
});

test("The end of a pool is one: a scope's connection is closed as it comes back, nothing is lent any more (Y-09, Y-17)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const scope = pool.openScope();
  await scope.use(say("select 1"));
  const closed = watch(pool.close({ timeoutMs: 5_000 }));
  await clock.settle();
  assertEquals([closed.state, driver.counts.close], ["pending", 0]);
  await assertRejects(() => pool.openScope().use(idOf), PoolClosedError);
  scope.end();
  scope.end();
  await clock.settle();
  assertEquals([closed.state, driver.counts.close], ["fulfilled", 1]);
});

/** Keeps a value as long as the function runs that is given it, without any async-local storage. */
function plainVariable<T>(): ContextVariable<T> {
  let current: T | undefined;
  return {
    get: () => current,
    run(value, fn) {
      const before = current;
      current = value;
      try {
        return fn();
      } finally {
        current = before;
      }
    },
  };
}

test("Whoever keeps what belongs to a context is chosen by the pool's user (P-18)", async () => {
  const { pool } = setup({
    max: 2,
    context: { contextVariable: plainVariable, root: (fn) => fn() },
  });
  const [inside, alike] = await pool.scope(() => {
    // Within the same turn, as long as that keeper can tell.
    return Promise.all([pool.use(idOf), pool.use(idOf)]);
  });
  assertEquals([inside, alike, pool.current()], [1, 1, undefined]);
});
