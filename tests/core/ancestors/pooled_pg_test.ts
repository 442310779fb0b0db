/** Where DBUtils' PooledPg, SteadyPg and PersistentPg differ from PooledDB, as far as it is safe. */

import { assert, assertEquals } from "@std/assert";
import type { ResetLevel } from "../../../src/core/driver.ts";
import { SteadyConnection } from "../../../src/core/steady_connection.ts";
import { test } from "../../support/harness.ts";
import { assertCounts, must, setup, watch } from "../setup.ts";
import { bench, statement } from "../steady_setup.ts";
import { eventsOf, idOf, take } from "./leases.ts";

test("What is known to be dead is replaced before anything is sent: each statement is executed once (G-02, G-19)", async () => {
  const { clock, driver, pool } = setup({ max: 1 });
  const write = (name: string): Promise<string> =>
    pool.use(({ connection }) => connection.run(`write ${name}`));
  await write("a");
  // One whose loss nobody noticed, and one whose loss is known.
  await clock.advance(2_000);
  driver.breakAt("before send", 1, "ping");
  await write("b");
  driver.break(must(driver.connections[0]));
  await write("c");
  assertEquals([driver.applied, driver.counts.open], [["a", "b", "c"], 3]);
  assertEquals(eventsOf(driver, "apply"), ["write a", "write b", "write c"]);
});

test("A refused statement is the borrower's: nothing is sent again, nothing reopened (G-03)", async () => {
  const { driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  const error: unknown = await lease.connection.run("fail").catch((error) => error);
  assertEquals(driver.classify(error), "statement");
  assertEquals([driver.counts.send, driver.counts.open], [1, 1]);
  assertEquals(await lease.connection.run("select 1"), "1");
});

test("A statement that breaks its connection is not sent again by the pool: it may be in force (G-04)", async () => {
  const { driver, pool } = setup({ max: 1 });
  driver.breakAt("after apply");
  const error: unknown = await pool.use(({ connection }) => connection.run("write a"))
    .catch((error) => error);
  assertEquals(driver.classify(error), "lost");
  assertEquals([driver.applied, driver.counts.send], [["a"], 1]);
  assertCounts(pool, {});
  assertEquals(await pool.use(({ connection }) => connection.run("count")), "1");
});

test("A failed transaction is one until its end, whoever looks away: it is rolled back before the next borrower (G-05)", async () => {
  const { driver, pool } = setup({ max: 1 });
  const lease = await pool.acquire();
  await lease.connection.run("begin");
  await lease.connection.run("write a");
  await lease.connection.run("fail").catch(() => {});
  assertEquals(driver.status(lease.connection), "failed");
  lease.release();
  const next = await pool.acquire();
  assertEquals([driver.status(next.connection), driver.applied], ["idle", []]);
  assertEquals([idOf(next), driver.counts.reset], [1, 1]);
});

const RESETS: readonly (readonly [ResetLevel, readonly string[]])[] = [
  ["none", ["begin", "reset rollback"]],
  ["rollback", ["begin", "reset rollback"]],
  ["session", ["reset session", "begin", "reset session", "reset session"]],
  ["discard", ["reset discard", "begin", "reset discard", "reset discard"]],
];

for (const [reset, trace] of RESETS) {
  test(`With reset "${reset}" three leases, the second left in a transaction, come to ${trace.length} steps (G-20)`, async () => {
    const { clock, driver, pool } = setup({ max: 1, reset });
    for (const text of [undefined, "begin", undefined]) {
      const lease = await pool.acquire();
      if (text !== undefined) await lease.connection.run(text);
      lease.release();
      await clock.settle();
    }
    assertEquals(eventsOf(driver, "apply", "reset"), trace);
    assertCounts(pool, { total: 1, idle: 1 });
  });
}

test("The limit is what was said: at it one waits, who must not is refused, and no option raises it (G-16)", async () => {
  const { clock, driver, pool } = setup({ max: 1, maxWaiters: 5, maxPipeline: 64 });
  const lease = await pool.acquire();
  const waiting = watch(pool.acquire());
  const refused = watch(pool.acquire({ timeoutMs: 0 }));
  await clock.settle();
  assertEquals([waiting.state, refused.state, driver.peak], ["pending", "rejected", 1]);
  lease.release();
  await clock.settle();
  assertEquals([waiting.state, driver.counts.open], ["fulfilled", 1]);
});

test("Idle connections that are thrown out free their own places, and none that they did not have (G-18)", async () => {
  const { clock, driver, pool } = setup({ max: 2 });
  for (const lease of await take(pool, 2)) lease.release();
  pool.evict();
  await clock.settle();
  const attempts = [1, 2, 3, 4].map(() => watch(pool.acquire({ timeoutMs: 0 })));
  await clock.settle();
  assertEquals(attempts.filter(({ state }) => state === "fulfilled").length, 2);
  assertEquals([driver.open, driver.peak], [2, 2]);
});

test("Three contexts with a steady connection each; one closed underneath is healed at its next use (G-25, V16)", async () => {
  const { clock, driver } = setup();
  const contexts = [1, 2, 3].map(() => new SteadyConnection(driver, { clock }));
  for (const [index, steady] of contexts.entries()) {
    for (let count = 0; count <= index; count++) await steady.run(statement("select 1"));
  }
  assertEquals(contexts.map(({ uses }) => uses), [1, 2, 3]);
  const [, second] = contexts;
  assert(second !== undefined);
  await second.run(statement("select 1"));
  driver.destroy(must(second.connection));
  await second.run(statement("select 1"));
  // The uses begin anew with the connection; the others have theirs.
  assertEquals(contexts.map(({ uses }) => uses), [1, 1, 3]);
  await second.run(statement("select 1"));
  assertEquals([second.uses, driver.counts.open, driver.open], [2, 4, 3]);
  for (const steady of contexts) await steady.close();
  assertEquals(driver.open, 0);
});

test("Of 11 statements with a limit of 3 each connection finds the set-up, and nothing of the one before (G-14, V6)", async () => {
  const b = bench({ session: ["set a 1", "set b 2"], maxUses: 3 });
  const shown: string[] = [];
  for (let count = 0; count < 11; count++) {
    await b.steady.run(async (connection) => {
      shown.push(
        `${connection.id}: ${await connection.run("show a")}${await connection.run("show c")}`,
      );
      await connection.run("set c 3");
    });
    await b.clock.settle();
  }
  assertEquals(shown, [
    ...["1: 1", "1: 13", "1: 13"],
    ...["2: 1", "2: 13", "2: 13"],
    ...["3: 1", "3: 13", "3: 13"],
    ...["4: 1", "4: 13"],
  ]);
  assertEquals([b.driver.counts.open, b.driver.counts.execute, b.steady.uses], [4, 8, 2]);
});
