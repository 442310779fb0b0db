import { assertEquals, assertRejects } from "@std/assert";
import type postgres from "postgres";
import { ConnectionLostError } from "../../../src/core/errors.ts";
import { createPool } from "../../support/entry.ts";
import { Schema } from "./schema.ts";
import { openSession } from "./session.ts";
import { WireProxy } from "./wire_proxy.ts";
import { test } from "../../support/harness.ts";

async function assertCancelled(query: PromiseLike<unknown>, outcome: string): Promise<void> {
  const error = await assertRejects(async () => await query, Error, "canceling statement");
  assertEquals([Reflect.get(error, "code"), Reflect.get(error, "outcome")], ["57014", outcome]);
}

test("query.cancel() of one that was not sent takes it out", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const unsent = db.sql`insert into t values (1)`;
  unsent.cancel();
  await assertCancelled(unsent, "not-applied");
  assertEquals(proxy.connections, 0);
  const lease = await db.acquire();
  const waiting = db.sql`insert into t values (2)`.execute();
  while (db.stats().waiters === 0) await Promise.resolve();
  waiting.cancel();
  await assertCancelled(waiting, "not-applied");
  assertEquals(db.stats().waiters, 0);
  lease.release();
  await db.sql`insert into t values (3)`;
  assertEquals(await schema.column("t", "x"), [3]);
  assertEquals(proxy.messages.filter(({ type }) => type === "cancel").length, 0);
});

test("query.cancel() of one that waits behind another on its connection hits that one only", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  using lease = await db.acquire();
  const queries = [1, 2, 3, 4].map((x) => lease.sql`insert into t values (${x})`.execute());
  await proxy.statement("insert into t");
  queries[1]?.cancel();
  const results = await Promise.allSettled(queries);
  assertEquals(results.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
  assertEquals(await schema.column("t", "x"), [1, 3, 4]);
  assertEquals(proxy.messages.filter(({ type }) => type === "cancel").length, 0);
});

test("query.cancel() of one that runs asks the server, and its connection goes back (X-25)", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const [before] = await db.sql`select pg_backend_pid() as pid`;
  const running = db.sql`select pg_sleep(60)`.execute();
  await proxy.statement("pg_sleep(60)");
  running.cancel();
  running.cancel();
  await assertCancelled(running, "refused");
  const [after] = await db.sql`select pg_backend_pid() as pid`;
  assertEquals(after, before);
  assertEquals(proxy.messages.filter(({ type }) => type === "cancel").length, 1);
});

test("query.cancel() never strikes the statement behind the one it was meant for", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const { promise: held, resolve: letGo } = Promise.withResolvers<"pass">();
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  proxy.judge = ({ type }) => {
    if (type !== "cancel") return "pass";
    ask();
    return held;
  };
  using lease = await db.acquire();
  // The first one ends by itself while the request to cancel it is on its way.
  const first = lease.sql`select 'first' as state, pg_sleep(0)`.execute();
  const second = lease.sql`select 'second' as state`.execute();
  await proxy.statement("'first'");
  first.cancel();
  const [row] = await first;
  await asked;
  assertEquals(row?.state, "first");
  assertEquals(lease.connection.status, "busy");
  assertEquals(proxy.statements.some((text) => text.includes("'second'")), false);
  letGo("pass");
  assertEquals([...await second], [{ state: "second" }] as never);
});

test("query.cancel() that cannot reach the server destroys the connection, which nobody can trust (X-25)", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const running = session.start("select pg_sleep(60)");
  await proxy.statement("pg_sleep(60)");
  proxy.refuse();
  running.statement.cancel();
  const error = await assertRejects(() => running.done, ConnectionLostError);
  assertEquals([error.outcome, session.connection.lost], ["unknown", true]);
});

test("A cancel that is on its way ends with its connection", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const running = session.start("select pg_sleep(60)");
  await proxy.statement("pg_sleep(60)");
  // The server hangs up only when nobody waits for that any more.
  proxy.judge = ({ type }) => {
    if (type === "cancel") proxy.open.at(-1)?.delay(1_000, "server");
    return "pass";
  };
  const cancelling = session.connection.cancelCurrent();
  cancelling.catch(() => {});
  await assertCancelled(running.done, "refused");
  session.connection.destroy(new Error("enough"));
  await assertRejects(() => cancelling, Error, "enough");
});

test("query.cancel() of a transaction's statement fails the transaction (X-25)", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  let running: postgres.PendingQuery<postgres.Row[]> | undefined;
  const failing = db.transaction(async (sql) => {
    running = sql`select pg_sleep(60)`;
    await running;
  });
  const rejected = assertCancelled(failing, "refused");
  await proxy.statement("pg_sleep(60)");
  running?.cancel();
  await rejected;
  assertEquals(db.stats().idle, 1);
});

test("query.cancel() of one that is over does nothing", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const query = db.sql`select 1 as x`;
  assertEquals([...await query], [{ x: 1 }] as never);
  query.cancel();
  assertEquals([...await db.sql`select 2 as x`], [{ x: 2 }] as never);
  assertEquals(proxy.connections, 1);
});
