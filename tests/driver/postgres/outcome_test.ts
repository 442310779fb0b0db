import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import type postgres from "postgres";
import { ConnectionLostError } from "../../../src/core/errors.ts";
import { held } from "../../support/held.ts";
import { test } from "../../support/harness.ts";
import { query } from "../../support/query.ts";
import { sharedServer } from "../../support/shared_server.ts";
import { pipeline } from "./pipeline.ts";
import { Schema } from "./schema.ts";
import { type OpenSession, openSession } from "./session.ts";
import { statementOf, type Verdict, WireProxy } from "./wire_proxy.ts";

function terminate({ connection: { pid } }: OpenSession): Promise<unknown> {
  return query(sharedServer().url, "select pg_terminate_backend($1)", [pid]);
}

/** Waits until a statement waits for the lock. */
async function waiting({ connection: { pid } }: OpenSession): Promise<void> {
  const locks = "select 1 from pg_locks where pid = $1 and not granted";
  while ((await query(sharedServer().url, locks, [pid])).length === 0);
}

async function outcomeOf(promise: PromiseLike<unknown>): Promise<string> {
  const error = await assertRejects(async () => await promise, ConnectionLostError);
  return error.outcome;
}

/** A statement by the extended protocol, of a text that is known only here. */
function written(sql: postgres.ISql, text: string): PromiseLike<unknown> {
  return sql(Object.assign([text], { raw: [text] }));
}

/** Takes a lock that nobody gives up: who waits for it executes until its session ends. */
const BLOCK = "pg_advisory_lock(77)";

/** Holds the lock in a session of its own, beside a table and a procedure. */
async function withLock(test: (schema: Schema) => Promise<void>): Promise<void> {
  await using schema = await Schema.create(`
    create table t (x int); insert into t values (0);
    create procedure wait_for_lock() language plpgsql as $$ begin perform ${BLOCK}; end $$`);
  using holder = await openSession(schema.url);
  await holder.sql.unsafe(`select ${BLOCK}`);
  await test(schema);
}

for (
  const [text, outcome] of [
    [`select ${BLOCK}`, "not-applied"],
    [`insert into t select 1 from (select ${BLOCK}) as l`, "not-applied"],
    [`update t set x = 2 where (select ${BLOCK}) is null`, "not-applied"],
    [`delete from t where (select ${BLOCK}) is null`, "not-applied"],
    [`with l as (select ${BLOCK}) select 1 from l`, "not-applied"],
    [`values ((select ${BLOCK}::text))`, "not-applied"],
    [`do $$ begin perform ${BLOCK}; end $$`, "unknown"],
    [`call wait_for_lock()`, "unknown"],
    [`create table made as select ${BLOCK}::text as l`, "unknown"],
    [`/* first a comment */ select ${BLOCK}`, "unknown"],
  ] as const
) {
  test(`A session ended amid "${text}" by an administrator: ${outcome}`, () =>
    withLock(async (schema) => {
      using session = await openSession(schema.url);
      const settled = outcomeOf(written(session.sql, text));
      await waiting(session);
      await terminate(session);
      assertEquals(await settled, outcome);
    }));
}

test("A simple query ended amid by an administrator is unknown: it may be many statements", () =>
  withLock(async (schema) => {
    using session = await openSession(schema.url);
    const settled = outcomeOf(session.sql.unsafe(`insert into t values (1); select ${BLOCK}`));
    await waiting(session);
    await terminate(session);
    assertEquals(await settled, "unknown");
  }));

test("CREATE INDEX CONCURRENTLY whose session was ended is unknown: it leaves an invalid index", () =>
  withLock(async (schema) => {
    using writer = await openSession(schema.url);
    await writer.sql.unsafe("begin; insert into t values (1)");
    using session = await openSession(schema.url);
    const settled = outcomeOf(written(session.sql, "create index concurrently i on t (x)"));
    // It waits for the transaction that has written.
    await waiting(session);
    await terminate(session);
    assertEquals(await settled, "unknown");
    const [index] = await schema.query(
      `select indisvalid from pg_index where indexrelid = '${schema.name}.i'::regclass`,
    );
    assertEquals(index, { indisvalid: false });
  }));

test("DO that committed before its session was ended is unknown, and what it committed stays", () =>
  withLock(async (schema) => {
    using session = await openSession(schema.url);
    const settled = outcomeOf(
      session.sql.unsafe(`do $$ begin insert into t values (1); commit; perform ${BLOCK}; end $$`),
    );
    await waiting(session);
    await terminate(session);
    assertEquals(await settled, "unknown");
    assertEquals(await schema.query(`select x from ${schema.name}.t order by x`), [
      { x: 0 },
      { x: 1 },
    ]);
  }));

test("What is pipelined behind the statement that was executing is not applied", () =>
  withLock(async (schema) => {
    using session = await openSession(schema.url);
    const sql = pipeline(session);
    await sql`insert into t values (1)`;
    const settled = Promise.all([
      outcomeOf(written(sql, `select ${BLOCK}`)),
      outcomeOf(sql`insert into t values (2)`),
      outcomeOf(sql`do $$ begin insert into t values (3); commit; end $$`),
    ]);
    await waiting(session);
    await terminate(session);
    assertEquals(await settled, ["not-applied", "not-applied", "not-applied"]);
    assertEquals(await schema.query(`select x from ${schema.name}.t order by x`), [
      { x: 0 },
      { x: 1 },
    ]);
  }));

test("A session that ends itself: unknown, so that the statement does not end the next one too", async () => {
  using session = await openSession(sharedServer().url);
  const { sql } = session;
  assertEquals(await outcomeOf(sql`select pg_terminate_backend(pg_backend_pid())`), "unknown");
});

/** ReadyForQuery, outside of a transaction. */
const READY = Buffer.of(0x5a, 0, 0, 0, 5, 0x49);

/** An ErrorResponse or NoticeResponse. */
function response(type: "E" | "N", severity: string, code: string): Buffer {
  const fields = `S${severity}\0V${severity}\0C${code}\0Mterminating connection\0\0`;
  const message = Buffer.alloc(5 + fields.length);
  message.write(type, 0, "latin1");
  message.writeInt32BE(4 + fields.length, 1);
  message.write(fields, 5, "latin1");
  return message;
}

for (
  const { title, before, inject, outcome } of [
    {
      title: "FATAL 57P01 before the statement completed",
      before: "C",
      inject: response("E", "FATAL", "57P01"),
      outcome: "not-applied",
    },
    {
      title: "FATAL 57P01 after the statement completed",
      before: "Z",
      inject: response("E", "FATAL", "57P01"),
      outcome: "unknown",
    },
    {
      title: "a notice with 57P01: its commit waited for a standby",
      before: "C",
      inject: response("N", "WARNING", "57P01"),
      outcome: "unknown",
    },
    {
      title: "a notice with 57P01, and then FATAL 57P01",
      before: "C",
      inject: Buffer.concat([response("N", "WARNING", "57P01"), response("E", "FATAL", "57P01")]),
      outcome: "unknown",
    },
    {
      title: "a notice with 57P02: the server crashed",
      before: "C",
      inject: response("N", "WARNING", "57P02"),
      outcome: "unknown",
    },
    {
      title: "FATAL 08P01",
      before: "C",
      inject: response("E", "FATAL", "08P01"),
      outcome: "unknown",
    },
    { title: "no word at all", before: "C", inject: Buffer.alloc(0), outcome: "unknown" },
  ] as const
) {
  test(`The outcome of an INSERT after ${title}: ${outcome}`, async () => {
    await using schema = await Schema.create("create table t (x int)");
    await using proxy = await WireProxy.start(schema.url);
    using session = await openSession(schema.through(proxy));
    let armed = false;
    proxy.judge = (message): Verdict => {
      if (statementOf(message)?.startsWith("insert")) armed = true;
      return armed && message.from === "server" && message.type === before
        ? { instead: inject, then: "cut" }
        : "pass";
    };
    assertEquals(await outcomeOf(session.sql`insert into t values (1)`), outcome);
  });
}

test("What was only parsed is not applied", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  proxy.judge = (message) => statementOf(message)?.startsWith("insert") ? "cut" : "pass";
  // With a parameter, it is described before anything of it is executed.
  const error = await assertRejects(async () => await session.sql`insert into t values (${1})`);
  assertInstanceOf(error, ConnectionLostError);
  assertEquals([error.outcome, error.retryable], ["not-applied", true]);
});

test("What was answered stays answered when the end of the session comes in the same breath", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const lost: string[] = [];
  const sql = pipeline(session, undefined, (query, outcome) => {
    lost.push(`${query.string}: ${outcome}`);
    return false;
  });
  await sql`insert into t values (0)`;
  // The first one's end is held until the second is cut short, so that both reach us in one read.
  let ends = 0;
  const armed = proxy.messages.length;
  proxy.judge = (message): Verdict => {
    if (message.from !== "server" || proxy.messages.length <= armed) return "pass";
    if (message.type === "Z" && ++ends === 1) {
      return { instead: Buffer.concat([READY, response("E", "FATAL", "57P01")]), then: "cut" };
    }
    return "pass";
  };
  const first = sql`select 1 as x`;
  const second = sql`insert into t values (2)`;
  const settled = await Promise.allSettled([first, second]);
  assertEquals(settled.map(({ status }) => status), ["fulfilled", "rejected"]);
  assertEquals(lost, ["insert into t values (2): not-applied"]);
});

test("What was answered while a cancel was on its way is not judged by a later loss", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  const lost: string[] = [];
  using session = await openSession(schema.through(proxy), {}, {
    lost: (outcome) => {
      lost.push(outcome);
      return false;
    },
  });
  await session.sql`select 1`;
  // The cancel is taken and never answered.
  proxy.judge = (message): Verdict => message.type === "cancel" ? "drop" : "pass";
  const key = Math.trunc(Math.random() * 2 ** 30);
  using holder = await openSession(schema.url);
  await holder.sql`select pg_advisory_lock(${key}::int)`;
  const text = `insert into t select 1 from (select pg_advisory_lock(${key})) as l`;
  const { statement, done } = session.start(text);
  await waiting(session);
  statement.cancel();
  await proxy.message(({ type }) => type === "cancel");
  await holder.sql`select pg_advisory_unlock(${key}::int)`;
  await done;
  const gone = new Promise((resolve) => session.connection.onLost(resolve));
  await terminate(session);
  await held(gone);
  assertEquals(lost, []);
  assertEquals(await schema.query(`select x from ${schema.name}.t`), [{ x: 1 }]);
});
