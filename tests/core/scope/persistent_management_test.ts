/** What the pool's limits and its management handle mean for connections that stay with a context. */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { AcquireTimeoutError } from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { PoolObserver } from "../../../src/core/observer.ts";
import type { PoolOptions } from "../../../src/core/options.ts";
import type { PersistentContext } from "../../../src/core/persistent_context.ts";
import { contextVariable, root } from "../../../src/runtime/async_context.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { assertCounts, type Setup, setup as plain, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

/** A pool in virtual time, and why it closed which connection. */
interface ToldSetup extends Setup {
  readonly closed: string[];
}

function setup(
  options: Omit<PoolOptions, "clock"> = {},
): ToldSetup {
  const closed: string[] = [];
  const observer: PoolObserver = {
    closed: ({ epoch, reason }) => void closed.push(`${epoch} ${reason}`),
    ...options.observer,
  };
  const made = plain({ context: { contextVariable, root }, ...options, observer });
  return { ...made, closed };
}

const say = (text: string) => (lease: Lease<FakeConnection>) => lease.connection.run(text);

/** Number of the connection that a context has in a scope of its own. */
const epochOf = (context: PersistentContext<FakeConnection>): Promise<number> =>
  context.scope((scope) => scope.use((lease) => lease.epoch));

test("a context's connection that has lived as long as it may is closed between two scopes, and replaced at next use (P-16, S-14)", async () => {
  const { clock, pool, closed } = setup({ max: 1, maxLifetimeMs: 10_000 });
  await using worker = pool.persistent();
  assertEquals(await epochOf(worker), 1);
  await clock.advance(10_000);
  assertEquals(closed, ["1 worn"]);
  assertCounts(pool, {});
  const next = watch(epochOf(worker));
  await clock.advance(100);
  assertEquals(next.value, 2);
});

test("a context's connection that grows too old under a scope stays until that is over", async () => {
  const { clock, pool, closed } = setup({ max: 1, maxLifetimeMs: 10_000 });
  await using worker = pool.persistent();
  const working = watch(worker.scope(async (scope) => {
    await scope.use(say("set k v"));
    await scope.use(say("sleep 20000"));
    return await scope.use(say("show k"));
  }));
  await clock.advance(19_000);
  assertEquals([working.state, closed], ["pending", []]);
  await clock.advance(2_000);
  assertEquals([working.value, closed], ["v", ["1 worn"]]);
});

test("while the server cannot be had an old connection stays with its context: it is better than none", async () => {
  const { clock, driver, pool, closed } = setup({
    max: 2,
    maxLifetimeMs: 10_000,
    checkAfterIdleMs: Infinity,
  });
  await using worker = pool.persistent();
  assertEquals(await epochOf(worker), 1);
  driver.refuse("connect");
  const waiting = watch(pool.acquire({ timeoutMs: 60_000 }));
  await clock.advance(20_000);
  assertEquals([waiting.state, closed], ["pending", []]);
  driver.restore();
  await clock.advance(60_000);
  assertEquals([waiting.state, closed], ["fulfilled", ["1 worn"]]);
  waiting.value?.release();
});

test("each scope that has it is a use of a context's connection (P-16)", async () => {
  const { clock, pool, closed } = setup({ max: 1, maxUses: 3 });
  await using worker = pool.persistent();
  const seen: (number | undefined)[] = [];
  for (let scope = 0; scope < 7; scope++) {
    const run = watch(epochOf(worker));
    await clock.advance(10);
    seen.push(run.value);
  }
  assertEquals(seen, [1, 1, 1, 2, 2, 2, 3]);
  assertEquals(closed, ["1 worn", "2 worn"]);
  assertEquals(pool.inspect().map(({ uses }) => uses), [1]);
});

test("evict() closes the connections of contexts that are between two scopes, and that of a running one when it is over", async () => {
  const { clock, pool, closed } = setup({ max: 2 });
  await using idle = pool.persistent({ name: "idle" });
  await using busy = pool.persistent({ name: "busy" });
  assertEquals(await epochOf(idle), 1);
  const working = watch(busy.scope(async (scope) => {
    await scope.use(say("set k v"));
    await scope.use(say("sleep 100"));
    return await scope.use(say("show k"));
  }));
  await clock.advance(50);
  pool.evict();
  await clock.settle();
  assertEquals(closed, ["1 evicted"]);
  await clock.advance(100);
  assertEquals([working.value, closed], ["v", ["1 evicted", "2 evicted"]]);
  const both = watch(Promise.all([epochOf(idle), epochOf(busy)]));
  await clock.advance(100);
  assertEquals(both.value?.toSorted(), [3, 4]);
});

test("evict() of what a filter names leaves the connections of other contexts with them", async () => {
  const { clock, pool, closed } = setup({ max: 2 });
  await using one = pool.persistent({ name: "one" });
  await using other = pool.persistent({ name: "other" });
  assertEquals([await epochOf(one), await epochOf(other)], [1, 2]);
  pool.evict(({ label }) => label === "one");
  await clock.settle();
  assertEquals(closed, ["1 evicted"]);
  const both = watch(Promise.all([epochOf(one), epochOf(other)]));
  await clock.advance(100);
  assertEquals(both.value, [3, 2]);
});

test("evict() while a context's connection is asked for a sign of life has it replaced", async () => {
  const { clock, driver, pool, closed } = setup({ max: 1, checkAfterIdleMs: 500 });
  await using worker = pool.persistent();
  assertEquals(await epochOf(worker), 1);
  await clock.advance(500);
  driver.hold("ping");
  const next = watch(epochOf(worker));
  await clock.settle();
  pool.evict();
  for (const call of driver.held("ping")) call.answer();
  await clock.advance(100);
  assertEquals([next.value, closed], [2, ["1 evicted"]]);
});

test("a context between two scopes keeps no connection of a generation that has ended", async () => {
  const { clock, pool, closed } = setup({ max: 2 });
  await using worker = pool.persistent();
  assertEquals(await epochOf(worker), 1);
  pool.condemn();
  await clock.settle();
  assertEquals(closed, ["1 condemned"]);
  const next = watch(epochOf(worker));
  await clock.advance(1_000);
  assertEquals(next.value, 2);
});

test("a loss elsewhere has a context's connection asked for a sign of life before it is used again, once", async () => {
  const checks: boolean[] = [];
  const { clock, driver, pool } = setup({
    max: 2,
    checkAfterIdleMs: Infinity,
    checkTimeoutMs: 100,
    observer: { checked: ({ ok }) => void checks.push(ok) },
  });
  await using worker = pool.persistent();
  assertEquals(await epochOf(worker), 1);
  const other = await pool.acquire();
  driver.break(other.connection);
  other.release();
  const [second, third] = [watch(epochOf(worker)), watch(epochOf(worker))];
  await clock.advance(100);
  assertEquals([second.value, third.value, checks], [1, 1, [true]]);
});

test("what a context's connection does not answer when it is asked is a loss for the pool, too", async () => {
  const { clock, driver, pool, closed } = setup({
    max: 2,
    checkAfterIdleMs: 500,
    checkTimeoutMs: 100,
  });
  await using worker = pool.persistent();
  assertEquals(await epochOf(worker), 1);
  await pool.use(say("select 1"));
  await clock.advance(500);
  driver.hold("ping", 1);
  const next = watch(epochOf(worker));
  // The other one is older than the loss: it has to answer first.
  await clock.advance(100);
  assertEquals([next.value, closed], [2, ["1 unanswered"]]);
  assertEquals(driver.counts.ping, 2);
});

test("resize() takes the connections of contexts between two scopes as far as there are too many, the one unused for longest first", async () => {
  const { clock, pool, closed } = setup({ max: 4 });
  await using early = pool.persistent();
  await using late = pool.persistent();
  const lease = await pool.acquire();
  await pool.use(say("select 1"));
  assertEquals([await epochOf(late), await epochOf(early)], [2, 3]);
  await clock.advance(10);
  assertEquals(await epochOf(late), 2);
  pool.resize(2);
  await clock.settle();
  assertEquals(closed, ["3 resized"]);
  await clock.advance(100);
  const third = watch(epochOf(early));
  await clock.advance(100);
  assertEquals([await epochOf(late), third.state], [2, "pending"]);
  lease.release();
  await clock.advance(100);
  assertEquals(third.value, 1);
});

test("resize() under a scope takes its connection when that is over", async () => {
  const { clock, pool, closed } = setup({ max: 2 });
  await using worker = pool.persistent();
  const lease = await pool.acquire();
  const working = watch(worker.scope((scope) => scope.use(say("sleep 100"))));
  await clock.advance(50);
  pool.resize(1);
  assertEquals(closed, []);
  await clock.advance(100);
  assertEquals([working.state, closed], ["fulfilled", ["2 resized"]]);
  lease.release();
});

test("while the pool is suspended a context goes on with the connection that it has, however worn, and gets no other", async () => {
  const { clock, pool, closed } = setup({ max: 2, maxLifetimeMs: 10_000, acquireTimeoutMs: 5_000 });
  await using worker = pool.persistent();
  await using other = pool.persistent();
  assertEquals(await epochOf(worker), 1);
  pool.suspend();
  const refused = watch(epochOf(other));
  await clock.advance(20_000);
  assertEquals([await epochOf(worker), closed], [1, []]);
  assertInstanceOf(refused.error, AcquireTimeoutError);
  pool.resume();
  await clock.settle();
  assertEquals(closed, ["1 worn"]);
});

test("to keep a connection between two scopes is no leak, to use it for long in one is", async () => {
  const leaked: (string | undefined)[] = [];
  const { clock, pool } = setup({
    leakAfterMs: 5_000,
    observer: { leaked: ({ label }) => void leaked.push(label) },
  });
  await using worker = pool.persistent({ name: "worker" });
  await epochOf(worker);
  await clock.advance(20_000);
  assertEquals(await epochOf(worker), 1);
  assertEquals(pool.inspect().map(({ heldMs, uses }) => [heldMs, uses]), [[0, 2]]);
  const working = watch(worker.scope((scope) => scope.use(say("sleep 20000"))));
  await clock.advance(4_000);
  assertEquals(leaked, []);
  await clock.advance(2_000);
  assertEquals(leaked, ["worker"]);
  await clock.advance(20_000);
  assertEquals(working.state, "fulfilled");
});
