import { assert, assertEquals } from "@std/assert";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { createPool, type PostgresLease, type PostgresPool } from "../support/entry.ts";
import { test } from "../support/harness.ts";

const LEVELS = ["rollback", "session", "discard"] as const;

/** What a borrower may leave behind, and how the next one would see it. */
interface Trace {
  readonly name: string;
  /** Leaves it. */
  leave(sql: PostgresLease["sql"]): Promise<unknown>;
  /** Something that is always the same where nothing was left. */
  see(sql: PostgresLease["sql"]): Promise<unknown>;
}

async function one(query: PromiseLike<readonly Record<string, unknown>[]>): Promise<unknown> {
  const [row = {}] = await query;
  return Object.values(row)[0];
}

const TRACES: readonly Trace[] = [
  {
    name: "a setting",
    leave: (sql) => sql`set statement_timeout = '7s'`,
    see: (sql) => one(sql`show statement_timeout`),
  },
  {
    name: "a search path",
    leave: (sql) => sql`set search_path = pg_catalog`,
    see: (sql) => one(sql`show search_path`),
  },
  {
    name: "a role",
    leave: (sql) => sql`set role pg_monitor`,
    see: (sql) => one(sql`select current_user::text`),
  },
  {
    name: "a session user",
    leave: (sql) => sql`set session authorization pg_monitor`,
    see: (sql) => one(sql`select session_user::text`),
  },
  {
    name: "a temporary table",
    leave: (sql) => sql`create temp table trace (x int)`,
    see: (sql) =>
      one(sql`select count(*)::int from pg_class where relname = 'trace' and relpersistence = 't'
                            and pg_table_is_visible(oid)`),
  },
  {
    name: "an advisory lock",
    leave: (sql) => sql`select pg_advisory_lock(4711)`,
    see: (sql) =>
      one(sql`select count(*)::int from pg_locks where locktype = 'advisory'
                and pid = pg_backend_pid()`),
  },
  {
    name: "LISTEN",
    leave: (sql) => sql`listen trace`,
    see: (sql) => one(sql`select count(*)::int from pg_listening_channels()`),
  },
  {
    name: "a cursor with hold",
    leave: (sql) => sql`declare trace cursor with hold for select 1`,
    see: (sql) => one(sql`select count(*)::int from pg_cursors where name = 'trace'`),
  },
  {
    name: "a sequence's last value",
    leave: async (sql) => {
      await sql`create temp sequence trace_sequence`;
      await sql`select nextval('trace_sequence')`;
    },
    see: (sql) =>
      sql`select lastval()`.then(() => "a value", (error: { code?: unknown }) => error.code),
  },
];

/** What is left of a transaction; at no level may it be seen. */
const TRANSACTION: Trace = {
  name: "an open transaction, its locks and its cursor",
  async leave(sql) {
    await sql`begin`;
    await sql`insert into t values (1)`;
    await sql`select pg_advisory_xact_lock(4712)`;
    await sql`declare trace cursor for select 1`;
  },
  see: async (sql) => [
    await one(sql`select count(*)::int from t`),
    await one(sql`select pg_current_xact_id_if_assigned()`),
    await one(sql`select count(*)::int from pg_locks where pid = pg_backend_pid()
                    and (locktype = 'advisory' or relation = 't'::regclass and mode = 'RowExclusiveLock')`),
    await one(sql`select count(*)::int from pg_cursors where name = 'trace'`),
  ],
};

/** Takes a fresh connection's word for what it looks like when nothing was left. */
async function clean(schema: Schema, trace: Trace): Promise<unknown> {
  await using db = createPool(schema.url, { max: 1 });
  using lease = await db.acquire();
  return await trace.see(lease.sql);
}

/** Leaves something, and looks as the next borrower of the same connection. */
async function seenByNext(db: PostgresPool, trace: Trace): Promise<unknown> {
  const lease = await db.acquire();
  const { pid } = lease.connection;
  await trace.leave(lease.sql);
  lease.release();
  using next = await db.acquire();
  assertEquals(next.connection.pid, pid, trace.name);
  return await trace.see(next.sql);
}

for (const reset of LEVELS) {
  test(`reset "${reset}": what a borrower left is ${reset === "rollback" ? "there for" : "not seen by"} the next one`, async () => {
    await using schema = await Schema.create("create table t (x int)");
    for (const trace of TRACES) {
      await using db = createPool(schema.url, { max: 1, reset });
      const seen = await seenByNext(db, trace);
      const same = JSON.stringify(seen) === JSON.stringify(await clean(schema, trace));
      assertEquals([trace.name, same], [trace.name, reset !== "rollback"]);
    }
  });

  test(`reset "${reset}": a transaction and its locks are not seen by the next one`, async () => {
    await using schema = await Schema.create("create table t (x int)");
    await using db = createPool(schema.url, { max: 1, reset });
    const expected = await clean(schema, TRANSACTION);
    assertEquals(expected, [0, null, 0, 0]);
    assertEquals(await seenByNext(db, TRANSACTION), expected);
    const failed: Trace = {
      ...TRANSACTION,
      async leave(sql) {
        await TRANSACTION.leave(sql);
        await sql`select 1 / 0`.catch(() => {});
      },
    };
    assertEquals(await seenByNext(db, failed), expected);
  });
}

for (const reset of ["session", "discard"] as const) {
  test(`reset "${reset}" keeps what the driver prepared: no Parse for the same statement, in a transaction neither`, async () => {
    await using schema = await Schema.create("create table t (x int)");
    await using proxy = await WireProxy.start(schema.url);
    let parses = 0;
    const seen: string[] = [];
    proxy.judge = (message) => {
      const { from, type, body } = message;
      if (from === "client" && type === "P" && body.toString().includes("from t where")) parses++;
      if (from === "server" && type === "E") seen.push(body.toString());
      return "pass";
    };
    await using db = createPool(schema.through(proxy), { max: 1, reset });
    const pids = new Set<number>();
    for (let i = 0; i < 3; i++) {
      using lease = await db.acquire();
      pids.add(lease.connection.pid);
      assertEquals([...await lease.sql`select x from t where x = ${i}`], []);
    }
    await db.transaction((sql) => sql`select x from t where x = ${1}`);
    assertEquals([pids.size, parses, seen], [1, 1, []]);
  });

  test(`reset "${reset}" ${reset === "session" ? "keeps" : "forgets"} what was prepared by SQL`, async () => {
    await using schema = await Schema.create();
    await using db = createPool(schema.url, { max: 1, reset });
    const prepared: Trace = {
      name: "PREPARE",
      leave: (sql) => sql`prepare "odd "" name" as select 1`.simple(),
      see: (sql) => one(sql`select count(*)::int from pg_prepared_statements where from_sql`),
    };
    assertEquals(await seenByNext(db, prepared), reset === "session" ? 1 : 0);
  });

  test(`reset "${reset}": the session is set up anew for each borrower`, async () => {
    await using schema = await Schema.create();
    const session = ["set statement_timeout = '9s'", "set application_name = 'set up'"];
    await using db = createPool(schema.url, { max: 1, reset, session });
    const settings: Trace = {
      name: "settings",
      leave: (sql) => sql`set application_name = 'left'`,
      see: async (sql) => [
        await one(sql`show statement_timeout`),
        await one(sql`show application_name`),
      ],
    };
    assertEquals(await seenByNext(db, settings), ["9s", "set up"]);
  });

  test(`reset "${reset}" of a session without a transaction has the server warn of nothing`, async () => {
    await using schema = await Schema.create();
    const notices: unknown[] = [];
    await using db = createPool(schema.url, {
      max: 1,
      reset,
      onnotice: ({ code, message }) => notices.push([code, message]),
    });
    for (let i = 0; i < 2; i++) (await db.acquire()).release();
    using lease = await db.acquire();
    await lease.sql`select 1`;
    assertEquals(notices, []);
  });
}

test("a connection that is cleaned is sent nothing while a statement of a pool that shares it is", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  const texts: string[] = [];
  proxy.judge = ({ from, type, body }) => {
    if (from === "client" && type === "Q") texts.push(body.toString());
    return "pass";
  };
  await using db = createPool(schema.through(proxy), { max: 1, reset: "session" });
  await Promise.all([1, 2, 3].map((x) => db.sql`select ${x}::int`));
  // Single statements leave nothing, and are not cleaned after.
  assert(texts.every((text) => !text.includes("discard")), texts.join());
});
