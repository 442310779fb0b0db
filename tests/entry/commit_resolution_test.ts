import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { CommitUnknownError, ConnectionLostError } from "../../src/core/errors.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import {
  statementOf,
  type Verdict,
  type WireMessage,
  WireProxy,
} from "../driver/postgres/wire_proxy.ts";
import { PostgresServer, query } from "../support/postgres_server.ts";
import { test } from "../support/harness.ts";

function isCommit(message: WireMessage): boolean {
  return statementOf(message) === "commit";
}

function isCommitted({ from, type, body }: WireMessage): boolean {
  return from === "server" && type === "C" && body.toString().startsWith("COMMIT");
}

const TABLE = "create table t (x int)";

/**
 * Waits for the server's clock to leave the second of its last checkpoint: one in the same second as a transaction could be
 * that of a crash after it.
 */
async function leaveCheckpoint(ask: (text: string) => Promise<Record<string, unknown>[]>) {
  const text =
    "select date_trunc('second', clock_timestamp()) > checkpoint_time as past from pg_control_checkpoint()";
  while ((await ask(text))[0]?.past !== true);
}

async function rig(
  fn: (parts: { schema: Schema; proxy: WireProxy; db: PostgresPool }) => Promise<void>,
): Promise<void> {
  await using schema = await Schema.create(TABLE);
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  await leaveCheckpoint((text) => query(schema.url, text));
  await fn({ schema, proxy, db });
}

/** Does something to the first message of a kind, and lets all others pass. */
function once(
  proxy: WireProxy,
  when: (message: WireMessage) => boolean,
  verdict: Verdict,
): void {
  let done = false;
  proxy.judge = (message) => {
    if (done || !when(message)) return "pass";
    done = true;
    return verdict;
  };
}

test("A COMMIT whose answer is lost is looked up: it is in force, and the call returns", () =>
  rig(async ({ schema, proxy, db }) => {
    once(proxy, isCommitted, "cut");
    let calls = 0;
    const result = await db.transaction(async (sql) => {
      calls++;
      await sql`insert into t values (1)`;
      return "well";
    }, { retries: 3 });
    assertEquals([result, calls], ["well", 1]);
    assertEquals(await schema.column("t", "x"), [1]);
  }));

test("A checkpoint in the second of a COMMIT whose answer is lost leaves no doubt: the server has not crashed since", async () => {
  await using server = await PostgresServer.start();
  await server.query(TABLE);
  await using proxy = await WireProxy.start(server.url());
  await using db = createPool(proxy.url(server.url()), { max: 1 });
  once(proxy, isCommitted, "cut");
  const early = "select extract(second from clock_timestamp())::numeric % 1 < 0.3 as early";
  while ((await server.query(early))[0]?.early !== true);
  await server.query("checkpoint");
  await db.transaction((sql) => sql`insert into t values (1)`);
  assertEquals(await server.query("select x from t"), [{ x: 1 }]);
});

test("A COMMIT that is lost on its way is looked up: rolled back, and not run again once it was sent", () =>
  rig(async ({ schema, proxy, db }) => {
    once(proxy, isCommit, "cut");
    let calls = 0;
    const failing = db.transaction((sql) => {
      calls++;
      return sql`insert into t values (1)`;
    }, { retries: 3 });
    const error = await assertRejects(() => failing, ConnectionLostError);
    assertEquals([error.outcome, error.retryable, calls], ["rolled-back", true, 1]);
    assertInstanceOf(error.cause, Error);
    assertEquals(await schema.column("t", "x"), []);
  }));

test("A backend killed while it commits: rolled back for certain, with the server's reason", async () => {
  await using schema = await Schema.create(`
    ${TABLE};
    create function wait() returns trigger language plpgsql
      as 'begin perform pg_sleep(60); return null; end';
    create constraint trigger waits after insert on t deferrable initially deferred
      for each row execute function wait();
  `);
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy));
  await leaveCheckpoint((text) => query(schema.url, text));
  const failing = db.transaction((sql) => sql`insert into t values (1)`);
  const rejected = assertRejects(() => failing, ConnectionLostError);
  await proxy.message(isCommit);
  await schema.terminate();
  const { outcome, cause } = await rejected;
  assertEquals([outcome, Reflect.get(cause as object, "code")], ["rolled-back", "57P01"]);
  assertEquals(await schema.column("t", "x"), []);
});

test("A transaction whose backend waits for a COMMIT that never comes is ended, and is rolled back", () =>
  rig(async ({ schema, proxy, db }) => {
    // The server's side stays open: its backend is in the transaction, and holds what it locked.
    proxy.judge = (message) => isCommit(message) ? "blackhole" : "pass";
    const abort = new AbortController();
    const failing = db.transaction((sql) => sql`insert into t values (1)`, {
      signal: abort.signal,
    });
    const reason = new Error("the signal's own reason");
    const rejected = assertRejects(() => failing);
    await proxy.message(isCommit);
    abort.abort(reason);
    assertStrictEquals(await rejected, reason);
    assertEquals(await schema.column("t", "x"), []);
  }));

test("commitResolution: manual leaves the asking to the caller, off to nobody", () =>
  rig(async ({ schema, proxy, db }) => {
    for (
      const [commitResolution, answer] of [["manual", "committed"], ["off", "unknown"]] as const
    ) {
      once(proxy, isCommitted, "cut");
      const failing = db.transaction((sql) => sql`insert into t values (1)`, { commitResolution });
      const error = await assertRejects(() => failing, CommitUnknownError);
      assertEquals([error.code, error.outcome, error.retryable], [
        "COMMIT_UNKNOWN",
        "unknown",
        false,
      ]);
      assertEquals(await error.resolve(), answer);
    }
    assertEquals(await schema.column("t", "x"), [1, 1]);
  }));

test("A transaction without an id stays unknown: NOTIFY takes one only at its COMMIT", () =>
  rig(async ({ proxy, db }) => {
    once(proxy, isCommitted, "cut");
    const error = await assertRejects(
      () => db.transaction((sql) => sql.notify("news", "of the day")),
      CommitUnknownError,
    );
    assertEquals(await error.resolve(), "unknown");
  }));

test("A READ ONLY transaction has nothing to commit; what a serializable one read may be refused", () =>
  rig(async ({ proxy, db }) => {
    once(proxy, isCommitted, "cut");
    const rows = await db.transaction((sql) => sql`select 1 as x`, { readOnly: true });
    assertEquals([...rows], [{ x: 1 }]);
    once(proxy, isCommitted, "cut");
    const error = await assertRejects(
      () => db.transaction((sql) => sql`select 1`, { readOnly: true, isolation: "serializable" }),
      ConnectionLostError,
    );
    assertEquals([error.outcome, error.retryable], ["rolled-back", true]);
  }));

test("A transaction that was begun READ ONLY and set READ WRITE is looked up as any other", () =>
  rig(async ({ schema, proxy, db }) => {
    once(proxy, isCommit, "cut");
    const failing = db.transaction(async (sql) => {
      await sql`set transaction read write`;
      await sql`insert into t values (1)`;
    }, { readOnly: true });
    await assertRejects(() => failing);
    assertEquals(await schema.column("t", "x"), []);
  }));

test("The id is learnt once, with the first write, and costs no wait of its own", () =>
  rig(async ({ proxy, db }) => {
    await db.sql`select 1`;
    const before = proxy.messages.length;
    await db.transaction(async (sql) => {
      await sql`select count(*) from t`;
      await sql`insert into t values (1)`;
      await sql`insert into t values (2)`;
      await sql.savepoint((sql) => sql`update t set x = 3`);
    });
    const seen = proxy.messages.slice(before);
    const asked = seen.filter((message) =>
      statementOf(message)?.includes("pg_current_xact_id_if_assigned")
    );
    assertEquals(asked.length, 1);
    // Directly behind the INSERT's Execute, and before its Sync.
    const at = seen.indexOf(asked[0] as WireMessage);
    const earlier = seen.slice(0, at).filter(({ from }) => from === "client").at(-1);
    assertEquals(earlier?.type, "E");
    const later = seen.slice(at).find((message) => statementOf(message)?.startsWith("insert"));
    assert(later !== undefined);
  }));

test("Nothing is asked where nothing can be written, nor if it is off", () =>
  rig(async ({ proxy, db }) => {
    await db.transaction((sql) => sql`select 1`);
    await db.transaction((sql) => sql`select 1`, { readOnly: true });
    await db.transaction((sql) => sql`insert into t values (1)`, { commitResolution: "off" });
    assert(!proxy.statements.some((text) => text.includes("pg_current_xact_id")));
  }));

test("Whatever a statement of a transaction is, the question behind it changes nothing of its result", () =>
  rig(async ({ db }) => {
    await db.transaction(async (sql) => {
      await sql`create temp table own (x int, y text)`;
    });
    const long = "y".repeat(5_000);
    const results: unknown[] = [];
    for (
      const run of [
        (sql) => sql`insert into own values (${1}, ${long}) returning x`,
        (sql) => sql.unsafe("insert into own values (2, 'a'); select 2 as x"),
        (sql) => sql`insert into own ${sql([{ x: 3, y: "b" }])} returning x, y`,
        (sql) => sql`select x from own where y = 'b' for update`,
        (sql) => sql`insert into own select i from generate_series(1, 3) as i returning x`.values(),
        async (sql) => {
          const all: unknown[] = [];
          await sql`update own set y = y returning x`.forEach((row) => all.push(row.x));
          return all.length;
        },
        async (sql) => {
          const all: unknown[] = [];
          for await (const rows of sql`update own set y = y returning x`.cursor(2)) {
            all.push(...rows);
          }
          return all.length;
        },
        async (sql) => {
          const stream = await sql`copy own (x) from stdin`.writable();
          await new Promise((resolve, reject) => {
            stream.on("error", reject).on("finish", resolve);
            stream.end("8\n9\n");
          });
          return await sql`select count(*)::int as n from own where x > 7`;
        },
      ] as ((sql: Parameters<Parameters<PostgresPool["transaction"]>[0]>[0]) => Promise<unknown>)[]
    ) {
      for (const commitResolution of ["auto", "off"] as const) {
        const rollBack = new Error("undo");
        let result: unknown;
        const failing = db.transaction(async (sql) => {
          await sql`create temp table own (x int, y text)`.catch(() => {});
          throw rollBack;
        });
        await assertRejects(() => failing);
        const done = db.transaction(async (sql) => {
          await sql.unsafe("drop table if exists own; create temp table own (x int, y text)");
          await sql`insert into own values (3, 'b')`;
          result = await run(sql);
          throw rollBack;
        }, { commitResolution });
        assertStrictEquals(await assertRejects(() => done), rollBack);
        results.push(JSON.stringify(result));
      }
      const [last, lastButOne] = [results.pop(), results.pop()];
      assertEquals(last, lastButOne);
    }
  }));

test("A statement that fails in its transaction fails as without the question", () =>
  rig(async ({ db }) => {
    for (const commitResolution of ["auto", "off"] as const) {
      const failing = db.transaction(async (sql) => {
        await sql`insert into t values (1)`;
        await sql.savepoint((sql) => sql`insert into t values (${"no number"})`).catch(() => {});
        return await sql`insert into nowhere values (1)`;
      }, { commitResolution });
      const error = await assertRejects(() => failing);
      assertEquals(Reflect.get(error as object, "code"), "42P01");
      // The very first one: its question fails with it.
      const first = db.transaction((sql) => sql`insert into nowhere values (1)`, {
        commitResolution,
      });
      assertEquals(Reflect.get(await assertRejects(() => first) as object, "code"), "42P01");
      const cut = db.transaction(
        (sql) => sql`update t set x = 1 / (x - x) from generate_series(1, 3) as i returning i`,
        { commitResolution },
      );
      await cut.catch(() => {});
      const [row] = await db.sql`select 7 as x`;
      assertEquals(row, { x: 7 });
    }
  }));

test("Who may not ask for the server's identity gets unknown, and no transaction fails of it", async () => {
  await using server = await PostgresServer.start();
  await server.query("create role app login password 'app'");
  await server.query("create table t (x int)");
  await server.query("grant all on t to app");
  await server.query("revoke execute on function pg_control_system() from public");
  await using proxy = await WireProxy.start(server.url({ user: "app", password: "app" }));
  const url = new URL(server.url({ user: "app", password: "app" }));
  url.port = String(proxy.port);
  await using db = createPool(url.href, { max: 1 });
  await db.transaction((sql) => sql`insert into t values (1)`);
  once(proxy, isCommitted, "cut");
  await assertRejects(
    () => db.transaction((sql) => sql`insert into t values (2)`),
    CommitUnknownError,
  );
  assertEquals(await server.query("select x from t order by x"), [{ x: 1 }, { x: 2 }]);
  // With the right back, an ordinary role is enough.
  await server.query("grant execute on function pg_control_system() to public");
  await leaveCheckpoint((text) => server.query(text));
  db.evict();
  once(proxy, isCommitted, "cut");
  await db.transaction((sql) => sql`insert into t values (3)`);
});

test("After a crash that took the transaction with it, its id, given to another, is no proof", async () => {
  await using server = await PostgresServer.start();
  await server.query("create table t (x int)");
  await using proxy = await WireProxy.start(server.url());
  await using db = createPool(server.url({ port: proxy.port }), { max: 1 });
  // Nothing is written to the disk by itself meanwhile.
  await server.query("alter system set wal_writer_delay = '10s'");
  await server.query("select pg_reload_conf()");
  const held = Promise.withResolvers<Verdict>();
  proxy.judge = (message) => isCommit(message) ? held.promise as Promise<"cut"> : "pass";
  const failing = db.transaction((sql) => sql`insert into t values (1)`);
  const rejected = assertRejects(() => failing);
  await proxy.message(isCommit);
  await server.kill();
  await server.start();
  // Others take ids, that one too, and commit.
  for (let x = 10; x < 20; x++) await server.query("insert into t values ($1)", [x]);
  held.resolve("cut");
  const error = await rejected as ConnectionLostError;
  assert(error.outcome === "rolled-back" || error.outcome === "unknown", error.outcome);
  assertEquals(await server.query("select x from t where x = 1"), []);
});

test("A COMMIT that was in force before a crash is found in force after it", async () => {
  await using server = await PostgresServer.start();
  await server.query("create table t (x int)");
  await using proxy = await WireProxy.start(server.url());
  await using db = createPool(server.url({ port: proxy.port }), {
    max: 1,
    acquireTimeoutMs: 60_000,
  });
  once(proxy, isCommitted, "blackhole");
  const running = db.transaction((sql) => sql`insert into t values (1)`);
  await proxy.message(isCommitted);
  await server.kill();
  await server.start();
  proxy.cut();
  await running;
  assertEquals(await server.query("select x from t"), [{ x: 1 }]);
});

test("A PREPARE TRANSACTION whose answer is lost is looked up by its name", async () => {
  await using server = await PostgresServer.start({ config: { max_prepared_transactions: "4" } });
  await server.query("create table t (x int)");
  await using proxy = await WireProxy.start(server.url());
  await using db = createPool(server.url({ port: proxy.port }), { max: 1 });
  await leaveCheckpoint((text) => server.query(text));
  const isPrepared = ({ from, type, body }: WireMessage): boolean =>
    from === "server" && type === "C" && body.toString().startsWith("PREPARE");
  once(proxy, isPrepared, "cut");
  await db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    await sql.prepare("it's one");
  });
  assertEquals(await server.query("select gid from pg_prepared_xacts"), [{ gid: "it's one" }]);
  await server.query("commit prepared 'it''s one'");
  once(proxy, (message) => statementOf(message)?.startsWith("prepare") ?? false, "cut");
  const error = await assertRejects(() =>
    db.transaction(async (sql) => {
      await sql`insert into t values (2)`;
      await sql.prepare("two");
    }), ConnectionLostError);
  assertEquals(error.outcome, "rolled-back");
  assertEquals(await server.query("select x from t"), [{ x: 1 }]);
});

test("Wrong values of commitResolution and retries are refused at once", async () => {
  assertThrows(
    () => createPool("postgres://h/d", { commitResolution: "yes" as "auto" }),
    TypeError,
    `Cannot create pool as commitResolution must be "auto", "manual" or "off": received "yes"`,
  );
  const db = createPool("postgres://h/d");
  await assertRejects(
    () => db.transaction(() => {}, { commitResolution: 1 as unknown as "auto" }),
    TypeError,
    `Cannot begin a transaction as commitResolution must be "auto", "manual" or "off": received 1`,
  );
  await assertRejects(
    () => db.transaction(() => {}, { retries: -1 }),
    RangeError,
    `Cannot begin a transaction as retries must be an integer >= 0: received -1`,
  );
});
