import { assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { DeadlockError } from "../../src/core/errors.ts";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { test } from "../support/harness.ts";

test("a transaction that asks the pool for another connection than its own is refused, not hung (X-26)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const asks: Record<string, () => Promise<unknown>> = {
    statement: async () => await db.sql`select 1`,
    transaction: () => db.transaction(() => {}),
    lease: () => db.acquire(),
    use: () => db.use(() => {}),
  };
  const stacks: (string | undefined)[] = [];
  for (const [label, ask] of Object.entries(asks)) {
    const error = await assertRejects(() =>
      db.transaction(async (sql) => {
        await sql`select 1`;
        await ask();
      }), DeadlockError);
    assertInstanceOf(error, DeadlockError, label);
    assertEquals(error.code, "POOL_DEADLOCK");
    stacks.push(error.holders[0]?.stack);
  }
  // The first surely has one; a second within the same millisecond has not.
  assertMatch(stacks[0] ?? "", /deadlock_test/);
  const error = await assertRejects(() => db.use(() => db.acquire()), DeadlockError);
  assertInstanceOf(error, DeadlockError);
  assertEquals((await db.sql`select 1 as x`)[0]?.x, 1);
});

test("many transactions that each need a second connection do not hang (X-26, W-07)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 3 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 9 }, () =>
      db.transaction(async (sql) => {
        await sql`select 1`;
        await db.sql`select 2`;
      })),
  );
  const failed = outcomes.filter(({ status }) => status === "rejected");
  for (const outcome of failed) {
    if (outcome.status === "rejected") assertInstanceOf(outcome.reason, DeadlockError);
  }
  assertEquals(db.stats().used, 0);
});
