import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { ConnectionLostError } from "../../src/core/errors.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { statementOf, type Verdict, WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";
import { query } from "../support/query.ts";
import { sharedServer } from "../support/shared_server.ts";

const INSERT = "insert into t values";

/** A table, a proxy in front of it, and a pool of one. */
async function rig(
  fn: (parts: { schema: Schema; proxy: WireProxy; db: PostgresPool }) => Promise<void>,
): Promise<void> {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  await db.sql`select 1`;
  await fn({ schema, proxy, db });
}

/**
 * Breaks the connection at the INSERT, so many times: before it reaches the server, or when the server has answered it,
 * which nobody hears of.
 */
function strike(proxy: WireProxy, where: "before" | "after", times: number): void {
  let left = times;
  const armed = new Set<number>();
  proxy.judge = (message): Verdict => {
    const { connection, from, type } = message;
    if (statementOf(message)?.startsWith(INSERT) && left > 0) {
      left--;
      if (where === "before") return "cut";
      armed.add(connection);
    }
    return armed.has(connection) && from === "server" && type === "C" ? "cut" : "pass";
  };
}

test("A statement that did not leave is sent on another connection, and its caller hears nothing", () =>
  rig(async ({ schema, proxy, db }) => {
    strike(proxy, "before", 1);
    const rows = await db.sql`insert into t values (${1}) returning x`;
    assertEquals([...rows], [{ x: 1 }]);
    assertEquals(await schema.column("t", "x"), [1]);
    assertEquals(proxy.connections, 2);
  }));

test("It is sent again at most twice", () =>
  rig(async ({ schema, proxy, db }) => {
    strike(proxy, "before", 2);
    await db.sql`insert into t values (${1})`;
    strike(proxy, "before", 3);
    const error = await assertRejects(
      // Another text, as what is prepared needs no Parse.
      async () => await db.sql`insert into t values (${2}) returning x`,
      ConnectionLostError,
    );
    assertEquals([error.outcome, error.retryable, error.code], [
      "not-applied",
      true,
      "CONNECTION_CLOSED",
    ]);
    assertEquals(await schema.column("t", "x"), [1]);
    assertEquals(proxy.connections, 5);
  }));

test("A statement that may have been executed is not sent again, and rejects as unknown", () =>
  rig(async ({ schema, proxy, db }) => {
    strike(proxy, "after", 1);
    const error = await assertRejects(
      async () => await db.sql`insert into t values (${1})`,
      ConnectionLostError,
    );
    assertEquals([error.outcome, error.retryable], ["unknown", false]);
    assertEquals(await schema.column("t", "x"), [1]);
  }));

for (
  const [name, options] of [["idempotent", { idempotent: true }], ["replay: always", {
    replay: "always",
  }]] as const
) {
  test(`It is sent again if it is declared ${name} (C-11): it may be executed twice`, () =>
    rig(async ({ schema, proxy, db }) => {
      strike(proxy, "after", 1);
      const [row] = await db.with(options).sql`insert into t values (${1}) returning x`;
      assertEquals(row, { x: 1 });
      assertEquals(await schema.column("t", "x"), [1, 1]);
    }));
}

test("replay: never leaves all to the caller", () =>
  rig(async ({ proxy, db }) => {
    strike(proxy, "before", 1);
    const view = db.with({ replay: "never" });
    const error = await assertRejects(
      async () => await view.sql`insert into t values (${1})`,
      ConnectionLostError,
    );
    assertEquals([error.outcome, error.retryable], ["not-applied", true]);
  }));

test("An option of the pool says it for all, and a view can differ", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1, replay: "never" });
  await db.sql`select 1`;
  strike(proxy, "before", 1);
  await assertRejects(async () => await db.sql`insert into t values (${1})`, ConnectionLostError);
  strike(proxy, "before", 1);
  await db.with({ replay: "safe" }).sql`insert into t values (${2})`;
  assertEquals(await schema.column("t", "x"), [2]);
});

test("What was unknown once stays unknown, whatever comes of a later attempt", () =>
  rig(async ({ schema, proxy, db }) => {
    await query(schema.url, `alter table ${schema.name}.t add primary key (x)`);
    strike(proxy, "after", 1);
    // Declared idempotent, and is not.
    const error = await assertRejects(
      async () => await db.with({ idempotent: true }).sql`insert into t values (${1})`,
    );
    assertEquals([Reflect.get(error as object, "code"), Reflect.get(error as object, "outcome")], [
      "23505",
      "unknown",
    ]);
    strike(proxy, "after", 1);
    const failing = db.with({ idempotent: true, timeoutMs: 300 })
      .sql`insert into t values (${2}) returning x`;
    void failing.execute();
    await proxy.statement("returning x");
    proxy.refuse();
    const lost = await assertRejects(async () => await failing) as { outcome: string };
    assertEquals(lost.outcome, "unknown");
  }));

test("A refused statement is never sent again, even if declared idempotent", () =>
  rig(async ({ proxy, db }) => {
    await assertRejects(async () =>
      await db.with({ idempotent: true }).sql`insert into nowhere values (1)`
    );
    assertEquals(proxy.statements.filter((text) => text.includes("nowhere")).length, 1);
  }));

test("Nobody sees the statement again that an administrator's order struck: no row twice, no error", () =>
  rig(async ({ schema, db }) => {
    // Waits for a lock in a trigger, so that it is executing when its session ends.
    await query(schema.url, "select 1");
    using holder = await createHolder(schema);
    const pending = db
      .sql`insert into t select 1 from (select pg_advisory_lock(${holder.key}::int)) as l`;
    void pending.execute();
    const pid = await waitingPid(holder.key);
    await query(sharedServer().url, "select pg_terminate_backend($1)", [pid]);
    await waitingPid(holder.key, pid);
    await holder.free();
    await pending;
    assertEquals(await schema.column("t", "x"), [1]);
    await db.sql`select pg_advisory_unlock_all()`;
  }));

/** Holds an advisory lock on the shared server. */
async function createHolder(schema: Schema) {
  const key = Math.trunc(Math.random() * 2 ** 30);
  const pool = createPool(schema.url, { max: 1 });
  const lease = await pool.acquire();
  await lease.sql`select pg_advisory_lock(${key}::int)`;
  return {
    key,
    free: async () => {
      await lease.sql`select pg_advisory_unlock(${key}::int)`;
    },
    [Symbol.dispose]() {
      void pool.close({ timeoutMs: 0 });
    },
  };
}

/** The backend that waits for the lock, once there is one. */
async function waitingPid(key: number, notPid = 0): Promise<number> {
  for (;;) {
    const [row] = await query<{ pid: number }>(
      sharedServer().url,
      "select pid from pg_locks where locktype = 'advisory' and objid = $1::int and not granted and pid <> $2",
      [key, notPid],
    );
    if (row !== undefined) return row.pid;
  }
}

test("A session that ends itself costs one connection: the statement does not walk through the pool", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 4, multiplex: "off" });
  const leases = await Promise.all([1, 2, 3, 4].map(() => db.acquire()));
  const pids = leases.map(({ connection }) => connection.pid);
  for (const lease of leases) lease.release();
  const error = await assertRejects(
    async () => await db.sql`select pg_terminate_backend(pg_backend_pid())`,
    ConnectionLostError,
  );
  assertEquals(error.outcome, "unknown");
  assertEquals(Reflect.get(error.cause as object, "code"), "57P01");
  const alive = await query(
    sharedServer().url,
    "select pid from pg_stat_activity where pid = any($1::int[])",
    [
      `{${pids.join(",")}}`,
    ],
  );
  assertEquals(alive.length, 3);
});

test("A cursor and forEach end with their connection, and begin nowhere anew", () =>
  rig(async ({ proxy, db }) => {
    for (
      const read of [
        async () => {
          const cursor = db.sql`select i from generate_series(1, 9) as i`.cursor(2);
          for await (const _ of cursor) proxy.cut();
        },
        () => db.sql`select i from generate_series(1, 9) as i`.forEach(() => proxy.cut()),
      ]
    ) {
      const before = proxy.statements.filter((text) => text.includes("generate_series")).length;
      let failed: unknown;
      try {
        await read();
      } catch (error) {
        failed = error;
      }
      // forEach may have had all its rows by then.
      if (failed !== undefined) {
        assertInstanceOf(failed, ConnectionLostError);
        assertEquals(failed.outcome, "unknown");
      }
      assertEquals(
        proxy.statements.filter((text) => text.includes("generate_series")).length,
        before + 1,
      );
    }
  }));

test("k statements that one loss struck are sent again over as many connections as the pool has (X-02)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  await db.sql`select 1`;
  strike(proxy, "before", 1);
  const all = Array.from({ length: 20 }, (_, x) => db.sql`insert into t values (${x})`);
  await Promise.all(all);
  assertEquals(await schema.column("t", "x"), Array.from({ length: 20 }, (_, x) => x));
  assertEquals(proxy.connections, 2);
});

test("A signal ends the wait for another connection", () =>
  rig(async ({ proxy, db }) => {
    const abort = new AbortController();
    strike(proxy, "before", 1);
    const failing = db.with({ signal: abort.signal }).sql`insert into t values (${1})`;
    void failing.execute();
    proxy.refuse();
    await proxy.statement(INSERT);
    while (db.stats().waiters === 0) await new Promise((resolve) => setTimeout(resolve));
    const reason = new Error("the signal's own reason");
    abort.abort(reason);
    assertStrictEquals(await assertRejects(async () => await failing), reason);
    assertEquals(db.stats().waiters, 0);
  }));

test("Wrong values of replay and idempotent are refused at once", () => {
  assertThrows(
    () => createPool("postgres://h/d", { replay: "maybe" as "safe" }),
    TypeError,
    `Cannot create pool as replay must be "safe", "always" or "never": received "maybe"`,
  );
  const db = createPool("postgres://h/d");
  assertThrows(
    () => db.with({ replay: true as unknown as "safe" }),
    TypeError,
    `Cannot set statement options as replay must be "safe", "always" or "never": received true`,
  );
  assertThrows(
    () => db.with({ idempotent: "yes" as unknown as boolean }),
    TypeError,
    `Cannot set statement options as idempotent must be a boolean: received "yes"`,
  );
});
