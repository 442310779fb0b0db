import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { ScopeError } from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { PoolOptions } from "../../../src/core/options.ts";
import type { Scope } from "../../../src/core/scope.ts";
import { contextVariable, root } from "../../../src/runtime/async_context.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { assertCounts, type Setup, setup as plain, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

const setup = (options: Omit<PoolOptions, "clock"> = {}): Setup =>
  plain({ context: { contextVariable, root }, ...options });

const say = (text: string) => (lease: Lease<FakeConnection>) => lease.connection.run(text);

test("a context's scopes have the same connection, with its session, until it is ended (P-03, P-04, P-06, P-25, Y-03, Y-10)", async () => {
  const { driver, pool } = setup({ max: 2 });
  const worker = pool.persistent({ name: "worker" });
  assertEquals([worker.name, worker.ended, driver.counts.connect], ["worker", false, 0]);
  await worker.scope(() => pool.use(say("set k v")));
  assertCounts(pool, { total: 1, used: 1 });
  assertEquals(pool.inspect().map(({ label }) => label), ["worker"]);
  const other = await pool.use(({ epoch }) => epoch);
  const [value, epoch] = await worker.scope(async (scope) => [
    await pool.use(say("show k")),
    scope.epoch,
  ]);
  assertEquals([value, epoch, other], ["v", 1, 2]);
  worker.end();
  worker.end();
  assertCounts(pool, { total: 2, idle: 2 });
  await assertRejects(() => worker.scope(() => {}), ScopeError, '"worker"');
});

test("contexts of the same name have nothing in common: none inherits another's transaction (Y-12, Y-20)", async () => {
  const { driver, pool } = setup({ max: 3 });
  await using first = pool.persistent({ name: "same" });
  await using second = pool.persistent({ name: "same" });
  const begin = async (scope: Scope<FakeConnection>) => {
    await scope.use(say("begin")).catch(() => {});
    return scope.epoch;
  };
  assertEquals([await first.scope(begin), await second.scope(begin)], [1, 2]);
  first.end();
  await using third = pool.persistent({ name: "same" });
  await third.scope((scope) => scope.use(say("write a")));
  assertEquals(driver.applied, ["a"]);
});

test("nothing is left open between two scopes of a context (P-21, P-22)", async () => {
  const told: string[] = [];
  const { clock, driver, pool } = setup({
    max: 1,
    observer: { leftOpen: ({ scope, kind }) => void told.push(`${scope}: ${kind}`) },
  });
  await using worker = pool.persistent({ name: "worker" });
  await worker.scope(async (scope) => {
    const lease = await scope.acquire();
    await lease.connection.run("begin");
    await lease.connection.run("write a");
  });
  await worker.scope((scope) => scope.use(say("write b")));
  await clock.settle(1_000);
  assertEquals([driver.applied, told, driver.counts.connect], [["b"], ["worker: lease"], 1]);
});

test("scopes of a context run one at a time, in the order asked for; one within another is part of it", async () => {
  const { clock, pool } = setup({ max: 1 });
  const worker = pool.persistent();
  const order: string[] = [];
  const turns = ["a", "b"].map((name) =>
    worker.scope(async (outer) => {
      order.push(`${name} in`);
      await worker.scope(async (inner) => {
        assertEquals(inner, outer);
        await pool.use(say("sleep 5"));
      });
      order.push(`${name} out`);
    })
  );
  const third = watch(worker.scope(() => new Promise(() => {})));
  const fourth = watch(worker.scope(() => {}));
  await clock.advance(20);
  await Promise.all(turns);
  assertEquals(order, ["a in", "a out", "b in", "b out"]);
  assertEquals([third.state, fourth.state], ["pending", "pending"]);
  worker.end();
  await clock.settle(1_000);
  assertInstanceOf(fourth.error, ScopeError);
  assertEquals(pool.stats().used, 0);
});

test("a connection that is lost between two scopes is replaced (Z-10, P-32)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  await using worker = pool.persistent();
  const epoch = (scope: Scope<FakeConnection>) => scope.use((lease) => lease.epoch);
  assertEquals(await worker.scope(epoch), 1);
  for (const connection of driver.connections) driver.break(connection);
  await clock.settle(1_000);
  const second = watch(worker.scope(epoch));
  await clock.advance(1_000);
  assertEquals(second.value, 2);
});

test("a connection that a context did not use for long is asked for a sign of life, and replaced if there is none", async () => {
  const checks: boolean[] = [];
  const { clock, driver, pool } = setup({
    max: 1,
    checkAfterIdleMs: 500,
    checkTimeoutMs: 100,
    observer: { checked: ({ ok }) => void checks.push(ok) },
  });
  await using worker = pool.persistent();
  const epoch = (scope: Scope<FakeConnection>) => scope.use((lease) => lease.epoch);
  const later = async (): Promise<unknown> => {
    const run = watch(worker.scope(epoch));
    await clock.advance(200);
    return run.value;
  };
  assertEquals([await later(), await later(), checks], [1, 1, []]);
  await clock.advance(500);
  assertEquals([await later(), checks], [1, [true]]);
  await clock.advance(500);
  driver.hold("ping");
  assertEquals([await later(), checks], [2, [true, false]]);
  assertCounts(pool, { total: 1, used: 1 });
});

test("a scope of a context that ends while its connection is asked leaves that to the next one", async () => {
  const { clock, driver, pool } = setup({ max: 1, checkAfterIdleMs: 500, checkTimeoutMs: 100 });
  await using worker = pool.persistent();
  const epoch = (scope: Scope<FakeConnection>) => scope.use((lease) => lease.epoch);
  await worker.scope(epoch);
  await clock.advance(500);
  driver.hold("ping");
  const first = watch(worker.scope((scope) => {
    const using = epoch(scope);
    scope.end();
    return using;
  }));
  await clock.advance(200);
  assertInstanceOf(first.error, ScopeError);
  const second = watch(worker.scope(epoch));
  await clock.advance(200);
  assertEquals(second.value, 2);
});

test("a scope of a context that ends while another connection is opened for it waits no more", async () => {
  const { clock, driver, pool } = setup({ max: 1, checkAfterIdleMs: 500, checkTimeoutMs: 100 });
  await using worker = pool.persistent();
  await worker.scope((scope) => scope.use(say("set k v")));
  await clock.advance(500);
  driver.hold("ping");
  driver.hold("connect");
  let ending: Scope<FakeConnection> | undefined;
  const first = watch(worker.scope((scope) => {
    ending = scope;
    return scope.use(say("set k v"));
  }));
  await clock.advance(200);
  assertEquals([pool.stats().waiters, first.error], [1, undefined]);
  ending?.end();
  await clock.settle();
  assertEquals(pool.stats().waiters, 0);
  assertInstanceOf(first.error, ScopeError);
});

test("a context that is ended while its scope runs ends that, too", async () => {
  const { clock, pool } = setup();
  const worker = pool.persistent();
  const late = watch(worker.scope(async (scope) => {
    await scope.use(say("select 1"));
    worker.end();
    await scope.use(say("select 2"));
  }));
  await clock.settle(1_000);
  assertInstanceOf(late.error, ScopeError);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("a pool that closes does not wait for contexts that are not in use, and lends to them again when it is open (P-30, Y-17)", async () => {
  const { clock, pool } = setup();
  const [idle, busy] = [pool.persistent(), pool.persistent()];
  await idle.scope((scope) => scope.use(say("select 1")));
  const working = watch(busy.scope(async (scope) => {
    await scope.use(say("sleep 20"));
  }));
  await clock.advance(10);
  const closed = watch(pool.close({ timeoutMs: 1_000 }));
  await clock.advance(10);
  assertEquals([closed.state, working.state], ["fulfilled", "fulfilled"]);
  await pool.open();
  assertEquals(await idle.scope((scope) => scope.use(say("select 2"))), "2");
  idle.end();
  busy.end();
  await pool.close();
});

test("without async-local storage a context's scopes work on their own (X-19)", async () => {
  const { pool } = plain();
  using worker = pool.persistent();
  assertEquals(worker.name, "context-1");
  await worker.scope((scope) => scope.use(say("set k v")));
  assertEquals(await worker.scope((scope) => scope.use(say("show k"))), "v");
  assertThrows(() => pool.persistent({ name: "" }), TypeError, "Cannot make a context as name");
});
