import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { ConnectionLostError } from "../../../src/core/errors.ts";
import { PostgresServer } from "../../support/postgres_server.ts";
import { Schema } from "./schema.ts";
import { openSession } from "./session.ts";
import { WireProxy } from "./wire_proxy.ts";
import { held } from "../../support/held.ts";
import { test } from "../../support/harness.ts";

test("PostgresConnection.status is the server's own word", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const { connection } = session;
  const seen: string[] = [connection.status];
  for (const text of ["select 1", "begin", "select 1", "select 1 / 0", "select 1", "rollback"]) {
    const { done } = session.start(text);
    seen.push(connection.status);
    await done.catch(() => {});
    // The promise settles in the turn of the answer, and that is when the connection knows.
    seen.push(connection.status);
  }
  assertEquals(seen, [
    "idle",
    ...["busy", "idle"],
    ...["busy", "in transaction"],
    ...["busy", "in transaction"],
    ...["busy", "failed"],
    ...["busy", "failed"],
    ...["busy", "idle"],
  ]);
  connection.destroy();
  assertEquals(connection.status, "unknown");
});

test("PostgresConnection.status sees a transaction that a statement began inside of others", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  await session.start("select 1; begin; select 2").done;
  assertEquals(session.connection.status, "in transaction");
  await session.sql`commit`;
  assertEquals(session.connection.status, "idle");
});

test("PostgresConnection.pid is the backend's, and so is the state of results", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const rows = await session.sql`select pg_backend_pid() as pid`;
  assertEquals(rows[0]?.pid, session.connection.pid);
  assertEquals(rows.state.pid, session.connection.pid);
});

test("PostgresConnection.inHotStandby tells a standby from a primary", async () => {
  await using schema = await Schema.create();
  using primary = await openSession(schema.url);
  assertEquals(primary.connection.inHotStandby, false);
  await using server = await PostgresServer.start({ files: { "standby.signal": "" } });
  using standby = await openSession(server.url());
  assertEquals(standby.connection.inHotStandby, true);
});

test("PostgresConnection sends statements one at a time, in the order given", async () => {
  await using schema = await Schema.create("create table t (x serial, y int)");
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const { connection } = session;
  const { promise: answered, resolve: answer } = Promise.withResolvers<"pass">();
  const { promise: held, resolve: hold } = Promise.withResolvers<void>();
  proxy.judge = ({ from, type }) => {
    if (from === "client" || type !== "Z") return "pass";
    hold();
    return answered;
  };
  const all = [1, 2, 3].map((y) => session.start(`insert into t (y) values (${y})`));
  await held;
  assertEquals(proxy.statements.filter((text) => text.startsWith("insert")).length, 1);
  assertEquals(all.map(({ statement }) => statement.evidence), ["sent", "unsent", "unsent"]);
  assertEquals(connection.status, "busy");
  answer("pass");
  await Promise.all(all.map(({ done }) => done));
  assertEquals(all.map(({ statement }) => statement.evidence), [
    "answered",
    "answered",
    "answered",
  ]);
  const rows = await session.sql`select y from t order by x`;
  assertEquals(rows.map(({ y }) => y), [1, 2, 3]);
});

test("PostgresConnection.abort() takes an unsent statement out, and nothing else is hurt", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const { connection } = session;
  const reason = new Error("no longer wanted");
  const [first, second, third, fourth] = [1, 2, 3, 4].map((x) =>
    session.start(`insert into t values (${x})`)
  );
  assert(first && second && third && fourth);
  connection.abort(second.statement, reason);
  connection.abort(fourth.statement, reason);
  assertStrictEquals(await assertRejects(() => second.done), reason);
  assertStrictEquals(await assertRejects(() => fourth.done), reason);
  await Promise.all([first.done, third.done]);
  // Over and done with: nothing happens.
  connection.abort(first.statement, reason);
  connection.abort(second.statement, reason);
  assertEquals(connection.status, "idle");
  assertEquals(await schema.column("t", "x"), [1, 3]);
});

test("PostgresConnection.abort() of a statement that was sent destroys the connection", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const { connection } = session;
  const reason = new Error("no longer wanted");
  const sent = session.start("select pg_sleep(60)");
  const queued = session.start("select 1");
  await proxy.statement("pg_sleep(60)");
  connection.abort(sent.statement, reason);
  assertStrictEquals(await assertRejects(() => sent.done), reason);
  const error = await assertRejects(() => queued.done, ConnectionLostError);
  assertEquals([error.outcome, error.cause, connection.lost], ["not-applied", reason, true]);
});

test("PostgresConnection.onLost() is told once, of the fatal error that ended the session", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const { connection } = session;
  const causes: unknown[] = [];
  const { promise: lost, resolve } = Promise.withResolvers<void>();
  const takeOff = connection.onLost(() => causes.push("taken off"));
  connection.onLost((cause) => {
    causes.push(cause);
    resolve();
  });
  takeOff();
  await schema.terminate(connection.pid);
  await held(lost);
  const [cause] = causes;
  assertInstanceOf(cause, Error);
  assertEquals(Reflect.get(cause, "code"), "57P01");
  assertEquals(cause.message, "terminating connection due to administrator command (57P01)");
  connection.destroy();
  assertEquals(causes.length, 1);
  connection.onLost((late) => causes.push(late));
  assertStrictEquals(causes[1], cause);
});

test("PostgresConnection judges each statement by itself when it is lost", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const sent = session.start("select pg_sleep(60)");
  const queued = session.start("insert into t values (1)");
  await proxy.statement("pg_sleep(60)");
  await schema.terminate();
  const outcomes: unknown[] = [];
  for (const { done } of [sent, queued, session.start("insert into t values (2)")]) {
    const error = await assertRejects(() => done, ConnectionLostError);
    outcomes.push([error.outcome, error.retryable, Reflect.get(error.cause as object, "code")]);
  }
  assertEquals(outcomes, [
    ["unknown", false, "57P01"],
    ["not-applied", true, "57P01"],
    ["not-applied", true, "57P01"],
  ]);
  assertEquals([sent.statement.evidence, queued.statement.evidence], ["fatal", "unsent"]);
});

test("PostgresConnection calls a statement of a transaction rolled back, unless it may have ended it", async () => {
  await using schema = await Schema.create("create table t (x int)");
  const statements = {
    "insert into t values (1)": "rolled-back",
    "with x as (select 1) select * from x": "rolled-back",
    "commit": "unknown",
    "end": "unknown",
    "do $$ begin commit; end $$": "unknown",
    "prepare transaction 'x'": "unknown",
  };
  for (const [text, outcome] of Object.entries(statements)) {
    await using proxy = await WireProxy.start(schema.url);
    using session = await openSession(schema.through(proxy));
    await session.start("begin").done;
    proxy.judge = ({ from }) => from === "client" ? "cut" : "pass";
    const error = await assertRejects(() => session.start(text).done, ConnectionLostError);
    assertEquals([text, error.outcome], [text, outcome]);
    // One that comes after belongs to the transaction, too.
    const late = await assertRejects(() => session.start("select 1").done, ConnectionLostError);
    assertEquals(late.outcome, "rolled-back");
  }
});

test("PostgresConnection.close() says goodbye", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const { connection } = session;
  const lost = new Promise((resolve) => connection.onLost(resolve));
  await connection.close();
  await held(lost);
  assertEquals([connection.lost, connection.endedHere], [true, true]);
  assertEquals(proxy.messages.filter(({ from }) => from === "client").at(-1)?.type, "X");
  await connection.close();
});

test("PostgresConnection.close() of a busy connection does not wait", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const { done } = session.start("select pg_sleep(60)");
  await proxy.statement("pg_sleep(60)");
  await session.connection.close();
  const error = await assertRejects(() => done, ConnectionLostError);
  assertEquals([error.outcome, session.connection.lost], ["unknown", true]);
});

test("PostgresConnection.close({ signal }) gives a silent server up", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const { connection } = session;
  proxy.judge = () => "drop";
  const abort = new AbortController();
  const closing = connection.close(abort.signal);
  await proxy.message(({ type }) => type === "X");
  abort.abort();
  await closing;
  assertEquals(connection.lost, true);
});
