/** What DBUtils' PersistentDB did for threads, of a steady connection that one owner keeps: no scope, no pool. */

import { assertEquals } from "@std/assert";
import type { CheckPolicy } from "../../../src/core/steady_connection.ts";
import { test } from "../../support/harness.ts";
import { assertFails, type Bench, bench, logOf, present, statement } from "../steady_setup.ts";

/** What an owner does with a connection, in order: asks for it, executes a statement, has a transaction. */
const STEPS: readonly ((bench: Bench) => Promise<unknown>)[] = [
  ({ steady }) => steady.ready(),
  ({ steady }) => steady.run(statement("select 1")),
  ({ steady }) => steady.transaction((connection) => connection.run("select 2")),
];

/** At which of them a connection is found dead whose end nobody noticed. */
const FOUND: readonly (readonly [CheckPolicy, string, number])[] = [
  ["request", "P-12", 0],
  ["statement", "P-14", 1],
  ["transaction", "P-13", 2],
];

for (const [check, id, step] of FOUND) {
  test(`With check: "${check}" a dead connection is replaced where it is asked, and nowhere else (${id})`, async () => {
    for (const [index, use] of STEPS.entries()) {
      const b = bench({ check, checkAfterIdleMs: 0 });
      await b.steady.open();
      b.driver.refuse("ping", 1);
      await use(b);
      const asked = index === step;
      assertEquals([b.driver.counts.ping, b.steady.epoch], asked ? [1, 2] : [0, 1]);
    }
  });
}

test('With check: "never" a connection whose end is known is replaced by its next use, unasked (P-11)', async () => {
  const b = bench({ check: "never" });
  await b.steady.ready();
  b.driver.break(present(b));
  assertEquals(await b.steady.run(statement("select 1")), "1");
  assertEquals([b.driver.counts.ping, b.steady.epoch], [0, 2]);
});

test("A connection that has just been opened is not asked: a ping at the first request would be in vain (P-10)", async () => {
  const b = bench({ check: "request", checkAfterIdleMs: 0 });
  await b.steady.ready();
  assertEquals([b.driver.counts.connect, b.driver.counts.ping], [1, 0]);
  await b.steady.ready();
  assertEquals([b.driver.counts.connect, b.driver.counts.ping], [1, 1]);
});

test("A transaction whose connection is lost is told so when the connection is asked for: nothing dead is handed out (P-15)", async () => {
  const b = bench({ check: "always", checkAfterIdleMs: 0 });
  await b.steady.begin();
  b.driver.break(present(b));
  await assertFails(b.steady.run(statement("select 1")), "CONNECTION_CLOSED", "rolled-back");
  await b.steady.rollback();
  assertEquals(await b.steady.run(statement("select 1")), "1");
  assertEquals(b.steady.counters.opens, 2);
});

test("With a limit of 20 uses 100 need five connections (P-16)", async () => {
  const b = bench({ maxUses: 20 });
  for (let use = 0; use < 100; use++) {
    await b.steady.run((connection) => {
      assertEquals([b.steady.uses, connection.id], [use % 20 + 1, Math.floor(use / 20) + 1]);
    });
  }
  assertEquals(b.steady.counters.opens, 5);
});

test("With a limit of 3 uses what the owner set is gone at the fourth, what the session's set-up set is not (P-17)", async () => {
  const b = bench({ maxUses: 3, session: "set zone utc" });
  const seen: string[] = [];
  await b.steady.run(statement("set mine 1"));
  for (let use = 0; use < 3; use++) {
    await b.steady.run(async (connection) => {
      seen.push(`${await connection.run("show zone")} ${await connection.run("show mine")}`);
    });
  }
  assertEquals(seen, ["utc 1", "utc 1", "utc "]);
  assertEquals(b.steady.counters.opens, 2);
});

test("Within one unit of work the connection stays, however often it is used (P-17)", async () => {
  const b = bench({ maxUses: 1 });
  await b.steady.run(async (connection) => {
    await connection.run("set mine 1");
    for (let use = 0; use < 3; use++) assertEquals(await connection.run("show mine"), "1");
  });
  assertEquals(b.steady.counters.opens, 1);
});

test("close() of one that is kept rolls back and keeps; the next owner finds nothing open (P-07, P-21)", async () => {
  const b = bench({ closeable: false });
  await b.steady.run(statement("begin"));
  await b.steady.run(statement("write a"));
  await b.steady.close();
  assertEquals([b.driver.applied, b.driver.status(present(b)), b.steady.epoch], [[], "idle", 1]);
});

test("An owner whose statements overlap has them one after the other, on one connection (P-31)", async () => {
  const b = bench();
  const texts = ["select 1", "select 2", "select 3"];
  assertEquals(
    await Promise.all(texts.map((text) => b.steady.run(statement(text)))),
    ["1", "2", "3"],
  );
  assertEquals(logOf(b.driver, "send"), texts.map((text) => `send ${text} #1`));
});

test("An open that fails is not remembered: the next request tries again (P-26)", async () => {
  const b = bench({ reopenTimeoutMs: 0 });
  b.driver.refuse("connect", 1);
  await assertFails(b.steady.ready(), "CONNECT_FAILED", "not-applied");
  await b.clock.advance(1_000);
  await b.steady.ready();
  assertEquals(b.driver.counts.connect, 2);
});
