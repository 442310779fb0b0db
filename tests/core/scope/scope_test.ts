import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  AcquireTimeoutError,
  ConnectionLostError,
  LeaseReleasedError,
  messageOf,
  PoolClosedError,
  ScopeError,
  SteadyError,
  TooManyConnectionsError,
} from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { LeftOpenEvent } from "../../../src/core/observer.ts";
import type { Scope } from "../../../src/core/scope.ts";
import { type FakeConnection, FakeError } from "../../../src/testing/mod.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

const say = (text: string) => (lease: Lease<FakeConnection>) => lease.connection.run(text);

test("openScope() takes a connection when it is first used, and keeps it (P-02, P-03, P-04, Z-02, Z-08)", async () => {
  const { driver, pool } = setup({ max: 2 });
  const scope = pool.openScope();
  assertEquals([scope.released, scope.epoch, driver.counts.connect], [true, 0, 0]);
  await scope.use(say("set k v"));
  assertCounts(pool, { total: 1, used: 1 });
  assertEquals(await scope.use(say("show k")), "v");
  assertEquals([scope.epoch, driver.counts.connect], [1, 1]);
  scope.end();
  assertCounts(pool, { total: 1, idle: 1 });
  assertEquals(scope.ended, true);
});

test("a scope without async-local storage works on its own, and is disposable (X-19)", async () => {
  const { pool } = setup();
  {
    await using scope = pool.openScope({ name: "mine" });
    await scope.use(say("select 1"));
    assertEquals([scope.name, pool.current(), pool.stats().used], ["mine", undefined, 1]);
  }
  {
    using scope = pool.openScope();
    await scope.acquire();
    assertEquals(scope.name, "scope-1");
  }
  assertCounts(pool, { total: 1, idle: 1 });
  assertThrows(() => pool.scoped(() => {}), ScopeError, "knows no runtime");
});

test("a connect that fails is not remembered (P-26)", async () => {
  const { clock, driver, pool } = setup();
  using scope = pool.openScope();
  driver.refuse("connect", 1, new FakeError("rejected", "no such database"));
  const failed = ["a", "b"].map(() => watch(scope.use(say("select 1"))));
  await clock.settle(1_000);
  // Nothing of the failure is kept: the second tries anew when its turn comes.
  assertInstanceOf(failed[0]?.error, SteadyError);
  assertEquals([failed[1]?.value, driver.counts.connect], ["1", 2]);
});

test("first uses that may go together share one connect, and each gets an error of its own (P-03, X-16)", async () => {
  const { clock, driver, pool } = setup();
  using scope = pool.openScope();
  const root = scope.nodeOf(undefined);
  const outcomes: unknown[] = [];
  const ask = () =>
    scope.enter({
      alone: false,
      served: ({ epoch }, visit) => {
        outcomes.push(epoch);
        visit.leave();
      },
      refused: (error) => outcomes.push(error),
    }, root);
  driver.refuse("connect", 1, new FakeError("rejected", "no such database"));
  for (let i = 0; i < 3; i++) ask();
  await clock.settle(1_000);
  const errors = outcomes.splice(0);
  assertEquals([errors.length, new Set(errors).size, driver.counts.connect], [3, 3, 1]);
  for (const error of errors) assertInstanceOf(error, SteadyError);
  for (let i = 0; i < 3; i++) ask();
  await clock.settle(1_000);
  assertEquals([outcomes, driver.counts.connect], [[1, 1, 1], 2]);
});

test("uses are served one at a time, in the order they came (X-01, Z-02)", async () => {
  const { clock, pool } = setup();
  using scope = pool.openScope();
  const order: string[] = [];
  const uses = ["a", "b", "c"].map((name) =>
    scope.use(async (lease) => {
      order.push(`${name} in`);
      await lease.connection.run("sleep 10");
      order.push(`${name} out`);
    })
  );
  await clock.advance(5);
  const lease = scope.acquire();
  await clock.advance(100);
  await Promise.all(uses);
  (await lease).release();
  assertEquals(order, ["a in", "a out", "b in", "b out", "c in", "c out"]);
});

test("acquire() queues for the scope's own connection; release() passes it on and is idempotent (Y-04, Y-05, Y-12, D-33)", async () => {
  const { clock, pool } = setup({ max: 2 });
  using scope = pool.openScope();
  const first = await scope.acquire();
  const second = watch(scope.acquire());
  await clock.settle(1_000);
  assertEquals(second.state, "pending");
  assertCounts(pool, { total: 1, used: 1 });
  first.release();
  first.release();
  await clock.settle(1_000);
  const lease = must(second.value);
  // What has been released twice releases nobody else's.
  first.release();
  assertEquals([lease.released, lease.epoch, lease.lost], [false, 1, false]);
  assertThrows(() => first.connection, LeaseReleasedError);
  assertThrows(() => first.epoch, LeaseReleasedError);
  assertEquals(first.lost, false);
  await lease.connection.run("select 1");
  await lease[Symbol.asyncDispose]();
  lease[Symbol.dispose]();
  assertCounts(pool, { total: 1, used: 1 });
});

test("what a lease leaves open is rolled back before the scope's next use (P-21, P-22, X-01)", async () => {
  const { driver, pool } = setup();
  using scope = pool.openScope();
  const lease = await scope.acquire();
  await lease.connection.run("begin");
  await lease.connection.run("write a");
  lease.release();
  await scope.use(say("write b"));
  assertEquals(driver.applied, ["b"]);
});

test("a statement that is under way when its lease is released is over before the next use (X-10)", async () => {
  const { clock, pool } = setup();
  using scope = pool.openScope();
  const lease = await scope.acquire();
  const slow = watch(lease.connection.run("sleep 20"));
  lease.release();
  const next = watch(scope.use(say("select 1")));
  await clock.advance(19);
  assertEquals([slow.state, next.state], ["pending", "pending"]);
  await clock.advance(1);
  assertEquals([slow.state, next.value], ["fulfilled", "1"]);
});

test("a transaction that was open before a use stays open after it", async () => {
  const { driver, pool } = setup();
  using scope = pool.openScope();
  await scope.use(async (lease) => {
    await lease.connection.run("begin");
    // Within: nothing of it may be taken for left open.
    await lease.connection.run("write a");
    await lease.connection.run("commit");
  });
  assertEquals(driver.applied, ["a"]);
});

test("a connection that cannot be rolled back is given up, and later uses are rejected", async () => {
  const { clock, driver, pool } = setup({ checkTimeoutMs: 100 });
  using scope = pool.openScope();
  const lease = await scope.acquire();
  await lease.connection.run("begin");
  driver.hold("execute");
  lease.release();
  const next = watch(scope.use(say("select 1")));
  await clock.advance(99);
  assertEquals(next.state, "pending");
  await clock.advance(1);
  assertInstanceOf(next.error, ConnectionLostError);
  assertCounts(pool, {});
});

test("the end rolls back and reports what is open, and gives the connection back (P-21, P-22, P-25, Y-13, Y-19, Z-07)", async () => {
  const told: LeftOpenEvent[] = [];
  const { clock, driver, pool } = setup({
    observer: { leftOpen: (event) => void told.push(event) },
  });
  const scope = pool.openScope({ name: "job" });
  const lease = await scope.acquire({ label: "forgotten" });
  await lease.connection.run("begin");
  await lease.connection.run("write a");
  await clock.advance(30);
  scope.end();
  scope.end();
  assertThrows(() => lease.connection, LeaseReleasedError);
  await clock.settle(1_000);
  assertCounts(pool, { total: 1, idle: 1 });
  assertEquals(driver.applied, []);
  assertEquals(await pool.use(say("select 1")), "1");
  const [event] = told;
  assertEquals(told.length, 1);
  assertEquals([event?.scope, event?.kind, event?.label, event?.heldMs, event?.epoch], [
    "job",
    "lease",
    "forgotten",
    30,
    1,
  ]);
  assertEquals(/scope_test/.test(event?.stack ?? ""), true);
});

test("a callback that is still running when the scope ends has no connection any more (P-23, X-13)", async () => {
  const told: string[] = [];
  const { clock, pool } = setup({ observer: { leftOpen: ({ kind }) => void told.push(kind) } });
  const scope = pool.openScope();
  const going = watch(scope.use(async (lease) => {
    await new Promise<void>((resolve) => clock.schedule(50, resolve));
    return lease.connection;
  }));
  await clock.advance(10);
  scope.end();
  assertCounts(pool, { total: 1, idle: 1 });
  await clock.advance(50);
  assertInstanceOf(going.error, LeaseReleasedError);
  assertEquals(told, ["callback"]);
});

test("later uses, and those that wait, are rejected, and name the scope (X-12, X-13)", async () => {
  const { clock, pool } = setup();
  const scope = pool.openScope({ name: "GET /orders" });
  await scope.acquire();
  const waiting = watch(scope.use(say("select 1")));
  await clock.settle(1_000);
  scope.end();
  await clock.settle(1_000);
  assertInstanceOf(waiting.error, ScopeError);
  const late = await assertRejects(() => scope.use(say("select 1")), ScopeError);
  assertEquals([late.code, late.outcome, late.retryable], ["OUT_OF_SCOPE", "not-applied", false]);
  assertEquals(late.message.includes('"GET /orders"'), true);
  assertThrows(() => scope.tryAcquire(), ScopeError);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("a scope that ends while its connection is opened wants it no more", async () => {
  const { clock, driver, pool } = setup();
  driver.delay("connect", 50);
  const scope = pool.openScope();
  const waiting = watch(scope.use(say("select 1")));
  await clock.advance(10);
  scope.end();
  await clock.advance(10);
  assertInstanceOf(waiting.error, ScopeError);
  await clock.advance(100);
  assertEquals(pool.stats().used, 0);
});

test("single statements that were begun before the end are served, and keep the connection until they are over (X-24)", async () => {
  const { clock, driver, pool } = setup();
  driver.delay("connect", 50);
  const scope = pool.openScope();
  const root = scope.nodeOf(undefined);
  const visits: { leave(): void }[] = [];
  const refused: unknown[] = [];
  const ask = (alone: boolean) =>
    scope.enter({
      alone,
      outlasts: true,
      served: (_lease, visit) => visits.push(visit),
      refused: (error) => refused.push(error),
    }, root);
  ask(true);
  ask(false);
  await clock.advance(10);
  scope.end();
  ask(false);
  assertEquals(refused.length, 1);
  await clock.advance(40);
  assertEquals([visits.length, pool.stats().used], [1, 1]);
  visits[0]?.leave();
  assertEquals([visits.length, pool.stats().used], [2, 1]);
  visits[1]?.leave();
  assertCounts(pool, { total: 1, idle: 1 });
});

test("who gives the wait up leaves the line to others (X-06, X-07)", async () => {
  const { clock, pool } = setup();
  using scope = pool.openScope();
  const lease = await scope.acquire();
  const abort = new AbortController();
  const first = watch(scope.acquire({ signal: abort.signal }));
  const second = watch(scope.acquire());
  await clock.settle(1_000);
  abort.abort(new Error("mine"));
  lease.release();
  await clock.settle(1_000);
  assertEquals(first.error, abort.signal.reason);
  assertEquals(second.state, "fulfilled");
  const late = watch(scope.acquire({ signal: abort.signal }));
  await clock.settle(1_000);
  assertEquals(late.error, abort.signal.reason);
});

test("a connect that nobody of the scope waits for any more is the pool's", async () => {
  const { clock, driver, pool } = setup();
  driver.delay("connect", 50);
  using scope = pool.openScope();
  const abort = new AbortController();
  const first = watch(scope.acquire({ signal: abort.signal }));
  await clock.advance(10);
  abort.abort(new Error("mine"));
  await clock.advance(100);
  assertEquals([first.error, pool.stats().used], [abort.signal.reason, 0]);
  assertEquals(await scope.use(say("select 1")), "1");
});

// Async, as an engine may leave out who only returns the result of another call.
async function holdForever(scope: Scope<FakeConnection>): Promise<Lease<FakeConnection>> {
  return await scope.acquire({ label: "holder" });
}

async function waitForMyself(scope: Scope<FakeConnection>): Promise<Lease<FakeConnection>> {
  return await scope.acquire({ label: "waiter" });
}

test("the wait has a deadline, and the error says who has the connection (X-26)", async () => {
  const { clock, pool } = setup({ acquireTimeoutMs: 500 });
  using scope = pool.openScope({ name: "s" });
  await holdForever(scope);
  const second = watch(waitForMyself(scope));
  const third = watch(scope.acquire({ timeoutMs: 100 }));
  await clock.advance(100);
  assertEquals([second.state, third.state], ["pending", "rejected"]);
  await clock.advance(400);
  const { error } = second;
  assertInstanceOf(error, AcquireTimeoutError);
  const site = /\(acquired at ((?:async )?holdForever \(.*scope_test\.ts:[\d:]+\))\)/.exec(
    error.message,
  );
  assertEquals(
    error.message.replace(site?.[1] ?? "", "SITE"),
    'Cannot have the connection of the scope "s" within 500 ms for "waiter", as the scope\'s own lease ' +
      '"holder" has had it for 500 ms (acquired at SITE). A lease has to be given back, or used, before more is asked of its scope',
  );
  // A timer made the error: that is not what anybody wants to know.
  assertMatch(
    error.stack ?? "",
    /^AcquireTimeoutError: Cannot have .*\n(.*\n)*?.*waitForMyself .*scope_test\.ts/,
  );
  assertEquals(
    third.error instanceof AcquireTimeoutError && third.error.message.includes('for "waiter"'),
    false,
  );
  assertEquals(error.holders.map(({ label }) => label), ["holder"]);
  assertEquals(/scope_test/.test(error.holders[0]?.stack ?? ""), true);
});

test("an error of that deadline says what has the connection, whatever that is", async () => {
  const { clock, pool } = setup({ acquireTimeoutMs: 500 });
  const wait = async (scope: Scope<FakeConnection>): Promise<string> => {
    const waiting = watch(scope.acquire());
    await clock.advance(500);
    scope.end();
    return messageOf(waiting.error).replace(/ \(acquired at .*\)$/, "");
  };
  const forever = () => new Promise<void>(() => {});
  const prefix = 'Cannot have the connection of the scope "s" within 500 ms, as ';
  const callback = pool.openScope({ name: "s" });
  void watch(callback.use(forever, { label: "mine" }));
  assertEquals(
    await wait(callback),
    `${prefix}the scope's own callback of use() "mine" has had it for 500 ms`,
  );
  const transaction = pool.openScope({ name: "s" });
  await transaction.take("transaction", { label: "mine" });
  assertEquals(
    await wait(transaction),
    `${prefix}the scope's own transaction "mine" has had it for 500 ms`,
  );
  const statement = pool.openScope({ name: "s" });
  statement.enter({ alone: true, served: () => {}, refused: () => {} }, statement.here);
  assertEquals(await wait(statement), `${prefix}a statement of the scope, or a cursor, has it`);
});

test("a deadline of one's own holds for the wait for the pool, too, also where it is longer than the pool's", async () => {
  const { clock, pool } = setup({ max: 1, acquireTimeoutMs: 100 });
  const other = await pool.acquire();
  using scope = pool.openScope();
  const patient = watch(scope.use(say("select 1"), { timeoutMs: 300 }));
  await clock.advance(299);
  assertEquals(patient.state, "pending");
  await clock.advance(1);
  assertInstanceOf(patient.error, AcquireTimeoutError);
  const served = watch(scope.use(say("select 1"), { timeoutMs: Infinity }));
  const plain = watch(scope.use(say("select 2")));
  await clock.advance(100);
  assertInstanceOf(plain.error, AcquireTimeoutError);
  await clock.advance(10_000);
  other.release();
  await clock.settle(1_000);
  assertEquals(served.value, "1");
});

test("a timeout of 0 is for who must not wait (Y-07)", async () => {
  const { pool } = setup();
  using scope = pool.openScope();
  await assertRejects(() => scope.acquire({ timeoutMs: 0 }), TooManyConnectionsError);
  assertEquals(scope.tryAcquire(), undefined);
  await scope.use(say("select 1"));
  const lease = must(scope.tryAcquire());
  assertEquals(scope.tryAcquire(), undefined);
  await assertRejects(() => scope.acquire({ timeoutMs: 0 }), TooManyConnectionsError);
  lease.release();
  (await scope.acquire({ timeoutMs: 0 })).release();
});

test("a scope in which nothing was answered has another connection when its own is lost (Z-10, Z-14)", async () => {
  const { clock, driver, pool } = setup();
  using scope = pool.openScope();
  const lost = watch(scope.use(say("die")));
  await clock.settle(1_000);
  assertEquals(lost.state, "rejected");
  assertEquals([await scope.use(say("select 1")), driver.counts.connect], ["1", 2]);
});

test("a scope is bound to its connection once that has answered (P-15, Z-14)", async () => {
  const { clock, pool } = setup();
  const scope = pool.openScope({ name: "s" });
  await scope.use(say("set k v"));
  await scope.use(say("die")).catch(() => {});
  await clock.settle(1_000);
  assertEquals(scope.lost, true);
  const error = await assertRejects(() => scope.use(say("select 1")), ConnectionLostError);
  assertEquals([error.outcome, error.retryable], ["not-applied", false]);
  assertEquals(error.message.includes('"s"'), true);
  assertEquals(scope.tryAcquire(), undefined);
  scope.end();
  await clock.settle(1_000);
  assertEquals(pool.stats().used, 0);
});

test("destroy() of a lease gives the scope's connection up (P-08, P-09)", async () => {
  const { pool } = setup();
  using scope = pool.openScope();
  await scope.use(say("select 1"));
  const lease = await scope.acquire();
  lease.destroy();
  lease.destroy();
  assertCounts(pool, {});
  await assertRejects(() => scope.use(say("select 1")), ConnectionLostError);
  assertEquals(scope.epoch, 0);
});

test("a pool that is closed lends to no scope, and takes its connection when it ends (Y-09, Y-17, P-30)", async () => {
  const { clock, pool } = setup();
  const scope = pool.openScope();
  await scope.use(say("select 1"));
  const closed = watch(pool.close({ timeoutMs: 100 }));
  await clock.advance(50);
  // What has it goes on within the time.
  assertEquals([await scope.use(say("select 2")), closed.state], ["2", "pending"]);
  scope.end();
  await clock.settle(1_000);
  assertEquals(closed.state, "fulfilled");
  using late = pool.openScope();
  await assertRejects(() => late.use(say("select 1")), PoolClosedError);
});

test("scopes have a connection each, within the pool's limit (P-06, P-29, Z-03, Y-08)", async () => {
  const { clock, pool } = setup({ max: 2 });
  const scopes = [1, 2, 3].map(() => pool.openScope());
  const uses = scopes.map((scope) => watch(scope.use(({ epoch }) => epoch)));
  await clock.settle(1_000);
  assertEquals(uses.map(({ value }) => value), [1, 2, undefined]);
  scopes[0]?.end();
  await clock.settle(1_000);
  assertEquals(uses[2]?.value, 1);
  for (const scope of scopes) scope.end();
  assertCounts(pool, { total: 2, idle: 2 });
});

test("options of scopes are checked (A-02, P-35)", async () => {
  const { pool } = setup();
  assertThrows(() => pool.openScope({ name: "" }), TypeError, "name must be a string that is not");
  const wrong: unknown = { nmae: "x" };
  assertThrows(() => pool.openScope(wrong as never), TypeError, 'there is no option "nmae"');
  await assertRejects(() => pool.scope(() => {}, wrong as never), TypeError, "no option");
  await assertRejects(
    () => pool.scope(() => {}, { fresh: 1 as never }),
    TypeError,
    "true or false",
  );
  await assertRejects(() => pool.scope(1 as never), TypeError, "fn must be a function");
  assertThrows(() => pool.scoped(1 as never), TypeError, "handler must be a function");
  using scope = pool.openScope();
  await assertRejects(() => scope.acquire({ timeoutMs: -1 }), RangeError);
});

test("nobody of a scope is served by a pool that closes, though a connection is idle", async () => {
  const { clock, pool } = setup({ max: 2 });
  (await pool.acquire()).release();
  await clock.settle();
  pool.suspend();
  using scope = pool.openScope();
  const uses = ["select 1", "select 2"].map((text) => watch(scope.use(say(text))));
  await clock.settle();
  const closed = pool.close();
  await clock.settle();
  assertEquals(uses.map(({ state }) => state), ["rejected", "rejected"]);
  for (const { error } of uses) assertInstanceOf(error, PoolClosedError);
  await closed;
});

test("what a callback in a scope returns to be awaited is sent at once, not a turn later", async () => {
  const { pool } = setup();
  using scope = pool.openScope();
  await scope.use(say("select 1"));
  let sent = 0;
  const lazy: PromiseLike<string> = {
    then: (resolve) => {
      sent++;
      return Promise.resolve("sent").then(resolve);
    },
  };
  const result = pool.scope(() => lazy);
  assertEquals(sent, 1);
  assertEquals(await result, "sent");
});
