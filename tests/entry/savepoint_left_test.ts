/** A transaction within another that is not awaited, and has not come to its end when what is around it does. */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { LeaseReleasedError, ScopeError } from "../../src/core/errors.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { test } from "../support/harness.ts";

const TABLE = "create table t (x int)";

const insert = async (db: PostgresPool, x: number): Promise<void> => {
  await db.sql`insert into t values (${x})`;
};

/** Begins one in which something was written, and that ends when it is told to. */
class Left {
  readonly #go = Promise.withResolvers<void>();
  readonly #begun = Promise.withResolvers<void>();
  readonly calls: string[] = [];
  readonly error: Promise<unknown>;

  constructor(db: PostgresPool, x: number) {
    const inner = db.transaction(async () => {
      db.afterCommit(() => void this.calls.push("committed"));
      db.afterRollback(() => void this.calls.push("rolled back"));
      await insert(db, x);
      this.#begun.resolve();
      await this.#go.promise;
    });
    this.error = inner.then(() => undefined, (error) => error);
  }

  /** Resolved when it has written. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  /** Lets it come to its end. */
  async end(): Promise<unknown> {
    this.#go.resolve();
    return await this.error;
  }
}

test("of a savepoint that is not awaited nothing is in force when the transaction is committed", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const all: Left[] = [];
    await db.transaction(async () => {
      await insert(db, 1);
      const left = new Left(db, 2);
      all.push(left);
      await left.begun;
    });
    for (const left of all) {
      assertInstanceOf(await left.end(), LeaseReleasedError);
      assertEquals(left.calls, ["rolled back"]);
    }
  });
  assertEquals(await schema.column("t", "x"), [1]);
});

test("of a savepoint that is not awaited nothing is in force when the one around it is done", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(() =>
    db.transaction(async () => {
      const all: Left[] = [];
      await db.transaction(async () => {
        await insert(db, 1);
        const left = new Left(db, 2);
        all.push(left);
        await left.begun;
      });
      for (const left of all) assertInstanceOf(await left.end(), LeaseReleasedError);
      await insert(db, 3);
    })
  );
  assertEquals(await schema.column("t", "x"), [1, 3]);
});

test("of a savepoint that is not awaited nothing is in force when a transactional scope is committed", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  const all: Left[] = [];
  await db.scope(async () => {
    await insert(db, 1);
    const left = new Left(db, 2);
    all.push(left);
    await left.begun;
  }, { transactional: true });
  for (const left of all) assertInstanceOf(await left.end(), Error);
  assertEquals(await schema.column("t", "x"), [1]);
});

test("a savepoint that outlives its transaction strikes no other one (X-12, X-13)", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  await db.scope(async () => {
    const all: Left[] = [];
    await db.transaction(async () => {
      const left = new Left(db, 1);
      all.push(left);
      await left.begun;
    });
    await db.transaction(async () => {
      await insert(db, 2);
      // In a savepoint that is called as the other was.
      const failing = db.transaction(async () => {
        await insert(db, 3);
        for (const left of all) await left.end();
        await insert(db, 4);
        throw new Error("no");
      });
      await assertRejects(() => failing, Error, "no");
    });
  });
  assertEquals(await schema.column("t", "x"), [2]);
});

test("a savepoint that outlives the one around it, which was aborted, strikes nothing", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(() =>
    db.transaction(async () => {
      const abort = new AbortController();
      const all: Left[] = [];
      const outer = db.transaction(async () => {
        const left = new Left(db, 1);
        all.push(left);
        await left.begun;
        abort.abort(new Error("mine"));
      }, { signal: abort.signal });
      await assertRejects(() => outer, Error, "mine");
      for (const left of all) await left.end();
      await insert(db, 2);
    })
  );
  assertEquals(await schema.column("t", "x"), [2]);
});

test("a savepoint that outlives the use() around it takes nothing with it that came after", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(() =>
    db.transaction(async () => {
      const all: Left[] = [];
      await db.use(async () => {
        const left = new Left(db, 1);
        all.push(left);
        await left.begun;
      });
      await insert(db, 2);
      for (const left of all) {
        const error = await left.end();
        assertEquals(error instanceof LeaseReleasedError || error instanceof ScopeError, true);
      }
      await insert(db, 3);
    })
  );
  assertEquals(await schema.column("t", "x"), [2, 3]);
});

test("what goes on in a savepoint that was aborted is refused, also by the outer sql", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  const outcomes: Promise<unknown>[] = [];
  await db.scope(() =>
    db.transaction(async (outer) => {
      const abort = new AbortController();
      const inner = db.transaction(async (sql) => {
        abort.abort(new Error("mine"));
        // Until it is being rolled back; that takes an answer of the server's to be over.
        for (let turns = 0; turns < 50; turns++) await undefined;
        for (const one of [db.sql, sql, outer]) {
          outcomes.push(one`insert into t values (1)`.then(() => "executed", (error) => error));
        }
        await Promise.all(outcomes);
      }, { signal: abort.signal });
      await assertRejects(() => inner, Error, "mine");
      await insert(db, 2);
    })
  );
  for (const outcome of await Promise.all(outcomes)) {
    assertEquals(outcome instanceof LeaseReleasedError || outcome instanceof ScopeError, true);
  }
  assertEquals(await schema.column("t", "x"), [2]);
});
