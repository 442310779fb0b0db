/** Uses and age of a steady connection's physical connections. */

import { assert, assertEquals } from "@std/assert";
import { Wear } from "../../src/core/wear.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { must, watch } from "./setup.ts";
import { type Bench, bench, logOf, present, statement } from "./steady_setup.ts";

const DAY_MS = 86_400_000;

/** Runs a statement, and tells how often its connection was used then. */
async function use({ steady }: Bench, text = "select 1"): Promise<number> {
  await steady.run(statement(text));
  return steady.uses;
}

test("S-03: without limits a connection is never worn", async () => {
  const b = bench({ maxUses: Infinity, maxLifetimeMs: Infinity });
  for (let i = 0; i < 100; i++) await use(b);
  await b.clock.advance(365 * DAY_MS);
  assertEquals(b.steady.worn(), false);
  assertEquals([await use(b), b.driver.counts.open], [101, 1]);
});

// S-30 and the numeric vector V1; S-31: it is replaced as soon as the last use is over, not at the start of the next.
test("S-30, S-31, S-32, C-25: 100 units of work with a limit of 10 need 10 connections", async () => {
  const b = bench({ maxUses: 10 });
  for (let i = 0; i < 100; i++) {
    await b.steady.run((connection) => {
      assertEquals(b.steady.uses, i % 10 + 1);
      assertEquals(connection.id, Math.floor(i / 10) + 1);
    });
  }
  await b.clock.settle();
  assertEquals([b.driver.counts.open, b.driver.open, b.steady.uses], [11, 1, 0]);
  assertEquals(b.reopened.length, 10);
  assertEquals(b.reopened[0], { epoch: 2, reason: "worn" });
});

test("S-29: the new connection is there before the old one is closed, in an orderly way", async () => {
  const b = bench({ maxUses: 1 });
  await use(b);
  await b.clock.settle();
  assertEquals(logOf(b.driver, "open", "close", "destroy").slice(0, 3), [
    "open #1",
    "open #2",
    "close #1",
  ]);
  assertEquals([b.driver.open, b.driver.peak], [1, 2]);
});

test("S-29: there are never more than two connections, however slowly the old ones close", async () => {
  const b = bench({ maxUses: 1 });
  b.driver.delay("close", 3_000);
  await use(b);
  await b.clock.settle();
  assertEquals([await use(b), await use(b)], [1, 2]);
  await b.clock.advance(3_000);
  await use(b);
  await b.clock.settle();
  assertEquals([b.steady.epoch, b.driver.peak], [3, 2]);
});

// S-33, S-34: a limit is soft. The old connection is as good as it was.
test("S-33, S-34: while no other connection can be had the old one is used on", async () => {
  const b = bench({ maxUses: 2 });
  await use(b);
  b.driver.refuse("connect");
  assertEquals(await use(b), 2);
  await b.clock.settle();
  assertEquals([await use(b), await use(b)], [3, 4]);
  assertEquals([b.driver.counts.connect, b.steady.epoch], [2, 1]);
  b.driver.restore();
  await b.clock.advance(10_000);
  assertEquals(await use(b), 1);
  assertEquals([b.steady.epoch, b.driver.open], [2, 1]);
});

test("S-33: a renewal that never ends holds nobody up for long", async () => {
  const b = bench({ maxUses: 1, connectTimeoutMs: 60_000 });
  await use(b);
  b.driver.hold("connect");
  await b.clock.settle();
  const running = watch(b.steady.run(statement("select 1")));
  await b.clock.advance(1_000);
  assertEquals([running.value, b.steady.epoch], ["1", 2]);
  const next = watch(b.steady.run(statement("select 2")));
  await b.clock.advance(1_000);
  assertEquals([next.value, b.steady.epoch, b.driver.counts.connect], ["2", 2, 3]);
  await b.steady.close();
  assertEquals([b.driver.open, b.clock.pending], [0, 0]);
});

test("A connection that was to replace a worn one takes the place of a lost one", async () => {
  const b = bench({ maxUses: 1 });
  b.driver.hold("connect", 2);
  const first = watch(b.steady.run(statement("select 1")));
  await b.clock.settle();
  b.driver.held("connect")[0]?.answer();
  await b.clock.settle();
  assertEquals(first.state, "fulfilled");
  b.driver.break(present(b));
  const second = watch(b.steady.run(statement("select 2")));
  await b.clock.settle();
  assertEquals(second.state, "pending");
  b.driver.held("connect")[0]?.answer();
  await b.clock.settle();
  assertEquals(second.state, "fulfilled");
  assertEquals(logOf(b.driver, "send"), ["send select 1 #1", "send select 2 #2"]);
});

test("A connection that was to replace a worn one may be lost before it does", async () => {
  const b = bench({ maxUses: 1 });
  await b.steady.run(async (connection) => {
    assertEquals(connection.id, 1);
    await connection.run("select 1");
  });
  b.driver.hold("statement", 1);
  await b.clock.settle();
  assertEquals(b.steady.epoch, 2);
  const running = watch(b.steady.run(statement("select 1")));
  await b.clock.settle();
  for (const connection of b.driver.connections) b.driver.break(connection);
  await b.clock.settle();
  assertEquals(running.state, "rejected");
  assertEquals(await b.steady.run(statement("select 3")), "3");
});

// S-35, T-06 and the numeric vector V2.
test("S-35, T-06, G-13: inside of a transaction no connection is replaced, however often it is used", async () => {
  const b = bench({ maxUses: 10 });
  for (let i = 0; i < 10; i++) await use(b);
  await b.steady.begin();
  const epoch = b.steady.epoch;
  for (let i = 1; i <= 50; i++) assertEquals(await use(b), i);
  assertEquals([b.steady.epoch, b.steady.worn()], [epoch, true]);
  await b.steady.commit();
  for (let i = 0; i < 20; i++) assertEquals(await useInside(b), i % 10 + 1);
});

/** Runs a statement, and tells how often its connection was used meanwhile. */
async function useInside({ steady }: Bench): Promise<number> {
  return await steady.run(async (connection) => {
    await connection.run("select 1");
    return steady.uses;
  });
}

// Found by the storm: what was written after the replacement was committed on its own.
test("S-35, T-06: a renewal that ends inside of a transaction by hand waits for the end of that", async () => {
  const b = bench({ maxUses: 1 });
  await b.steady.ready();
  b.driver.hold("connect", 1);
  await use(b);
  const beginning = watch(b.steady.begin());
  await b.clock.advance(1_000);
  assertEquals(beginning.state, "fulfilled");
  await use(b, "write a");
  must(b.driver.held("connect")[0]).answer();
  await b.clock.settle();
  assertEquals(b.driver.open, 2);
  await use(b, "write b");
  await b.steady.commit();
  assertEquals([b.driver.applied, b.steady.epoch], [["a", "b"], 1]);
  await use(b, "write c");
  assertEquals(logOf(b.driver, "send").slice(1), [
    "send write a #1",
    "send write b #1",
    "send write c #2",
  ]);
});

test("S-35: a callback's transaction is one use, and is never cut in two", async () => {
  const b = bench({ maxUses: 1 });
  await b.steady.transaction(async (connection) => {
    for (let i = 0; i < 5; i++) {
      await connection.run(`write ${i}`);
      assertEquals(b.steady.connection, connection);
    }
  });
  assertEquals(b.driver.applied, ["0", "1", "2", "3", "4"]);
});

// S-36 and the numeric vectors V3 to V5.
test("S-36: a loss begins the count anew", async () => {
  const b = bench({ maxUses: 10 });
  const seen: number[] = [];
  for (let i = 0; i < 10; i++) {
    if (i === 7) b.driver.break(present(b));
    seen.push(await useInside(b));
  }
  assertEquals(seen, [1, 2, 3, 4, 5, 6, 7, 1, 2, 3]);
});

test("maxLifetimeMs: an old connection is replaced between two units of work, at the next use", async () => {
  const b = bench({ maxLifetimeMs: 60_000, check: "never" });
  await use(b);
  await b.clock.advance(53_999);
  await use(b);
  assertEquals(b.steady.epoch, 1);
  await b.clock.advance(6_001);
  assertEquals(b.clock.pending, 0);
  assertEquals(await useInside(b), 1);
  assertEquals([b.steady.epoch, b.reopened], [2, [{ epoch: 2, reason: "worn" }]]);
});

test("maxLifetimeMs: a unit of work may outlive it", async () => {
  const b = bench({ maxLifetimeMs: 60_000 });
  const running = watch(b.steady.run(statement("sleep 200000")));
  await b.clock.advance(200_000);
  assertEquals([running.state, b.driver.counts.open], ["fulfilled", 2]);
  assertEquals(b.driver.open, 1);
});

test("Wear: a machine that slept counts as time that passed, whichever clock stood still", () => {
  const clock = new VirtualClock({ random: () => 0 });
  const wear = new Wear(clock, { maxUses: Infinity, maxLifetimeMs: 60_000 });
  clock.shiftWall(59_999);
  assertEquals(wear.worn, false);
  clock.shiftWall(1);
  assertEquals(wear.worn, true);
});

test("Wear: a wall clock that is set back makes no connection live longer", async () => {
  const clock = new VirtualClock({ random: () => 0 });
  const wear = new Wear(clock, { maxUses: Infinity, maxLifetimeMs: 60_000 });
  clock.shiftWall(-DAY_MS);
  await clock.advance(60_000);
  assertEquals(wear.worn, true);
});

test("Wear: up to a tenth is taken off a life by chance", async () => {
  for (const [random, atLeast] of [[0, 1_000], [0.5, 950], [0.999, 900.1]] as const) {
    const clock = new VirtualClock({ random: () => random });
    const wear = new Wear(clock, { maxUses: Infinity, maxLifetimeMs: 1_000 });
    await clock.advance(Math.floor(atLeast) - 1);
    assertEquals(wear.worn, false);
    await clock.advance(2);
    assert(wear.worn);
  }
});

test("Wear: a life of 30 days needs no timer, and ends when it should", async () => {
  const b = bench({ maxLifetimeMs: 30 * DAY_MS, check: "never" });
  await use(b);
  await b.clock.advance(26 * DAY_MS);
  assertEquals([b.clock.pending, b.steady.worn()], [0, false]);
  await b.clock.advance(4 * DAY_MS);
  assertEquals(b.steady.worn(), true);
});

test("The mechanism alone: countUse(), worn(), uses and openedAt of the present connection", async () => {
  const b = bench({ maxUses: 2 });
  b.steady.countUse();
  assertEquals([b.steady.uses, b.steady.worn(), b.steady.openedAt], [0, false, undefined]);
  await b.clock.advance(5);
  await b.steady.open();
  b.steady.countUse();
  assertEquals([b.steady.uses, b.steady.worn(), b.steady.openedAt], [1, false, 5]);
  b.steady.countUse();
  assertEquals([b.steady.uses, b.steady.worn(), b.steady.counters.uses], [2, true, 3]);
  b.driver.break(present(b));
  assertEquals([b.steady.uses, b.steady.worn(), b.steady.openedAt], [0, false, undefined]);
  await b.steady.open();
  assertEquals([b.steady.uses, b.steady.worn(), b.steady.openedAt], [0, false, 5]);
});

test("Wear: a connection is worn when its end has come, however the sum is rounded", async () => {
  const clock = new VirtualClock({ seed: 7 });
  for (let count = 0; count < 200; count++) {
    const wear = new Wear(clock, { maxUses: Infinity, maxLifetimeMs: 1_007 });
    await clock.advance(wear.endsAt - clock.now());
    if (clock.now() >= wear.endsAt) assertEquals(wear.worn, true);
  }
});
