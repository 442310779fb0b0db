/** The steady connection on a real server. The rules themselves are tested in virtual time (tests/core/steady_*). */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectError, SteadyError } from "../../src/core/errors.ts";
import {
  type ReopenedEvent,
  SteadyConnection,
  type SteadyConnectionOptions,
} from "../../src/core/steady_connection.ts";
import { type PostgresConnection, postgresDriver } from "../../src/driver/postgres/mod.ts";
import { statementOf, WireProxy } from "../driver/postgres/wire_proxy.ts";
import { held } from "../support/held.ts";
import { test } from "../support/harness.ts";
import { runtime } from "../support/entry.ts";
import { query } from "../support/query.ts";
import { type FreshDatabase, freshDatabase } from "../support/shared_server.ts";

/** A steady connection to a database of its own, in which there is a table `t`. */
class Bench implements AsyncDisposable {
  readonly url: string;
  readonly steady: SteadyConnection<PostgresConnection>;
  readonly reopened: ReopenedEvent[] = [];
  readonly #database: FreshDatabase;
  #lost: () => void = () => {};

  static async open(
    options: SteadyConnectionOptions<PostgresConnection> = {},
  ): Promise<Bench> {
    const database = await freshDatabase();
    await query(database.url, "create table t (x text unique deferrable initially deferred)");
    return new Bench(database, options);
  }

  constructor(database: FreshDatabase, options: SteadyConnectionOptions<PostgresConnection>) {
    this.#database = database;
    this.url = database.url;
    this.steady = new SteadyConnection(postgresDriver({ runtime, url: database.url }), {
      onLost: () => this.#lost(),
      onReopened: (event) => void this.reopened.push(event),
      ...options,
    });
  }

  /** Runs a statement as a unit of work. */
  async run(text: string, options?: { idempotent?: boolean; timeoutMs?: number }): Promise<void> {
    await this.steady.run((connection) => connection.run(text), options);
  }

  async rows(): Promise<unknown[]> {
    return (await query(this.url, "select x from t order by x")).map(({ x }) => x);
  }

  /** Terminates the connection's backend; resolved when this side has noticed. */
  async terminate(): Promise<void> {
    const lost = new Promise<void>((resolve) => this.#lost = resolve);
    await query(this.url, "select pg_terminate_backend($1)", [this.steady.connection?.pid ?? 0]);
    await held(lost);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.steady.close();
    await this.#database[Symbol.asyncDispose]();
  }
}

async function failure(promise: Promise<unknown>): Promise<SteadyError> {
  const error: unknown = await promise.then(() => undefined, (error: unknown) => error);
  assertInstanceOf(error, SteadyError);
  return error;
}

test("A steady connection survives its backend's end, and sets its session up again (S-14, S-25)", async () => {
  await using b = await Bench.open({ session: ["set time zone 'Asia/Tokyo'"] });
  await b.run("insert into t values ('1 ' || current_setting('TimeZone'))");
  await b.run("set application_name = 'mine'");
  await b.terminate();
  await b.run("insert into t values ('2 ' || current_setting('TimeZone'))");
  await b.run("insert into t values ('3 ' || current_setting('application_name'))");
  const rows = await b.rows();
  assertEquals(rows.slice(0, 2), ["1 Asia/Tokyo", "2 Asia/Tokyo"]);
  assert(rows[2] !== "3 mine");
  assertEquals(b.reopened, [{ epoch: 2, reason: "lost" }]);
  assertEquals([b.steady.counters.opens, b.steady.counters.closes], [2, 1]);
});

test("A session's statement that the server refuses is the cause (S-15)", async () => {
  await using b = await Bench.open({ session: ["set no_such_setting_at_all = 1"] });
  const error = await failure(b.run("select 1"));
  assertInstanceOf(error, ConnectError);
  assertEquals([error.phase, error.retryable], ["session", false]);
  assertEquals(Reflect.get(error.cause as object, "code"), "42704");
  assertEquals(b.steady.counters.opens, 1);
});

test("A session that leaves a transaction open is refused (S-16)", async () => {
  await using b = await Bench.open({
    session: async (connection) => void await connection.run("begin"),
  });
  const error = await failure(b.steady.ready());
  assertEquals(error.message, 'Cannot set the session up: it left the connection "in transaction"');
});

test("A transaction by hand whose backend ended stays failed until its rollback (C-30, T-14)", async () => {
  await using b = await Bench.open();
  await b.steady.begin({ isolation: "serializable" });
  await b.run("insert into t values ('first')");
  await b.terminate();
  for (const work of [() => b.run("insert into t values ('tail')"), () => b.steady.commit()]) {
    assertEquals((await failure(work())).outcome, "rolled-back");
  }
  assertEquals([b.steady.status, b.steady.counters.opens], ["failed", 1]);
  await b.steady.rollback();
  await b.run("insert into t values ('after')");
  assertEquals(await b.rows(), ["after"]);
});

test("A callback's transaction whose backend ended is rolled back, and its rest goes nowhere (C-29, C-30)", async () => {
  await using b = await Bench.open();
  const error = await failure(b.steady.transaction(async (connection) => {
    await connection.run("insert into t values ('first')");
    await b.terminate();
    await assertRejects(() => connection.run("insert into t values ('tail')"));
    await connection.run("commit");
  }));
  assertEquals(error.outcome, "rolled-back");
  await b.steady.transaction(async (connection) => {
    await connection.run("insert into t values ('after')");
  });
  assertEquals(await b.rows(), ["after"]);
});

test("COMMIT that the server refuses, and a failed statement that was swallowed, are no success (T-11)", async () => {
  await using b = await Bench.open();
  const insertTwice = async (connection: PostgresConnection): Promise<void> => {
    await connection.run("insert into t values ('a')");
    await connection.run("insert into t values ('a')");
  };
  // The constraint is deferred: only COMMIT finds that it is broken.
  const error: unknown = await b.steady.transaction(insertTwice).catch((error: unknown) => error);
  assertEquals(Reflect.get(error as object, "code"), "23505");
  const swallowed = await failure(b.steady.transaction(async (connection) => {
    await connection.run("insert into t values ('b')");
    await connection.run("select 1 / 0").catch(() => {});
  }));
  assertEquals([swallowed.code, swallowed.outcome], ["TRANSACTION_ROLLED_BACK", "rolled-back"]);
  assertEquals([b.steady.status, await b.rows(), b.steady.counters.opens], ["idle", [], 1]);
});

// What was terminated may have committed in its middle.
test("A unit of work whose backend ends under it is unknown, and is done again only if idempotent (C-11, C-15)", async () => {
  await using b = await Bench.open();
  await b.steady.ready();
  const commits = "do $$ begin insert into t values ('half'); commit; " +
    "perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(60); end $$";
  const error = await failure(b.run(commits));
  assertEquals([error.outcome, error.retryable], ["unknown", false]);
  assertEquals(await b.rows(), ["half"]);
  const once = "do $$ begin if not exists (select from t where x = 'done') then " +
    "insert into t values ('done'); commit; perform pg_terminate_backend(pg_backend_pid()); " +
    "perform pg_sleep(60); end if; end $$";
  await b.run(once, { idempotent: true });
  assertEquals([await b.rows(), b.steady.epoch], [["done", "half"], 3]);
});

test("A deadline ends a unit of work here and at the server", async () => {
  await using b = await Bench.open();
  await b.run("select pg_advisory_lock(1)");
  const error = await failure(b.run("select pg_sleep(600)", { timeoutMs: 300 }));
  assertEquals([error.code, error.outcome], ["STATEMENT_TIMEOUT", "unknown"]);
  // Held by the session until its backend has ended.
  await query(b.url, "select pg_advisory_lock(1)");
  await b.run("insert into t values ('after')");
  assertEquals([await b.rows(), b.reopened], [["after"], [{ epoch: 2, reason: "doubt" }]]);
});

test("cancel() ends what is executed and leaves the connection, and the transaction, in place (T-16)", async () => {
  await using b = await Bench.open();
  await b.steady.begin();
  const sleeping = b.steady.run((connection) => connection.run("select pg_sleep(600)"));
  const cancelled = assertRejects(() => sleeping, Error, "canceling statement");
  const executing =
    "select 1 from pg_stat_activity where pid = $1 and state = 'active' and query like '%pg_sleep%'";
  while ((await query(b.url, executing, [b.steady.connection?.pid ?? 0])).length === 0);
  await b.steady.cancel();
  await cancelled;
  await assertRejects(() => b.run("select 1"), Error, "current transaction is aborted");
  assertEquals([b.steady.status, b.steady.epoch], ["failed", 1]);
  await b.steady.rollback();
  await b.run("insert into t values ('after')");
  assertEquals([await b.rows(), b.steady.epoch], [["after"], 1]);
});

test("A steady connection that is closed leaves no backend behind, nor does one that was worn", async () => {
  await using b = await Bench.open({ maxUses: 2 });
  for (const lock of [1, 2]) {
    await b.run(`select pg_advisory_lock(${lock})`);
    await b.run("select 1");
  }
  await b.run("select pg_advisory_lock(3)");
  await b.steady.close();
  const { opens, closes } = b.steady.counters;
  assertEquals([closes, opens > 1], [opens, true]);
  // Each held by a session until its backend has ended.
  for (const lock of [1, 2, 3]) await query(b.url, "select pg_advisory_lock($1)", [lock]);
});

test("A unit of work that was provably not done is done again, with the connection's own sql (C-11, T-10)", async () => {
  await using database = await freshDatabase();
  await query(database.url, "create table t (x int)");
  await using proxy = await WireProxy.start(database.url);
  const url = new URL(database.url);
  url.port = String(proxy.port);
  await using steady = new SteadyConnection(postgresDriver({ runtime, url: url.href }));
  let left = 1;
  proxy.judge = (message) =>
    statementOf(message)?.startsWith("insert") && left-- > 0 ? "cut" : "pass";
  let runs = 0;
  const rows = await steady.run((connection) => {
    runs++;
    return connection.sql`insert into t values (${1}) returning x`;
  });
  assertEquals([[...rows as unknown as { x: number }[]], runs], [[{ x: 1 }], 2]);
  // Now its first statement is in force when the second is lost: doing the unit again would do that twice.
  left = 1;
  proxy.judge = (message) =>
    statementOf(message)?.startsWith("update") && left-- > 0 ? "cut" : "pass";
  const error = await failure(steady.run(async ({ sql }) => {
    await sql`insert into t values (${2})`;
    await sql`update t set x = ${3} where x = 2`;
  }));
  assertEquals(error.outcome, "unknown");
  assertEquals(await query(database.url, "select x from t order by x"), [{ x: 1 }, { x: 2 }]);
});
