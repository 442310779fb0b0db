import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectionLostError, SteadyError } from "../../src/core/errors.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

const TABLE = "create table t (x int)";

const insert = async (db: PostgresPool, x: number): Promise<void> => {
  await db.sql`insert into t values (${x})`;
};

test("a transactional scope is one transaction, begun at first use, committed when its function returns (Z-04, Z-05, Z-07)", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  const handler = db.scoped(async (x: number) => {
    assertEquals(db.stats().used, 0);
    await insert(db, x);
    await Promise.all([
      insert(db, x + 1),
      db.use((lease) => lease.sql`insert into t values (${x + 2})`),
      db.transaction(() => insert(db, x + 3)),
    ]);
    {
      using lease = await db.acquire();
      await lease.sql`insert into t values (${x + 4})`;
    }
    assertEquals(await schema.column("t", "x"), []);
    await db.requireTransaction().savepoint((sql) => sql`insert into t values (${x + 5})`);
    return "done";
  }, { transactional: true });
  const { promise: calls, resolve } = Promise.withResolvers<string>();
  await db.scope(() => db.outside(() => resolve("outside")));
  assertEquals([await handler(1), await calls], ["done", "outside"]);
  assertEquals(await schema.column("t", "x"), [1, 2, 3, 4, 5, 6]);
  assertEquals(db.stats().used, 0);
});

test("a transactional scope that is not used takes no connection, and sends nothing (Z-08)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  assertEquals(await db.scope(() => "unused", { transactional: true }), "unused");
  assertEquals(db.stats().counters.connects, 0);
});

test("a transactional scope is rolled back when its function throws, with its very error (Z-06)", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  const calls: unknown[] = [];
  const failing = db.scope(async () => {
    await insert(db, 1);
    db.afterRollback((error) => calls.push(error));
    db.afterCommit(() => calls.push("never"));
    throw new Error("no");
  }, { transactional: true });
  const error = await assertRejects(() => failing, Error, "no");
  assertEquals(calls, [error]);
  assertEquals([await schema.column("t", "x"), db.stats().used], [[], 0]);
});

test("a transactional scope is rolled back when the response says so", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  const handler = db.scoped(async (status: number) => {
    await insert(db, status);
    return new Response(null, { status });
  }, { transactional: true, rollbackIf: ({ status }) => status >= 400 });
  assertEquals([(await handler(200)).status, (await handler(409)).status], [200, 409]);
  assertEquals(await schema.column("t", "x"), [200]);
});

test("a failed statement fails a transactional scope, even if that was caught", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  const failing = db.scope(async () => {
    await insert(db, 1);
    await db.sql`select 1 / 0`.catch(() => {});
    return "as if nothing had happened";
  }, { transactional: true });
  const { code } = await assertRejects(() => failing, db.sql.PostgresError);
  assertEquals([code, await schema.column("t", "x")], ["22012", []]);
});

test("a scope within a transactional one is part of it; one within a plain one is on its own", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  const part = db.scoped((x: number) => insert(db, x), { transactional: true });
  await assertRejects(() =>
    db.scope(async () => {
      await part(1);
      await db.scope(() => insert(db, 2));
      throw new Error("no");
    }, { transactional: true })
  );
  await assertRejects(() =>
    db.scope(async () => {
      await part(3);
      throw new Error("no");
    })
  );
  assertEquals(await schema.column("t", "x"), [3]);
});

test("a transactional scope is begun as it says, and hooks run after it", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  const calls: unknown[] = [];
  await db.scope(async () => {
    const [level] = await db.sql`show transaction_isolation`;
    const [mode] = await db.sql`show transaction_read_only`;
    db.afterCommit(() => calls.push([level?.transaction_isolation, mode?.transaction_read_only]));
  }, { transactional: { isolation: "serializable", readOnly: true } });
  assertEquals(calls, [["serializable", "on"]]);
});

test("a transactional scope is run again as a whole on a serialization failure, when allowed (Z-15)", async () => {
  await using schema = await Schema.create(
    `${TABLE}; create table c (n int); insert into c values (0)`,
  );
  await using db = createPool(schema.url);
  const both = Promise.withResolvers<void>();
  let attempts = 0;
  const add = db.scoped(async () => {
    const [row] = await db.sql`select n from c`;
    if (++attempts === 2) both.resolve();
    await both.promise;
    await db.sql`update c set n = ${row?.n + 1}`;
  }, { transactional: { isolation: "serializable" }, retries: 5 });
  await Promise.all([add(), add()]);
  assertEquals([await schema.column("c", "n"), attempts], [[2], 3]);
});

test("a transactional scope that lost its connection before COMMIT was sent is run again, when allowed (Z-10, Z-15)", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url);
  let attempts = 0;
  const handler = async (): Promise<void> => {
    await insert(db, 1);
    if (++attempts % 2 === 1) await schema.terminate();
    await insert(db, 2);
  };
  const error = await assertRejects(
    () => db.scope(handler, { transactional: true }),
    ConnectionLostError,
  );
  assertEquals([error.outcome, attempts], ["rolled-back", 1]);
  attempts = 0;
  await db.scope(handler, { transactional: true, retries: 1 });
  assertEquals([attempts, await schema.column("t", "x")], [2, [1, 2]]);
});

test("a first use that fails is not remembered (P-26)", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { acquireTimeoutMs: 20 });
  // A deadline that is to pass is not that of a connect.
  await db.ready({ timeoutMs: 10_000 });
  await db.scope(async () => {
    db.suspend();
    await assertRejects(() => db.use(() => {}));
    db.resume();
    await insert(db, 1);
  }, { transactional: true });
  assertEquals(await schema.column("t", "x"), [1]);
});

/** Two pools on one schema, each by way of a proxy. */
async function twoPools(url: (port: { readonly port: number }) => string, target: string) {
  const [first, second] = [await WireProxy.start(target), await WireProxy.start(target)];
  return {
    first,
    second,
    a: createPool(url(first), { name: `a-${crypto.randomUUID()}` }),
    b: createPool(url(second), { name: `b-${crypto.randomUUID()}` }),
  };
}

test("several pools in one transactional scope are committed in a stable order, by their names (Z-05, Z-16)", async () => {
  await using schema = await Schema.create(TABLE);
  const { first, second, a, b } = await twoPools((port) => schema.through(port), schema.url);
  await using _all = {
    async [Symbol.asyncDispose]() {
      for (const each of [a, b, first, second]) await each[Symbol.asyncDispose]();
    },
  };
  const order: string[] = [];
  const note = (name: string, proxy: WireProxy) =>
    proxy.statement("commit").then(() => order.push(name));
  for (const [main, other] of [[a, b], [b, a]] as const) {
    const committed = Promise.all([note("a", first), note("b", second)]);
    await main.scope(async () => {
      await Promise.all([insert(a, 1), insert(b, 2)]);
    }, { transactional: true, others: [other] });
    await committed;
  }
  assertEquals(order, ["a", "b", "a", "b"]);
  // None is committed when one could not be.
  const failing = a.scope(async () => {
    await insert(a, 3);
    await insert(b, 4);
    await b.sql`select 1 / 0`.catch(() => {});
  }, { transactional: true, others: [b] });
  await assertRejects(() => failing, a.sql.PostgresError);
  await assertRejects(() =>
    a.scope(async () => {
      await insert(a, 5);
      await insert(b, 6);
      throw new Error("no");
    }, { transactional: true, others: [b] })
  );
  assertEquals(await schema.column("t", "x"), [1, 1, 2, 2]);
});

test("what is in force of several pools when one COMMIT is refused is said, and never run again (Z-05, Z-15)", async () => {
  await using schema = await Schema.create(
    `${TABLE}; create table u (x int unique deferrable initially deferred)`,
  );
  const { first, second, a, b } = await twoPools((port) => schema.through(port), schema.url);
  await using _all = {
    async [Symbol.asyncDispose]() {
      for (const each of [a, b, first, second]) await each[Symbol.asyncDispose]();
    },
  };
  let attempts = 0;
  const run = (broken: PostgresPool) =>
    a.scope(async () => {
      attempts++;
      await insert(a, attempts);
      await insert(b, 10 * attempts);
      await broken.sql`insert into u values (1), (1)`;
    }, { transactional: true, others: [b], retries: 3 });
  const partly = await assertRejects(() => run(b), SteadyError);
  assertEquals([partly.code, partly.outcome, partly.retryable, attempts], [
    ...["PARTLY_COMMITTED", "unknown", false, 1],
  ]);
  assertInstanceOf(partly.cause, a.sql.PostgresError);
  assertEquals(await schema.column("t", "x"), [1]);
  // The first that is committed is refused: nothing is in force.
  const none = await assertRejects(() => run(a), a.sql.PostgresError);
  assertEquals([none.code, await schema.column("t", "x")], ["23505", [1]]);
  assert(a.stats().used === 0 && b.stats().used === 0);
});

test("a statement that is refused before it is sent begins no transaction, and leaves no rejection that nobody hears", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1, acquireTimeoutMs: 0 });
  using _all = await db.acquire();
  const { counters: { refusals } } = db.stats();
  await db.scope(async () => {
    const refused = db.with({ signal: AbortSignal.abort(new Error("mine")) }).sql`select 1`;
    await assertRejects(async () => await refused, Error, "mine");
  }, { transactional: true });
  assertEquals(db.stats().counters.refusals, refusals);
});

test("what is asked for while a transactional scope begins is done in the order asked for (X-01)", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  const seen = await db.scope(async () => {
    const inserted = insert(db, 1);
    // A query is sent a moment after it is awaited.
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    const [, first, second] = await Promise.all([
      inserted,
      db.transaction((sql) => sql`select x from t`),
      db.use(({ sql }) => sql`select x from t`),
    ]);
    return [first.length, second.length];
  }, { transactional: true });
  assertEquals(seen, [1, 1]);
});
