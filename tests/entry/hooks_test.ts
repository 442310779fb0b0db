/** What is called after a transaction: in which context, on which connection, how often. */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { SteadyError } from "../../src/core/errors.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { isCommit } from "../faults/wire_message.ts";
import { test } from "../support/harness.ts";

const TABLES = "create table t (x int); create table audit (x int)";

const insert = async (db: PostgresPool, x: number): Promise<void> => {
  await db.sql`insert into t values (${x})`;
};

const audit = async (db: PostgresPool, x: number): Promise<void> => {
  await db.sql`insert into audit values (${x})`;
};

/** Fails as a transaction does that may be run again. */
const failToSerialize = async (db: PostgresPool): Promise<void> => {
  await db.outside(() => db.sql`do $$ begin raise exception using errcode = '40001'; end $$`);
};

for (const transactional of [false, true]) {
  const kind = transactional ? "a transactional scope" : "a transaction in a scope";
  const run = (db: PostgresPool, fn: () => Promise<void>, retries = 0): Promise<void> =>
    transactional
      ? db.scope(fn, { transactional, retries })
      : db.scope(() => db.transaction(fn, { retries }));

  test(`hooks of ${kind} can ask the only connection of the pool`, async () => {
    await using schema = await Schema.create(TABLES);
    await using db = createPool(schema.url, { max: 1, acquireTimeoutMs: 2_000 });
    await run(db, async () => {
      await insert(db, 1);
      db.afterCommit(() => audit(db, 1));
      db.afterCommit(() => db.transaction((sql) => sql`insert into audit values (2)`));
    });
    await assertRejects(
      () =>
        run(db, async () => {
          await insert(db, 2);
          db.afterRollback(() => audit(db, 3));
          db.afterRollback(() => db.transaction((sql) => sql`insert into audit values (4)`));
          throw new Error("no");
        }),
      Error,
      "no",
    );
    assertEquals(await schema.column("t", "x"), [1]);
    assertEquals(await schema.column("audit", "x"), [1, 2, 3, 4]);
    assertEquals(db.stats().used, 0);
  });

  test(`what a hook of ${kind} fails of has nothing run again: it is in force`, async () => {
    await using schema = await Schema.create(TABLES);
    await using db = createPool(schema.url, { max: 2 });
    const calls: string[] = [];
    const error = await assertRejects(() =>
      run(db, async () => {
        calls.push("run");
        await insert(db, 1);
        db.afterCommit(() => failToSerialize(db));
        db.afterCommit(() => void calls.push("second hook"));
      }, 2), Error);
    assertEquals("code" in error && error.code, "40001");
    assertEquals(calls, ["run", "second hook"]);
    assertEquals(await schema.column("t", "x"), [1]);
  });

  test(`each attempt of ${kind} has hooks of its own`, async () => {
    await using schema = await Schema.create(TABLES);
    await using db = createPool(schema.url, { max: 2 });
    const calls: string[] = [];
    let attempt = 0;
    await run(db, async () => {
      const which = ++attempt;
      await insert(db, which);
      db.afterCommit(() => void calls.push(`committed ${which}`));
      db.afterRollback(() => void calls.push(`rolled back ${which}`));
      if (which < 3) await failToSerialize(db);
    }, 2);
    assertEquals(calls, ["rolled back 1", "rolled back 2", "committed 3"]);
    assertEquals(await schema.column("t", "x"), [3]);
  });
}

test("hooks of a savepoint that was rolled back can ask the transaction around it", async () => {
  await using schema = await Schema.create(TABLES);
  await using db = createPool(schema.url, { max: 1, acquireTimeoutMs: 2_000 });
  await db.scope(() =>
    db.transaction(async () => {
      await insert(db, 1);
      const failing = db.transaction(async () => {
        await insert(db, 2);
        db.afterRollback(() => audit(db, 1));
        db.afterRollback(() => db.transaction(() => audit(db, 2)));
        throw new Error("inner");
      });
      await assertRejects(() => failing, Error, "inner");
    })
  );
  assertEquals(await schema.column("t", "x"), [1]);
  assertEquals(await schema.column("audit", "x"), [1, 2]);
});

test("hooks of a savepoint by the outer sql are those of what it was called in", async () => {
  await using schema = await Schema.create(TABLES);
  await using db = createPool(schema.url);
  const calls: string[] = [];
  await db.scope(() =>
    db.transaction(async (outer) => {
      const failing = db.transaction(async () => {
        await outer.savepoint(async () => {
          await insert(db, 1);
          db.afterCommit(() => void calls.push("committed"));
          db.afterRollback(() => void calls.push("rolled back"));
        });
        throw new Error("inner");
      });
      await assertRejects(() => failing, Error, "inner");
      assertEquals(calls, ["rolled back"]);
    })
  );
  assertEquals(calls, ["rolled back"]);
  assertEquals(await schema.column("t", "x"), []);
});

test("with several pools each has its hooks called by what became of its own transaction", async () => {
  await using schema = await Schema.create(TABLES);
  await using proxy = await WireProxy.start(schema.url);
  await using first = createPool(schema.url, { name: "hooks-a" });
  await using second = createPool(schema.through(proxy), { name: "hooks-b" });
  const calls: string[] = [];
  const work = async (): Promise<void> => {
    for (const [db, x] of [[first, 1], [second, 2]] as const) {
      await insert(db, x);
      db.afterCommit(() => {
        calls.push(`${db.name} committed`);
        throw new Error(db.name);
      });
      db.afterRollback(() => void calls.push(`${db.name} rolled back`));
    }
  };
  const both = { transactional: true, others: [second] };
  await assertRejects(() => first.scope(work, both), Error, "hooks-a");
  assertEquals(calls.splice(0), ["hooks-a committed", "hooks-b committed"]);
  proxy.judge = (message) => isCommit(message) ? "cut" : "pass";
  const error = await assertRejects(() => first.scope(work, both));
  assertInstanceOf(error, SteadyError);
  assertEquals(error.code, "PARTLY_COMMITTED");
  assertEquals(calls, ["hooks-a committed", "hooks-b rolled back"]);
});
