import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  ConnectionLostError,
  LeaseReleasedError,
  ScopeError,
  SteadyError,
} from "../../src/core/errors.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

const TABLE = "create table t (x int)";

/** A helper of another module: it knows the pool alone. */
const insert = async (db: PostgresPool, x: number): Promise<void> => {
  await db.sql`insert into t values (${x})`;
};

test("everything below the callback of a transaction joins it, helpers included (P-23, Z-04)", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const failing = db.transaction(async (sql) => {
      await sql`insert into t values (1)`;
      await insert(db, 2);
      await db.use((lease) => lease.sql`insert into t values (3)`);
      {
        using lease = await db.acquire();
        await lease.sql`insert into t values (4)`;
      }
      await insert(db, 5);
      assertEquals((await sql`select count(*)::int from t`)[0]?.count, 5);
      throw new Error("changed my mind");
    });
    await assertRejects(() => failing, Error, "changed my mind");
    assertEquals((await db.sql`select count(*)::int from t`)[0]?.count, 0);
    assertEquals(
      await db.transaction(async () => {
        await insert(db, 6);
        return "kept";
      }),
      "kept",
    );
  });
  assertEquals(await schema.column("t", "x"), [6]);
});

test("a statement of a helper that fails fails the transaction, even if that was caught", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const failing = db.transaction(async () => {
      await insert(db, 1);
      await db.sql`select 1 / 0`.catch(() => {});
    });
    const { code } = await assertRejects(() => failing, db.sql.PostgresError);
    assertEquals(code, "22012");
  });
  assertEquals(await schema.column("t", "x"), []);
});

test("a transaction within another is a savepoint, which fails alone", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(() =>
    db.transaction(async () => {
      await insert(db, 1);
      const inner = db.transaction(async (sql) => {
        await sql`insert into t values (2)`;
        await insert(db, 3);
        throw new Error("inner");
      });
      await assertRejects(() => inner, Error, "inner");
      const broken = db.transaction(async () => {
        await db.sql`select 1 / 0`.catch(() => {});
      });
      await assertRejects(() => broken, db.sql.PostgresError);
      await db.transaction(async () => {
        await insert(db, 4);
        await db.transaction(() => insert(db, 5), { isolation: "read committed" });
      });
    })
  );
  assertEquals(await schema.column("t", "x"), [1, 4, 5]);
});

test("transactions within another that run in parallel are done one after the other (X-01)", async () => {
  await using schema = await Schema.create(TABLE);
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  const part = (x: number) =>
    db.transaction(async (sql) => {
      await sql`insert into t values (${x})`;
      await sql`select pg_sleep(0.005)`;
      if (x === 2) throw new Error("two");
    });
  await db.scope(() =>
    db.transaction(async (sql) => {
      const outcomes = await Promise.allSettled([
        part(1),
        sql`insert into t values (10)`,
        part(2),
        insert(db, 20),
        sql.savepoint((sql) => sql`insert into t values (30)`),
        part(3),
      ]);
      assertEquals(outcomes.map(({ status }) => status === "fulfilled"), [
        ...[true, true, false, true, true, true],
      ]);
    })
  );
  assertEquals(await schema.column("t", "x"), [1, 3, 10, 20, 30]);
  const verbs = proxy.statements.filter((text) => /savepoint/.test(text));
  assertEquals(verbs.map((text) => text.replace(/ "s\d"/, "")), [
    ...["savepoint", "release savepoint"],
    ...["savepoint", "rollback to savepoint"],
    ...["savepoint", "release savepoint"],
    ...["savepoint", "release savepoint"],
  ]);
});

test("the outer sql can be used in a transaction within, as with savepoints", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(() =>
    db.transaction(async (outer) => {
      await db.transaction(async (inner) => {
        await outer`insert into t values (1)`;
        await inner`insert into t values (2)`;
        await outer.savepoint((sql) => sql`insert into t values (3)`);
        await outer.with({ timeoutMs: 5_000 })`insert into t values (4)`;
      });
    })
  );
  assertEquals(await schema.column("t", "x"), [1, 2, 3, 4]);
});

test('nested: "join" is nothing of its own: its failure rolls back all', async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(async () => {
    await db.transaction(async () => {
      const [rows] = await db.transaction(async (sql) => [
        await sql`select 1 as x`,
        await insert(db, 1),
      ], { nested: "join" });
      assertEquals(rows[0]?.x, 1);
    });
    const failing = db.transaction(async () => {
      await insert(db, 2);
      await db.transaction(() => Promise.reject(new Error("joined")), { nested: "join" })
        .catch(() => {});
    });
    await assertRejects(() => failing, Error, "joined");
  });
  assertEquals(await schema.column("t", "x"), [1]);
});

test('what a transaction within cannot have is refused, and so is any with nested: "forbid"', async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const nest = (outer: Parameters<typeof db.transaction>[1], inner: typeof outer) =>
      db.transaction(() => db.transaction(() => {}, inner), outer);
    const refused = [
      [{}, { nested: "forbid" }],
      [{}, { isolation: "serializable" }],
      [{ isolation: "repeatable read" }, { isolation: "serializable" }],
      [{ readOnly: true }, { readOnly: false }],
      [{}, { deferrable: true }],
    ] as const;
    for (const [outer, inner] of refused) {
      const error = await assertRejects(() => nest(outer, inner), SteadyError);
      assertEquals([error.code, error.outcome, error.retryable], [
        ...["TRANSACTION_OPEN", "not-applied", false],
      ]);
    }
    await nest({ isolation: "serializable" }, { isolation: "read committed" });
    await nest({ readOnly: true }, { readOnly: true });
    const porsagers = db.sql.begin(
      "isolation level serializable",
      () => db.transaction(() => "fine", { isolation: "serializable" }),
    );
    assertEquals(await porsagers, "fine");
    await db.transaction(() => {}, { nested: "forbid" });
    await assertRejects(
      () => db.transaction(() => {}, { nested: "maybe" as never }),
      TypeError,
      'nested must be "savepoint", "join" or "forbid"',
    );
  });
});

test("a transaction within can be read-only alone", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(() =>
    db.transaction(async () => {
      await insert(db, 1);
      const writing = db.transaction(() => insert(db, 2), { readOnly: true });
      const { code } = await assertRejects(() => writing, db.sql.PostgresError);
      assertEquals(code, "25006");
      await db.transaction(() => db.sql`select 1`, { readOnly: true });
      await insert(db, 3);
    })
  );
  assertEquals(await schema.column("t", "x"), [1, 3]);
});

test("a transaction within is ended by its signal, the one around goes on", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(() =>
    db.transaction(async () => {
      await insert(db, 1);
      const abort = new AbortController();
      const inner = db.transaction(async (sql) => {
        await insert(db, 2);
        const sleeping = sql`select pg_sleep(10)`.execute();
        setTimeout(() => abort.abort(new Error("mine")));
        await sleeping;
      }, { signal: abort.signal });
      await assertRejects(() => inner, Error, "mine");
      await insert(db, 3);
      await assertRejects(
        () => db.transaction(() => {}, { signal: abort.signal }),
        Error,
        "mine",
      );
    })
  );
  assertEquals(await schema.column("t", "x"), [1, 3]);
});

test("outside() is no part of the transaction: it survives its rollback", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const failing = db.transaction(async () => {
      await insert(db, 1);
      await db.outside(() => insert(db, 2));
      await db.outside(() => db.sql`insert into t values (3)`);
      await db.outside(() => db.transaction((sql) => sql`insert into t values (4)`));
      assertThrows(() => db.outside(() => db.requireTransaction()), ScopeError);
      throw new Error("no");
    });
    await assertRejects(() => failing, Error, "no");
  });
  assertEquals(await schema.column("t", "x"), [2, 3, 4]);
});

test("requireTransaction() gives the sql of the transaction, or refuses", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  const helper = () => db.requireTransaction()`insert into t values (1)`;
  assertThrows(helper, ScopeError, "below the callback of transaction()");
  await db.transaction(() => {
    // In no scope nothing is joined.
    assertThrows(helper, ScopeError);
  });
  await db.scope(async () => {
    assertThrows(helper, ScopeError);
    await db.transaction(async () => {
      await helper();
      await db.transaction(helper);
      await db.use(helper);
    });
    assertThrows(helper, ScopeError);
  });
  assertEquals(await schema.column("t", "x"), [1, 1, 1]);
});

test("what is not awaited in a transaction ends with it, and reaches nothing outside of it (X-12, X-13)", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  const late = Promise.withResolvers<void>();
  const uses: (() => Promise<unknown>)[] = [
    () => insert(db, 1),
    () => db.use(() => insert(db, 2)),
    () => db.transaction(() => insert(db, 3)),
    () => db.acquire(),
  ];
  await db.scope(async () => {
    const going: Promise<PromiseSettledResult<unknown>[]>[] = [];
    await db.transaction(async (sql) => {
      await sql`insert into t values (4)`;
      going.push(late.promise.then(() => Promise.allSettled(uses.map((use) => use()))));
      going.push(late.promise.then(() => Promise.allSettled([sql`insert into t values (5)`])));
    });
    late.resolve();
    const outcomes = (await Promise.all(going)).flat();
    assertEquals(outcomes.length, 5);
    for (const outcome of outcomes) {
      assert(outcome.status === "rejected");
      const { reason } = outcome;
      assert(reason instanceof ScopeError || reason instanceof LeaseReleasedError);
    }
    await insert(db, 6);
  });
  assertEquals(await schema.column("t", "x"), [4, 6]);
});

test("a transaction that outlives the callback around it is over: its COMMIT strikes nothing (X-12, X-13)", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  await db.scope(async () => {
    const begun = Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    const going: Promise<unknown>[] = [];
    await db.use(async () => {
      const transaction = db.transaction(async (sql) => {
        await sql`insert into t values (1)`;
        begun.resolve();
        await late.promise;
      });
      going.push(transaction.catch((error) => error));
      await begun.promise;
    });
    const failing = db.transaction(async (sql) => {
      await sql`insert into t values (2)`;
      late.resolve();
      assertInstanceOf((await Promise.all(going))[0], LeaseReleasedError);
      throw new Error("no");
    });
    await assertRejects(() => failing, Error, "no");
  });
  assertEquals(await schema.column("t", "x"), []);
});

test("hooks are called after the commit, in order, and outside of the transaction", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  const calls: string[] = [];
  await db.scope(async () => {
    await db.transaction(async () => {
      db.afterCommit(async () => {
        assertThrows(() => db.requireTransaction(), ScopeError);
        assertEquals(await schema.column("t", "x"), [1]);
        // On the scope's connection.
        await insert(db, 2);
        calls.push("first");
      });
      db.afterRollback(() => calls.push("never"));
      await insert(db, 1);
      await db.transaction(() => {
        db.afterCommit(() => calls.push("of the savepoint"));
        db.afterRollback(() => calls.push("never"));
      });
      const failing = db.transaction(() => {
        db.afterCommit(() => calls.push("never"));
        db.afterRollback((error) => calls.push(`rolled back: ${error}`));
        throw new Error("inner");
      });
      await assertRejects(() => failing);
      calls.push("end");
    });
    calls.push("returned");
  });
  assertEquals(calls, [
    ...["rolled back: Error: inner", "end", "first", "of the savepoint", "returned"],
  ]);
  assertEquals(await schema.column("t", "x"), [1, 2]);
  assertThrows(() => db.afterCommit(() => {}), ScopeError);
  assertThrows(() => db.afterRollback(() => {}), ScopeError);
  assertThrows(() => db.afterCommit(1 as never), TypeError, "fn must be a function");
});

test("hooks are called after the rollback, with what the transaction failed of", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const errors: unknown[] = [];
    const failing = db.transaction(async () => {
      db.afterCommit(() => errors.push("never"));
      db.afterRollback((error) => {
        errors.push(error);
        throw new Error("of no account");
      });
      await db.transaction(() => db.afterRollback((error) => errors.push(error)));
      throw new Error("outer");
    });
    const error = await assertRejects(() => failing, Error, "outer");
    assertEquals(errors, [error, error]);
  });
});

test("what an afterCommit hook throws is heard, and all is in force", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  const calls: string[] = [];
  await db.scope(async () => {
    const failing = db.transaction(async () => {
      db.afterCommit(() => Promise.reject(new Error("hook")));
      db.afterCommit(() => calls.push("second"));
      await insert(db, 1);
    }, { retries: 3 });
    await assertRejects(() => failing, Error, "hook");
  });
  assertEquals([calls, await schema.column("t", "x")], [["second"], [1]]);
});

test("retries run the whole transaction again, with what joined it; those of one within do nothing", async () => {
  await using schema = await Schema.create(
    `${TABLE}; create table c (n int); insert into c values (0)`,
  );
  await using db = createPool(schema.url);
  const add = async (meet: () => Promise<void>): Promise<void> => {
    const [row] = await db.sql`select n from c`;
    await meet();
    await db.sql`update c set n = ${row?.n + 1}`;
  };
  const both = Promise.withResolvers<void>();
  let readers = 0;
  const meet = async (): Promise<void> => {
    if (++readers === 2) both.resolve();
    await both.promise;
  };
  let attempts = 0;
  await Promise.all([1, 2].map(() =>
    db.scope(() =>
      db.transaction(() => {
        attempts++;
        return db.transaction(() => add(meet), { retries: 5 });
      }, { isolation: "serializable", retries: 5 })
    )
  ));
  assertEquals(await schema.column("c", "n"), [2]);
  assertEquals(attempts, 3);
});

test("a lost connection ends the transaction and all that joined it, and nothing of it reaches another (T-04, X-03)", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 2 });
  await db.scope(async () => {
    const outcomes: unknown[] = [];
    const failing = db.transaction(async () => {
      await insert(db, 1);
      await schema.terminate();
      outcomes.push(
        await insert(db, 2).catch((error) => error),
        await db.transaction(() => insert(db, 3)).catch((error) => error),
        await db.use(() => {}).catch((error) => error),
      );
    });
    const error = await assertRejects(() => failing, ConnectionLostError);
    assertEquals(error.outcome, "rolled-back");
    assertEquals(outcomes.every((outcome) => outcome instanceof SteadyError), true);
  });
  await db.scope(() => db.transaction(() => insert(db, 4)));
  assertEquals(await schema.column("t", "x"), [4]);
});

test("a transaction that lost its connection as the first of its scope is run again on another, where that is allowed", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  let attempts = 0;
  await db.scope(() =>
    db.transaction(async () => {
      await insert(db, 1);
      if (++attempts === 1) await schema.terminate();
      await insert(db, 2);
    }, { retries: 2 })
  );
  assertEquals([attempts, await schema.column("t", "x")], [2, [1, 2]]);
});

test("transactions of several scopes do not mix", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 4 });
  await Promise.all([1, 2, 3, 4].map((x) =>
    db.scope(async () => {
      const outcome = db.transaction(async () => {
        await insert(db, x);
        await insert(db, 10 * x);
        if (x % 2 === 0) throw new Error("even");
      });
      if (x % 2 === 0) assertInstanceOf(await assertRejects(() => outcome), Error);
      else await outcome;
    })
  ));
  assertEquals(await schema.column("t", "x"), [1, 3, 10, 30]);
});
