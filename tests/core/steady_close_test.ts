/** The end of a steady connection: S-18 to S-24 of the behaviours, and S-52. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { LeaseReleasedError } from "../../src/core/errors.ts";
import { test } from "../support/harness.ts";
import { watch } from "./setup.ts";
import {
  assertFails,
  assertNothingLeft,
  bench,
  logOf,
  present,
  statement,
} from "./steady_setup.ts";

test("S-18, G-11: close() closes once; all callers await the same end", async () => {
  const b = bench();
  await b.steady.run(statement("select 1"));
  b.driver.delay("close", 100);
  const closes = [b.steady.close(), b.steady.close()].map(watch);
  await b.clock.advance(99);
  assertEquals(closes.map(({ state }) => state), ["pending", "pending"]);
  await b.clock.advance(1);
  assertEquals(closes.map(({ state }) => state), ["fulfilled", "fulfilled"]);
  await b.steady.close();
  assertEquals(b.driver.counts.close, 1);
  assertNothingLeft(b);
});

test("S-19, P-07: a connection that is not closeable stays open, and its session with it", async () => {
  const b = bench({ closeable: false });
  await b.steady.run(statement("set a 1"));
  await b.steady.close();
  await b.steady.close();
  assertEquals(await b.steady.run(statement("show a")), "1");
  assertEquals([b.driver.counts.close, b.driver.counts.open, b.driver.counts.execute], [0, 1, 0]);
  const never = bench({ closeable: false });
  await never.steady.close();
  assertEquals(never.driver.counts.connect, 0);
});

test("S-20, G-10, P-07: close() of one that is not closeable rolls an open transaction back exactly once", async () => {
  const b = bench({ closeable: false });
  await b.steady.begin();
  await b.steady.run(statement("write a"));
  await Promise.all([b.steady.close(), b.steady.close()]);
  assertEquals(logOf(b.driver, "execute"), ["execute begin #1", "execute rollback #1"]);
  assertEquals([b.steady.status, b.driver.applied, b.driver.open], ["idle", [], 1]);
  // S-19 (hazard): a transaction that was begun by a statement's text is open, too.
  await b.steady.run(statement("begin"));
  await b.steady.close();
  assertEquals([b.steady.status, b.driver.counts.execute], ["idle", 3]);
});

test("S-20: close() of one that is not closeable waits for its turn, and heals what was lost", async () => {
  const b = bench({ closeable: false });
  const running = watch(b.steady.transaction((connection) => connection.run("sleep 500")));
  await b.clock.settle();
  const closing = watch(b.steady.close());
  await b.clock.advance(499);
  assertEquals([running.state, closing.state], ["pending", "pending"]);
  await b.clock.advance(1);
  assertEquals([running.state, closing.state], ["fulfilled", "fulfilled"]);
  await b.steady.begin();
  b.driver.break(present(b));
  assertEquals(b.steady.status, "failed");
  await b.steady.close();
  assertEquals(b.steady.status, "idle");
  await b.steady.run(statement("write a"));
  assertEquals([b.driver.applied, b.steady.epoch], [["a"], 2]);
});

// S-21: a proxy in between might keep the transaction, so a rollback is sent, best effort.
test("S-21: close() rolls back what was begun by hand before it closes", async () => {
  const b = bench();
  await b.steady.begin();
  await b.steady.run(statement("write a"));
  await b.steady.close();
  assertEquals(logOf(b.driver, "reset", "close"), ["reset rollback #1", "close #1"]);
  assertEquals(b.driver.applied, []);
  assertNothingLeft(b);
});

test("S-21: a rollback without an answer does not hold up close() beyond its deadlines", async () => {
  const b = bench();
  await b.steady.begin();
  b.driver.hold("reset");
  const closing = watch(b.steady.close());
  await b.clock.advance(7_000);
  assertEquals(closing.state, "fulfilled");
  assertNothingLeft(b);
});

test("S-22, G-11, P-09: destroy() closes at once, closeable or not, with a transaction or without", async () => {
  for (const closeable of [true, false]) {
    const b = bench({ closeable });
    await b.steady.begin();
    await b.steady.run(statement("write a"));
    b.steady.destroy();
    b.steady.destroy();
    assertEquals([b.driver.counts.destroy, b.driver.applied], [1, []]);
    assertNothingLeft(b);
    await assertFails(b.steady.run(statement("write b")), "LEASE_RELEASED", "not-applied");
    await b.steady.close();
  }
});

test("S-22: destroy() under a unit of work ends it, and nothing is opened for it again", async () => {
  const b = bench();
  const running = watch(b.steady.run(statement("sleep"), { idempotent: true }));
  const waiting = watch(b.steady.run(statement("select 1")));
  await b.clock.settle();
  b.steady.destroy();
  await b.clock.settle();
  assertEquals([running.state, waiting.state, b.driver.counts.connect], [
    "rejected",
    "rejected",
    1,
  ]);
  assertInstanceOf(waiting.error, LeaseReleasedError);
  assertNothingLeft(b);
});

// S-23, S-24: closed is terminal; nothing resurrects a connection that nobody would close.
test("S-23, S-24, G-12: after close() nothing opens a connection again", async () => {
  const b = bench();
  await b.steady.ready();
  await b.steady.close();
  const uses = [
    b.steady.open(),
    b.steady.ready(),
    b.steady.run(statement("select 1")),
    b.steady.transaction(() => {}),
    b.steady.begin(),
    b.steady.commit(),
    b.steady.rollback(),
  ];
  for (const use of uses) {
    const error = await assertFails(use, "LEASE_RELEASED", "not-applied");
    assert(/^Cannot (use|open) the connection as it was closed$/.test(error.message));
  }
  await b.steady.cancel();
  assertEquals(b.driver.counts.connect, 1);
});

test("close() refuses who waits at once, and lets the unit of work in hand come to its end", async () => {
  const b = bench();
  const running = watch(b.steady.run(statement("sleep 1000")));
  const waiting = watch(b.steady.run(statement("select 1")));
  await b.clock.settle();
  const closing = watch(b.steady.close());
  await b.clock.settle();
  assertInstanceOf(waiting.error, LeaseReleasedError);
  await b.clock.advance(999);
  assertEquals([running.state, closing.state, b.driver.counts.close], ["pending", "pending", 0]);
  await b.clock.advance(1);
  assertEquals([running.state, closing.state, b.driver.counts.close], [
    "fulfilled",
    "fulfilled",
    1,
  ]);
  assertNothingLeft(b);
});

test("close() gives a unit of work in hand up at its deadline", async () => {
  const b = bench({ closeTimeoutMs: 700 });
  const running = watch(b.steady.run(statement("sleep")));
  await b.clock.settle();
  const closing = watch(b.steady.close());
  await b.clock.advance(1_400);
  assertEquals([running.state, closing.state], ["rejected", "fulfilled"]);
  assertNothingLeft(b);
});

test("close() ends the pauses between attempts to open", async () => {
  const b = bench();
  b.driver.refuse("connect");
  const running = watch(b.steady.run(statement("select 1")));
  await b.clock.advance(1_000);
  assertEquals(running.state, "pending");
  const closing = watch(b.steady.close());
  await b.clock.settle();
  assertInstanceOf(running.error, LeaseReleasedError);
  assertEquals(closing.state, "fulfilled");
  assertNothingLeft(b);
});

test("close() inside of a unit of work waits for that one no longer than its deadline", async () => {
  const b = bench({ closeTimeoutMs: 300 });
  const running = watch(b.steady.run(async (connection) => {
    await b.steady.close();
    return await connection.run("select 1");
  }));
  await b.clock.advance(600);
  assertEquals(running.state, "rejected");
  assertNothingLeft(b);
});

test("close() waits for the orderly end of a connection that was replaced", async () => {
  const b = bench({ maxUses: 1 });
  b.driver.delay("close", 100);
  await b.steady.run(statement("select 1"));
  await b.clock.settle();
  assertEquals([b.steady.epoch, b.driver.open], [2, 2]);
  const closing = watch(b.steady.close());
  await b.clock.advance(100);
  assertEquals(closing.state, "fulfilled");
  assertNothingLeft(b);
});

test("destroy() ends also what is being closed and what is being opened to replace", async () => {
  const b = bench({ maxUses: 1 });
  b.driver.hold("close");
  await b.steady.run(statement("select 1"));
  await b.clock.settle();
  b.driver.hold("connect");
  await b.steady.run(statement("select 2"));
  await b.clock.settle();
  assertEquals(b.driver.open, 2);
  b.steady.destroy();
  await b.clock.settle();
  assertNothingLeft(b);
});

// S-52: nothing is left to a collector of garbage, which may never come.
test("S-52: `await using` closes, whatever the block does", async () => {
  const b = bench();
  const thrown = await (async () => {
    await using used = b.steady;
    await used.run(statement("select 1"));
    throw new Error("of the block");
  })().catch((error: Error) => error.message);
  assertEquals(thrown, "of the block");
  assertNothingLeft(b);
});
