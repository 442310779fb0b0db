/** Scopes at odd moments: ended, aborted, lost, dropped, nested where nobody expects it. */

import { assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import {
  AcquireTimeoutError,
  ConnectionLostError,
  DeadlockError,
  ScopeError,
} from "../../src/core/errors.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { type Verdict, WireProxy } from "../driver/postgres/wire_proxy.ts";
import { stating } from "../faults/wire_message.ts";
import { test } from "../support/harness.ts";

const TABLE = "create table t (x int)";

interface Parts {
  readonly schema: Schema;
  readonly proxy: WireProxy;
  readonly db: PostgresPool;
}

async function rig(max: number, fn: (parts: Parts) => Promise<void>): Promise<void> {
  await using schema = await Schema.create(TABLE);
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max });
  await fn({ schema, proxy, db });
  assertEquals([db.stats().used, db.stats().waiters], [0, 0]);
}

const insert = async (db: PostgresPool, x: number): Promise<void> => {
  await db.sql`insert into t values (${x})`;
};

test("a scope that ends while its first connection is opened sends what was asked before, and nothing after", () =>
  rig(1, async ({ schema, proxy, db }) => {
    const { promise: held, resolve: letGo } = Promise.withResolvers<Verdict>();
    proxy.judge = ({ type }) => type === "startup" ? held as Promise<"pass"> : "pass";
    const scope = db.openScope();
    const asked = scope.sql`insert into t values (1)`.execute();
    const leased = assertRejects(() => scope.acquire(), ScopeError);
    const begun = assertRejects(
      () => scope.transaction((sql) => sql`insert into t values (2)`),
      ScopeError,
    );
    await proxy.message(({ type }) => type === "startup");
    scope.end();
    await Promise.all([leased, begun]);
    letGo("pass");
    await asked;
    assertEquals(await schema.column("t", "x"), [1]);
  }));

test("what a transactional scope began is part of it, though its function ended while BEGIN was on its way", () =>
  rig(1, async ({ schema, proxy, db }) => {
    const { promise: held, resolve: letGo } = Promise.withResolvers<Verdict>();
    proxy.judge = (message) => stating("begin")(message) ? held as Promise<"pass"> : "pass";
    const scope = db.scope(() => void insert(db, 1), { transactional: true });
    await proxy.statement("begin");
    letGo("pass");
    await scope;
    assertEquals(await schema.column("t", "x"), [1]);
  }));

test("a connection that is lost between BEGIN and the first statement rolls a transactional scope back, or has it run again", () =>
  rig(2, async ({ schema, proxy, db }) => {
    for (const retries of [0, 1]) {
      let left = 1;
      proxy.judge = (message) => stating("insert into t")(message) && left-- > 0 ? "cut" : "pass";
      let runs = 0;
      const scope = db.scope(() => {
        runs++;
        return insert(db, retries);
      }, { transactional: true, retries });
      if (retries === 0) {
        const error = await assertRejects(() => scope, ConnectionLostError);
        assertEquals(error.outcome, "rolled-back");
      } else await scope;
      assertEquals(runs, retries + 1);
    }
    assertEquals(await schema.column("t", "x"), [1]);
  }));

test("a signal that ends a transaction in a scope leaves the scope usable", () =>
  rig(1, async ({ schema, proxy, db }) => {
    const abort = new AbortController();
    const reason = new Error("the signal's own reason");
    await db.scope(async () => {
      const failing = assertRejects(() =>
        db.transaction(async () => {
          await insert(db, 1);
          await db.transaction(() => db.sql`select pg_sleep(60)`);
        }, { signal: abort.signal })
      );
      await proxy.statement("pg_sleep");
      abort.abort(reason);
      assertStrictEquals(await failing, reason);
      await db.transaction(() => insert(db, 2));
    });
    assertEquals(await schema.column("t", "x"), [2]);
  }));

test("a body that is cancelled before it was read, or was read by the handler itself, keeps nothing", () =>
  rig(1, async ({ db }) => {
    const handler = db.scoped(async (how: string) => {
      await db.sql`select 1`;
      const response = new Response(how);
      if (how === "read") await response.text();
      return response;
    }, { untilRead: true });
    const response = await handler("cancelled");
    assertEquals(db.stats().used, 1);
    await response.body?.cancel();
    assertEquals(db.stats().used, 0);
    await assertRejects(() => handler("read"), TypeError);
    assertEquals(db.stats().used, 0);
  }));

test("scopes of two pools, one in the other, have nothing to do with each other", () =>
  rig(1, async ({ schema, db }) => {
    await using other = createPool(schema.url, { max: 1 });
    await db.scope(() =>
      other.scope(async () => {
        await other.transaction(async () => {
          await insert(other, 1);
          await db.transaction(() => insert(db, 2));
          assertEquals(await schema.column("t", "x"), [2]);
          await assertRejects(() =>
            db.transaction(async () => {
              await insert(other, 3);
              throw new Error("no");
            })
          );
        });
      })
    );
    assertEquals(await schema.column("t", "x"), [1, 2, 3]);
  }));

test("outside() in a transaction sees nothing of it, and where there is only one connection it is refused at once", () =>
  rig(2, async ({ schema, db }) => {
    const count = async (): Promise<unknown> => {
      const [row] = await db.sql`select count(*)::int as count from t`;
      return row?.count;
    };
    await using single = createPool(schema.url, { max: 1 });
    for (const transactional of [false, true]) {
      await db.scope(
        () =>
          db.transaction(async () => {
            await insert(db, 1);
            assertEquals([await count(), await db.outside(count)], [1, 0]);
            assertEquals(db.outside(() => db.current()), undefined);
            await db.sql`delete from t`;
          }),
        { transactional },
      );
      await single.scope(async () => {
        await insert(single, 2);
        await assertRejects(() => single.outside(() => insert(single, 3)), DeadlockError);
        await single.sql`delete from t`;
      }, { transactional });
    }
  }));

test("a transactional scope within a plain one that has the only connection is refused at once (X-26)", () =>
  rig(1, async ({ schema, db }) => {
    await db.scope(async () => {
      await insert(db, 1);
      await assertRejects(
        () => db.scope(() => insert(db, 2), { transactional: true }),
        DeadlockError,
      );
    });
    assertEquals(await schema.column("t", "x"), [1]);
  }));

test("a lease in a transactional scope that is not given back does not keep it from being committed", () =>
  rig(1, async ({ schema, db }) => {
    await db.scope(async () => {
      const lease = await db.acquire();
      await lease.sql`insert into t values (1)`;
    }, { transactional: true });
    assertEquals(await schema.column("t", "x"), [1]);
  }));

test("a statement by hand that ends the transaction of a scope is found out at its end", () =>
  rig(1, async ({ schema, db }) => {
    const error = await assertRejects(() =>
      db.scope(async () => {
        await insert(db, 1);
        await db.sql.unsafe("commit");
        await insert(db, 2);
      }, { transactional: true })
    );
    assertInstanceOf(error, Error);
    assertEquals("code" in error && error.code, "TRANSACTION_ENDED");
    assertEquals(await schema.column("t", "x"), [1, 2]);
  }));

test("a scope of a context that waits behind another does so within no deadline but is refused at the end", () =>
  rig(1, async ({ db }) => {
    const context = db.persistent();
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    const first = context.scope(async () => {
      await db.sql`select 1`;
      await held;
    });
    const second = assertRejects(() => context.scope(() => db.sql`select 1`), ScopeError);
    // Another borrower waits for the context's connection within its own.
    await assertRejects(() => db.acquire({ timeoutMs: 1 }), AcquireTimeoutError);
    context.end();
    await second;
    letGo();
    await first;
  }));
