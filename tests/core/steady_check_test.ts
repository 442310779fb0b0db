/** Checks of a steady connection: S-38 to S-49 of the behaviours, and T-07. */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { ConnectError } from "../../src/core/errors.ts";
import type { CheckPolicy } from "../../src/core/steady_connection.ts";
import { FakeError } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { watch } from "./setup.ts";
import { assertFails, type Bench, bench, logOf, present, statement } from "./steady_setup.ts";

/** How often a policy asks for a sign of life, at ready(), run(), transaction(), and begin() with its run() and commit(). */
const PINGS: readonly (readonly [CheckPolicy, readonly number[]])[] = [
  ["never", [0, 0, 0, 0]],
  ["request", [1, 0, 0, 0]],
  ["statement", [0, 1, 0, 0]],
  ["transaction", [0, 0, 1, 1]],
  ["always", [1, 1, 1, 1]],
];

// S-38, S-39, S-48: one check for each unit of work, none inside of a transaction.
for (const [check, expected] of PINGS) {
  test(`S-38, S-39, S-48: check: "${check}" asks once for each unit of work that it names`, async () => {
    const { driver, steady } = bench({ check, checkAfterIdleMs: 0 });
    await steady.run(statement("select 0"));
    const seen: number[] = [];
    const count = async (work: () => Promise<unknown>): Promise<void> => {
      const before = driver.counts.ping;
      await work();
      seen.push(driver.counts.ping - before);
    };
    await count(() => steady.ready());
    await count(() => steady.run(statement("select 1")));
    await count(() => steady.transaction((connection) => connection.run("select 2")));
    await count(async () => {
      await steady.begin();
      await steady.run(statement("select 3"));
      await steady.ready();
      await steady.commit();
    });
    assertEquals(seen, expected);
    assertEquals([steady.counters.pings, driver.counts.open], [driver.counts.ping, 1]);
  });
}

test("A connection that was opened for a unit of work is not checked before it", async () => {
  const { driver, steady } = bench({ check: "always", checkAfterIdleMs: 0 });
  await steady.run(statement("select 1"));
  assertEquals(driver.counts.ping, 0);
});

test("S-40: by default a connection is checked that was not used for 1 s, and no other", async () => {
  const { clock, driver, steady } = bench();
  await steady.ready();
  for (let i = 0; i < 10; i++) {
    await steady.run(statement("select 1"));
    await clock.advance(999);
  }
  assertEquals(driver.counts.ping, 0);
  await clock.advance(1);
  await steady.run(statement("select 1"));
  assertEquals(driver.counts.ping, 1);
  await steady.run(statement("select 1"));
  assertEquals(driver.counts.ping, 1);
  await clock.advance(1_000);
  await steady.transaction((connection) => connection.run("select 1"));
  await clock.advance(1_000);
  await steady.ready();
  assertEquals(driver.counts.ping, 3);
});

test("S-40: the time that a unit of work takes is no idleness; the time that a machine slept is", async () => {
  const { clock, driver, steady } = bench();
  const running = watch(steady.run(statement("sleep 5000")));
  await clock.advance(5_000);
  assertEquals(running.state, "fulfilled");
  await steady.run(statement("select 1"));
  assertEquals(driver.counts.ping, 0);
  clock.shiftWall(60_000);
  await steady.run(statement("select 1"));
  assertEquals(driver.counts.ping, 1);
});

test('S-41: with check: "never" nothing is asked, but for an explicit check()', async () => {
  const { clock, driver, steady } = bench({ check: "never" });
  await steady.ready();
  await clock.advance(60_000);
  await steady.run(statement("select 1"));
  assertEquals(driver.counts.ping, 0);
  assertEquals([await steady.check(), driver.counts.ping], [true, 1]);
});

// S-42, S-43: a sign of life is an answer; whatever else happens is none, and switches nothing off.
test("S-43: any rejection of a ping means dead, and the next check asks again", async () => {
  const errors = [
    new FakeError("lost", "gone"),
    new FakeError("statement", "refused"),
    new TypeError("a bug of the driver"),
    new RangeError("a value"),
  ];
  for (const error of errors) {
    const b = bench({ check: "statement", checkAfterIdleMs: 0 });
    await b.steady.ready();
    b.driver.refuse("ping", 1, error);
    assertEquals(await b.steady.check(), false);
    assertEquals(await b.steady.run(statement("select 1")), "1");
    assertEquals([b.steady.epoch, b.driver.open], [2, 1]);
    assertEquals([await b.steady.check(), b.driver.counts.ping], [true, 2]);
  }
});

test("S-44: a connection that a check finds dead is replaced before the unit of work", async () => {
  const b = bench();
  await b.steady.run(statement("select 1"));
  await b.clock.advance(1_000);
  b.driver.refuse("ping", 1);
  assertEquals(await b.steady.run(statement("select 2")), "2");
  assertEquals([b.steady.epoch, b.steady.uses, b.driver.open], [2, 1, 1]);
  assertEquals(logOf(b.driver, "send"), ["send select 1 #1", "send select 2 #2"]);
  assertEquals([b.reopened, b.losses.length], [[{ epoch: 2, reason: "dead" }], 1]);
});

test("S-44: a peer that gives no answer is dead at the deadline", async () => {
  const b = bench({ checkTimeoutMs: 700 });
  await b.steady.ready();
  await b.clock.advance(1_000);
  b.driver.hold("ping");
  const running = watch(b.steady.run(statement("select 1")));
  await b.clock.advance(699);
  assertEquals([running.state, b.steady.epoch], ["pending", 1]);
  await b.clock.advance(1);
  assertEquals([running.value, b.steady.epoch, b.clock.pending], ["1", 2, 0]);
});

test("S-45: when no other connection can be had the unit of work says so, and nothing dead is handed out", async () => {
  const b = bench({ reopenTimeoutMs: 0 });
  await b.steady.ready();
  await b.clock.advance(1_000);
  b.driver.refuse("ping");
  b.driver.refuse("connect", 1);
  const running = watch(b.steady.run(statement("select 1")));
  await b.clock.settle();
  assertInstanceOf(running.error, ConnectError);
  assertEquals([b.steady.connection, b.driver.counts.send, b.driver.open], [undefined, 0, 0]);
  await b.clock.advance(1_000);
  assertEquals(await b.steady.run(statement("select 1")), "1");
});

// S-46, T-07: inside of a transaction only an explicit check() asks, and a dead connection is not replaced in silence.
test("S-46, T-07: a check that finds a transaction's connection dead fails the transaction", async () => {
  const b = bench();
  await b.steady.begin();
  await b.steady.run(statement("write a"));
  assertEquals([await b.steady.check(), b.driver.counts.ping], [false, 1]);
  assertEquals([b.steady.epoch, b.steady.status], [1, "in transaction"]);
  b.driver.refuse("ping", 1);
  assertEquals([await b.steady.check(), b.driver.counts.open], [false, 1]);
  await assertFails(b.steady.run(statement("write b")), "CONNECTION_CLOSED", "rolled-back");
  assertEquals(b.steady.status, "failed");
  await b.steady.rollback();
  await b.steady.run(statement("write c"));
  assertEquals([b.driver.applied, b.steady.epoch], [["c"], 2]);
});

test("S-47: a unit of work on a closed or lost connection is not checked: there is nothing to ask", async () => {
  const b = bench({ checkAfterIdleMs: 0 });
  await b.steady.ready();
  b.driver.break(present(b));
  await b.steady.run(statement("select 1"));
  assertEquals(b.driver.counts.ping, 0);
});

test("S-49: check() is a plain probe: it heals nothing by itself", async () => {
  const b = bench();
  assertEquals([await b.steady.check(), b.driver.counts.connect], [false, 0]);
  await b.steady.ready();
  b.driver.refuse("ping", 1);
  const connection = present(b);
  assertEquals([await b.steady.check(), b.steady.connection], [false, connection]);
  assertEquals([b.driver.counts.open, b.losses], [1, []]);
});

test("check() and reset() never reject, whatever happens", async () => {
  const b = bench();
  assertEquals(await b.steady.reset("rollback"), false);
  await b.steady.open();
  b.driver.hold("ping");
  const checking = watch(b.steady.check({ timeoutMs: 300 }));
  await b.clock.advance(299);
  assertEquals(checking.state, "pending");
  await b.clock.advance(1);
  assertEquals([checking.value, b.clock.pending], [false, 0]);
  const closing = watch(b.steady.close());
  await b.clock.advance(5_000);
  assertEquals(closing.state, "fulfilled");
  assertEquals([await b.steady.check(), await b.steady.reset("discard")], [false, false]);
});

test("check() is false on a connection that is lost, or not idle, afterwards", async () => {
  const b = bench();
  const connection = await b.steady.open();
  b.driver.hold("ping", 1);
  const checking = watch(b.steady.check());
  await b.clock.settle();
  b.driver.break(connection);
  await b.clock.settle();
  assertEquals(checking.value, false);
  await (await b.steady.open()).run("begin");
  assertEquals(await b.steady.check(), false);
});

test("check() waits for the unit of work in hand, and then for nothing but the answer", async () => {
  const b = bench();
  const running = watch(b.steady.run(statement("sleep 10000")));
  await b.clock.settle();
  const checking = watch(b.steady.check());
  await b.clock.advance(9_999);
  assertEquals([checking.state, b.driver.counts.ping], ["pending", 0]);
  await b.clock.advance(1);
  assertEquals([running.state, checking.value], ["fulfilled", true]);
});

test("check() that waits for its turn is false when the connection is closed", async () => {
  const b = bench();
  const running = watch(b.steady.run(statement("sleep 1000")));
  await b.clock.settle();
  const checking = watch(b.steady.check());
  const closing = watch(b.steady.close());
  await b.clock.settle();
  assertEquals(checking.value, false);
  await b.clock.advance(1_000);
  assertEquals([running.state, closing.state], ["fulfilled", "fulfilled"]);
});

test("reset() cleans within its deadline, and is true only if the connection is idle then", async () => {
  const b = bench();
  const connection = await b.steady.open();
  await connection.run("begin");
  assertEquals([await b.steady.reset("none"), await b.steady.reset("rollback")], [false, true]);
  await connection.run("set a 1");
  assertEquals(await b.steady.reset("session"), true);
  assertEquals(await connection.run("show a"), "");
  assertEquals(b.steady.counters.resets, 3);
  b.driver.hold("reset");
  const resetting = watch(b.steady.reset("discard"));
  await b.clock.advance(2_000);
  assertEquals([resetting.value, b.clock.pending], [false, 0]);
});

test("S-56: a connection that could not be cleaned is not used again, and no other is opened before it is needed", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.refuse("reset", 1);
  assertEquals([await b.steady.reset("rollback"), b.driver.counts.connect], [false, 1]);
  await b.steady.run(statement("select 1"));
  assertEquals([b.steady.epoch, b.driver.open], [2, 1]);
});

test("check() and reset() refuse bad options at once", async () => {
  const { steady }: Bench = bench();
  const cases: [() => unknown, typeof TypeError | typeof RangeError, string][] = [
    [
      () => steady.check({ timeoutMs: 0 }),
      RangeError,
      "Cannot check the connection as timeoutMs must be a number of milliseconds > 0: received 0",
    ],
    [
      () => steady.check({ timeout: 5 } as never),
      TypeError,
      'Cannot check the connection as there is no option "timeout"',
    ],
    [
      () => steady.reset("everything" as never),
      TypeError,
      'Cannot reset the connection as level must be "none", "rollback", "session" or "discard": received "everything"',
    ],
    [
      () => steady.reset("none", { timeoutMs: Infinity }),
      RangeError,
      "Cannot reset the connection as timeoutMs must be a number of milliseconds > 0: received Infinity",
    ],
  ];
  for (const [call, errorClass, message] of cases) {
    assertEquals(assertThrows(call, errorClass).message, message);
  }
  assert(await steady.check() === false);
});
