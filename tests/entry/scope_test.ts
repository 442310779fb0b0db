import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  AcquireTimeoutError,
  ConnectionLostError,
  DeadlockError,
  LeaseReleasedError,
  ScopeError,
  StatementTimeoutError,
} from "../../src/core/errors.ts";
import type { LeftOpenEvent } from "../../src/core/observer.ts";
import { type BaseSql, createPool, type PostgresLease } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

/** Which backend serves here. */
const pidOf = async (db: { readonly sql: BaseSql<Record<never, never>> }): Promise<unknown> => {
  const [row] = await db.sql`select pg_backend_pid() as pid`;
  return row?.pid;
};

test("in a scope sql, use, acquire and transaction have one connection, in helpers, too (P-03, P-04, Z-02, Z-13)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 5 });
  const pids = await db.scope(async (scope) => {
    assertEquals([scope.ended, db.current()?.name, db.stats().total], [false, scope.name, 0]);
    const first = await Promise.all([pidOf(db), pidOf(db), pidOf(scope)]);
    const used = await db.use(async (lease) => [lease.connection.pid, await pidOf(lease)]);
    using lease = await db.acquire();
    const leased = await pidOf(lease);
    lease.release();
    const inside = await db.transaction((sql) => pidOf({ sql }));
    return [...first, ...used, leased, inside, await pidOf(db.with({ timeoutMs: 5_000 }))];
  });
  assertEquals(new Set(pids).size, 1);
  assertEquals([db.stats().total, db.stats().used, db.current()], [1, 0, undefined]);
});

test("what a scope's function returns is awaited within the scope, be it a query", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  await db.scope(async () => {
    await db.sql`set application_name = 'scoped'`;
    const name = () => db.sql`show application_name`;
    const rows = [
      await db.scope(name),
      await db.scoped(name)(),
      await db.use(name),
      await db.transaction(name),
    ];
    assertEquals(rows.map(([row]) => row?.application_name), Array(4).fill("scoped"));
    const [outside] = await db.outside(name);
    assertEquals(outside?.application_name, schema.name);
  });
});

test("statements of parallel branches are sent in the order written, none into another's transaction (X-01)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const failing = db.transaction(async (sql) => {
      await sql`insert into t values (1)`;
      await sql`select pg_sleep(0.02)`;
      throw new Error("no");
    });
    // Written while that one is open: they wait, and are no part of it.
    const branches = [2, 3].map((x) => db.sql`insert into t values (${x})`);
    const transaction = db.transaction((sql) => sql`insert into t values (4)`);
    await assertRejects(() => failing, Error, "no");
    await Promise.all([...branches, transaction]);
  });
  assertEquals(await schema.column("t", "x"), [2, 3, 4]);
});

test("a lease has the connection alone, and statements of the scope wait for it (X-01)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const lease = await db.acquire();
    const order: string[] = [];
    const waiting = db.sql`select 1`.then(() => order.push("statement"));
    await lease.sql`select pg_sleep(0.01)`;
    order.push("lease");
    lease.release();
    await waiting;
    assertEquals(order, ["lease", "statement"]);
    await assertRejects(async () => await lease.sql`select 1`, LeaseReleasedError);
  });
});

test("a lease of a scope does one thing after the other with what is begun below it (X-01)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  await db.scope(async () => {
    await db.use(async (lease) => {
      const failing = lease.transaction(async (sql) => {
        await sql`insert into t values (1)`;
        // What it joins by the lease's own sql, too, goes with it.
        await lease.sql`insert into t values (2)`;
        await db.sql`insert into t values (3)`;
        throw new Error("changed my mind");
      });
      const others = [
        db.sql`insert into t values (4)`.execute(),
        lease.sql`insert into t values (5)`.execute(),
        lease.transaction((sql) => sql`insert into t values (6)`),
        db.transaction((sql) => sql`insert into t values (7)`),
        lease.sql.begin((sql) => sql`insert into t values (8)`),
      ];
      await assertRejects(() => failing, Error, "changed my mind");
      await Promise.all(others);
    });
  });
  assertEquals(await schema.column("t", "x"), [4, 5, 6, 7, 8]);
});

test("a transaction of a scope's lease has that lease's options, and a failure within it is a savepoint's", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  await db.scope(async () => {
    using lease = await db.acquire();
    const strict = lease.with({ timeoutMs: 500 });
    await assertRejects(
      () => strict.transaction((sql) => sql`select pg_sleep(60)`),
      StatementTimeoutError,
    );
    await lease.transaction(async (sql) => {
      await sql`insert into t values (1)`;
      const inner = lease.transaction(async (sql) => {
        await sql`insert into t values (2)`;
        throw new Error("only this");
      });
      await assertRejects(() => inner, Error, "only this");
    });
    const tried = db.tryAcquire();
    assertEquals(tried, undefined);
    lease.release();
    await assertRejects(async () => await lease.sql`select 1`, LeaseReleasedError);
    await assertRejects(() => lease.transaction(() => {}), LeaseReleasedError);
    using again = db.tryAcquire();
    await again?.transaction((sql) => sql`insert into t values (3)`);
  });
  assertEquals(await schema.column("t", "x"), [1, 3]);
});

test("a transaction by hand on the scope's sql goes on from statement to statement, and is rolled back at the end (P-21, P-22)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  const told: LeftOpenEvent[] = [];
  await using db = createPool(schema.url, {
    observer: { leftOpen: (event) => void told.push(event) },
  });
  await db.scope(async () => {
    await db.sql`begin`;
    await db.sql`insert into t values (1)`;
    await db.sql`commit`;
    await db.sql`begin`;
    await db.use((lease) => lease.sql`insert into t values (2)`);
    assertEquals((await db.sql`select count(*)::int from t`)[0]?.count, 2);
  }, { name: "by hand" });
  assertEquals(await schema.column("t", "x"), [1]);
  assertEquals(told.map(({ scope, kind }) => [scope, kind]), [["by hand", "transaction"]]);
});

test("a transaction that is still open when its scope ends is rolled back and reported, with its stack (P-21, P-22, X-13)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  const told: LeftOpenEvent[] = [];
  await using db = createPool(schema.url, {
    max: 1,
    observer: { leftOpen: (event) => void told.push(event) },
  });
  const begun = Promise.withResolvers<void>();
  const late = Promise.withResolvers<void>();
  const going: Promise<unknown>[] = [];
  const handler = db.scoped(async () => {
    const transaction = db.transaction(async (sql) => {
      await sql`insert into t values (1)`;
      begun.resolve();
      await late.promise;
      await sql`insert into t values (2)`;
    });
    going.push(transaction.catch((error) => error));
    await begun.promise;
  }, { name: "GET /" });
  await handler();
  await db.sql`insert into t values (3)`;
  late.resolve();
  const [error] = await Promise.all(going);
  assertInstanceOf(error, ScopeError);
  assert(error.message.includes('"GET /"'));
  assertEquals(await schema.column("t", "x"), [3]);
  assertEquals(told.map(({ scope, kind }) => [scope, kind]), [["GET /", "transaction"]]);
  assert(/scope_test/.test(told[0]?.stack ?? ""));
});

test("a transaction whose COMMIT is on its way when its scope ends comes to its end", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  const going: Promise<unknown>[] = [];
  await db.scope(async () => {
    const committing = proxy.statement("commit");
    going.push(db.transaction((sql) => sql`insert into t values (1)`));
    await committing;
  });
  await Promise.all(going);
  assertEquals(await schema.column("t", "x"), [1]);
  assertEquals(db.stats().used, 0);
});

test("what runs on after its scope is refused, whatever it uses (X-12, X-13)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  const uses: (() => Promise<unknown>)[] = [
    async () => await db.sql`select 1`,
    () => db.use(() => {}),
    () => db.acquire(),
    () => db.transaction(() => {}),
    async () => await db.with({ timeoutMs: 1_000 }).sql`select 1`,
  ];
  const late = Promise.withResolvers<void>();
  const going: Promise<PromiseSettledResult<unknown>[]>[] = [];
  await db.scope(async () => {
    await db.sql`select 1`;
    going.push(late.promise.then(() => Promise.allSettled(uses.map((use) => use()))));
  }, { name: "job" });
  late.resolve();
  const outcomes = (await Promise.all(going)).flat();
  assertEquals(outcomes.length, uses.length);
  for (const outcome of outcomes) {
    assert(outcome.status === "rejected");
    assertInstanceOf(outcome.reason, ScopeError);
    assert(outcome.reason.message.includes('"job"'));
  }
  assertEquals(db.stats().used, 0);
});

test("a cursor that is still read when its scope has ended keeps the connection until it is over (X-11, X-24)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const read = db.scoped(() => {
    const cursor = db.sql`select x from generate_series(1, 6) x`.cursor(2)[Symbol.asyncIterator]();
    const first = cursor.next();
    return { cursor, first };
  });
  const { cursor, first } = await read();
  assertEquals((await first).value?.map(({ x }: { x?: number }) => x), [1, 2]);
  assertEquals(db.stats().used, 1);
  const waiting = db.sql`select 1`;
  const rest: number[] = [];
  for (let next = await cursor.next(); !next.done; next = await cursor.next()) {
    rest.push(...next.value.map(({ x }) => Number(x)));
  }
  assertEquals(rest, [3, 4, 5, 6]);
  await waiting;
  assertEquals(db.stats().used, 0);
});

test("a body that reads rows after its handler has returned is served with untilRead, and its cancel gives the connection back", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const handler = db.scoped(() => {
    let page = 0;
    return new Response(
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          const rows = await db.sql`select x from generate_series(${page * 2 + 1}::int, ${
            page * 2 + 2
          }::int) x`;
          controller.enqueue(new TextEncoder().encode(rows.map(({ x }) => `${x} `).join("")));
          if (++page === 3) controller.close();
        },
      }, { highWaterMark: 0 }),
    );
  }, { untilRead: true });
  assertEquals(await (await handler()).text(), "1 2 3 4 5 6 ");
  const { body } = await handler();
  const reader = body?.getReader();
  await reader?.read();
  assertEquals(db.stats().used, 1);
  await reader?.cancel();
  assertEquals(db.stats().used, 0);
  assertThrows(
    () => db.scoped(() => {}, { untilRead: true, transactional: true }),
    TypeError,
    "untilRead does not go with transactional",
  );
});

test("the callback of a cursor cannot use the connection that the cursor has: refused at once, with both stacks (X-26)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 2 });
  await db.scope(async () => {
    const errors: unknown[] = [];
    const others: unknown[] = [];
    await db.sql`select x from generate_series(1, 2) x`.cursor(1, async () => {
      await db.sql`select 1`.catch((error: unknown) => errors.push(error));
      await db.use(() => {}).catch((error: unknown) => errors.push(error));
      others.push(...await db.outside(() => db.sql`select 2 as x`));
    });
    assertEquals([errors.length, others.length], [4, 2]);
    for (const error of errors) assertInstanceOf(error, DeadlockError);
    const [error] = errors;
    assertInstanceOf(error, DeadlockError);
    assert(/scope_test/.test(error.holders[0]?.stack ?? ""), "the cursor's");
    assertEquals((await db.sql`select 3 as x`)[0]?.x, 3);
  });
});

test("nothing is rolled back that was not left open: a scope costs the server no statement of its own", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  await db.sql`select 1`;
  const before = proxy.statements.length;
  await db.scope(async () => {
    await db.sql`select 1`;
    await db.use((lease) => lease.sql`select 2`);
    await db.sql`select x from generate_series(1, 4) x`.cursor(2, () => {});
    await db.sql`select 3`.simple();
  });
  const sent = proxy.statements.slice(before);
  assertEquals(sent.filter((text) => /rollback|begin|discard/i.test(text)), []);
});

test("COPY has the connection of a scope alone (X-11)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const writable = await db.sql`copy t from stdin`.writable();
    const waiting = db.sql`select count(*)::int from t`;
    const finished = new Promise((resolve) => writable.once("finish", resolve));
    writable.end("1\n2\n");
    await finished;
    assertEquals((await waiting)[0]?.count, 2);
  });
});

test("a statement that waits in a scope has its deadline and its signal, and can be cancelled", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const lease = await db.acquire();
    const overdue = await assertRejects(
      async () => await db.with({ timeoutMs: 10 }).sql`select 1`,
      StatementTimeoutError,
    );
    assertEquals(overdue.outcome, "not-applied");
    const abort = new AbortController();
    const aborted = db.with({ signal: abort.signal }).sql`select 1`.execute();
    const cancelled = db.sql`select 2`.execute();
    const outcomes = Promise.allSettled([aborted, cancelled]);
    abort.abort(new Error("mine"));
    cancelled.cancel();
    const [first, second] = await outcomes;
    assertEquals(first.status === "rejected" && first.reason.message, "mine");
    assertEquals(second.status === "rejected" && second.reason.code, "57014");
    lease.release();
    assertEquals((await db.sql`select 3 as x`)[0]?.x, 3);
  });
});

test("the first statement of a scope is sent again when its connection is lost, later ones are not, and the scope is over (Z-10, Z-14, P-15)", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  await db.scope(async () => {
    const sent = proxy.statement("select 1 as x from pg_sleep(0.2)");
    const slow = db.sql`select 1 as x from pg_sleep(0.2)`.execute();
    await sent;
    await schema.terminate();
    assertEquals((await slow)[0]?.x, 1);
    await schema.terminate();
    const lost = await assertRejects(async () => await db.sql`select 1`, ConnectionLostError);
    assertEquals(lost.outcome, "not-applied");
    await assertRejects(async () => await db.sql`select 1`, ConnectionLostError, "any more");
  });
  assertEquals((await db.sql`select 2 as x`)[0]?.x, 2);
});

test("openScope() needs no async-local storage (X-19)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url);
  {
    using scope = db.openScope({ name: "mine" });
    await scope.sql`set application_name = 'mine'`;
    await scope.transaction(async (sql) => {
      await sql`insert into t values (1)`;
      await sql.savepoint((sql) => sql`insert into t values (2)`);
    });
    using lease = await scope.acquire();
    assertEquals((await lease.sql`show application_name`)[0]?.application_name, "mine");
    lease.release();
    assertEquals(await scope.use((lease) => lease.connection.pid), await pidOf(scope));
    assertEquals([scope.name, db.current()], ["mine", undefined]);
    await scope.with({ timeoutMs: 5_000 }).sql`select 1`;
    const other = await pidOf(db);
    assert(other !== await pidOf(scope));
  }
  assertEquals(await schema.column("t", "x"), [1, 2]);
  const scope = db.openScope();
  await scope[Symbol.asyncDispose]();
  await assertRejects(async () => await scope.sql`select 1`, ScopeError);
});

test("persistent() keeps a session from scope to scope, and no transaction (P-03, P-21, Y-12, Y-20)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 2 });
  const actor = db.persistent({ name: "actor" });
  await actor.scope(() => db.sql`create temp table seen (x int)`);
  await actor.scope(async (scope) => {
    await scope.sql`insert into seen values (1)`;
    await db.sql`begin`;
    await db.sql`insert into t values (1)`;
  });
  await actor.scope(async () => {
    assertEquals((await db.sql`select x from seen`).length, 1);
    await db.sql`insert into t values (2)`;
  });
  assertEquals([db.stats().used, actor.name, actor.ended], [1, "actor", false]);
  await actor[Symbol.asyncDispose]();
  actor[Symbol.dispose]();
  assertEquals([db.stats().used, actor.ended], [0, true]);
  await assertRejects(() => actor.scope(() => {}), ScopeError);
  assertEquals(await schema.column("t", "x"), [2]);
});

test("porsager's begin() and reserve() on the pool's sql are the scope's", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  await db.scope(async () => {
    const pid = await pidOf(db);
    const reserved = await db.sql.reserve();
    const [row] = await reserved`select pg_backend_pid() as pid`;
    reserved.release();
    const inside = await db.sql.begin(async (sql) => {
      const [a] = await sql`select pg_backend_pid() as pid`;
      const [b] = await db.sql`select pg_backend_pid() as pid`;
      return [a?.pid, b?.pid];
    });
    assertEquals([row?.pid, ...inside], [pid, pid, pid]);
  });
});

test("options of scopes are checked", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  const wrong = (options: unknown) => options as never;
  const open = (options: unknown) => assertRejects(() => db.scope(() => {}, wrong(options)));
  for (
    const [options, message] of [
      [{ nmae: "x" }, 'Cannot open a scope as there is no option "nmae"'],
      [{ name: "" }, "Cannot open a scope as name must be a string that is not empty"],
      [{ fresh: 1 }, "Cannot open a scope as fresh must be true or false: received 1"],
      [{ transactional: "yes" }, "Cannot open a scope as transactional must be true or false"],
      [{ transactional: { retries: 1 } }, 'Cannot open a scope as there is no option "retries"'],
      [{ retries: 1 }, "Cannot open a scope as retries needs transactional: received it without"],
      [{ retries: -1, transactional: true }, "Cannot open a scope as retries must be an integer"],
      [{ others: 1 }, "Cannot open a scope as others must be an array: received 1"],
      [{ others: [{}], transactional: true }, "Cannot open a scope as others must be pools"],
    ] as const
  ) {
    const error = await open(options);
    assert(error instanceof TypeError || error instanceof RangeError);
    assert(error.message.startsWith(message), error.message);
  }
  assertThrows(
    () => db.scoped(() => {}, { rollbackIf: () => true }),
    TypeError,
    "rollbackIf needs",
  );
  assertThrows(() => db.scoped(wrong(1)), TypeError, "handler must be a function");
  await assertRejects(() => db.scope(wrong(1)), TypeError, "fn must be a function");
});

test("who asks a scope for more than it has is told where that is, and where it was asked for (X-26)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url);
  async function keep(): Promise<PostgresLease> {
    return await db.acquire({ label: "kept" });
  }
  async function more(): Promise<PostgresLease> {
    return await db.acquire({ timeoutMs: 1 });
  }
  await db.scope(async () => {
    using lease = await keep();
    const error = await assertRejects(
      () => more(),
      AcquireTimeoutError,
      `own lease "kept" has had it`,
    );
    assertMatch(error.message, /acquired at .*keep .*scope_test/);
    assertMatch(error.stack ?? "", / more .*scope_test/);
    assertEquals(lease.released, false);
  });
});
