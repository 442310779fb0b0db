/**
 * Statements that are given up, more than once or at a bad moment.
 */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { StatementTimeoutError } from "../../src/core/errors.ts";
import { createPool, type PostgresLease, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { type Verdict, WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";
import { query } from "../support/query.ts";

const reason = new Error("the signal's own reason");

/** Longer than a statement that was given up may take to end. */
const LONGER_THAN_GRACE = "select pg_sleep(1.3), pg_backend_pid() as pid";

async function pidOf(db: PostgresPool): Promise<unknown> {
  const [row] = await db.sql`select pg_backend_pid() as pid`;
  return row?.pid;
}

async function rig(
  fn: (parts: { schema: Schema; proxy: WireProxy; db: PostgresPool }) => Promise<void>,
): Promise<void> {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  await fn({ schema, proxy, db });
}

test("A signal that ends a transaction and its statement has the server asked once, and costs the next borrower nothing", () =>
  rig(async ({ proxy, db }) => {
    const pid = await pidOf(db);
    const abort = new AbortController();
    const { promise: held, resolve: letGo } = Promise.withResolvers<Verdict>();
    // Once a request has arrived and the statement goes on, the server is rightly asked again.
    proxy.judge = ({ type }) => type === "cancel" ? held as Promise<"pass"> : "pass";
    const rejected = assertRejects(() =>
      db.with({ signal: abort.signal }).transaction((sql) => sql`select pg_sleep(60)`)
    );
    await proxy.statement("pg_sleep(60)");
    const asked = proxy.message(({ type }) => type === "cancel");
    abort.abort(reason);
    await asked;
    assertEquals(proxy.messages.filter(({ type }) => type === "cancel").length, 1);
    letGo("pass");
    assertStrictEquals(await rejected, reason);
    const [row] = await db.sql.unsafe(LONGER_THAN_GRACE);
    assertEquals(row?.pid, pid);
  }));

test("A signal that aborts while a passed deadline has the server asked costs the next borrower nothing", () =>
  rig(async ({ proxy, db }) => {
    const pid = await pidOf(db);
    const abort = new AbortController();
    const { promise: held, resolve: letGo } = Promise.withResolvers<Verdict>();
    proxy.judge = ({ type }) => type === "cancel" ? held as Promise<"pass"> : "pass";
    const failing = db.with({ signal: abort.signal, timeoutMs: 20 }).sql`select pg_sleep(60)`
      .execute();
    const rejected = assertRejects(() => failing);
    await proxy.message(({ type }) => type === "cancel");
    abort.abort(reason);
    assertStrictEquals(await rejected, reason);
    letGo("pass");
    const [row] = await db.sql.unsafe(LONGER_THAN_GRACE);
    assertEquals(row?.pid, pid);
  }));

/** Holds the answers to our own question behind the first write, until it is let go. */
function holdOwnAnswer(proxy: WireProxy): { letGo(): void; asked: Promise<unknown> } {
  const { promise: held, resolve } = Promise.withResolvers<"pass">();
  let asked = false;
  let ends = 0;
  proxy.judge = (message): Verdict => {
    if (message.from === "client" && message.body.includes("pg_current_xact_id_if_assigned")) {
      asked = true;
    }
    // The statement's own end passes.
    if (message.from === "server" && message.type === "Z" && asked) ends++;
    return message.from === "server" && ends > 0 && message.type !== "Z" ? held : "pass";
  };
  return {
    letGo: () => resolve("pass"),
    asked: proxy.message(({ body }) => body.includes("pg_current_xact_id_if_assigned")),
  };
}

test("query.cancel() of a statement that is over does not strike what is asked behind it", () =>
  rig(async ({ schema, proxy, db }) => {
    const own = holdOwnAnswer(proxy);
    await db.transaction(async (sql) => {
      const insert = sql`insert into t values (1)`;
      await insert;
      insert.cancel();
      own.letGo();
      await sql`insert into t values (2)`;
    });
    assertEquals(await schema.column("t", "x"), [1, 2]);
    assertEquals(proxy.messages.filter(({ type }) => type === "cancel").length, 0);
  }));

test("A deadline that passes when the statement is over does not strike what is asked behind it", () =>
  rig(async ({ schema, proxy, db }) => {
    const own = holdOwnAnswer(proxy);
    await db.transaction(async (sql) => {
      await sql.with({ timeoutMs: 200 })`insert into t values (1)`;
      await query(schema.url, "select pg_sleep(0.4)");
      own.letGo();
      await sql`insert into t values (2)`;
    });
    assertEquals(await schema.column("t", "x"), [1, 2]);
    assertEquals(proxy.messages.filter(({ type }) => type === "cancel").length, 0);
  }));

test("A signal that aborts when the statement is over, and something is asked behind it, ends nothing but the transaction", () =>
  rig(async ({ schema, proxy, db }) => {
    const pid = await pidOf(db);
    const own = holdOwnAnswer(proxy);
    const abort = new AbortController();
    const failing = db.transaction(async (sql) => {
      await sql`insert into t values (1)`;
      abort.abort(reason);
      own.letGo();
    }, { signal: abort.signal });
    assertStrictEquals(await assertRejects(() => failing), reason);
    assertEquals(await schema.column("t", "x"), []);
    assertEquals(await pidOf(db), pid);
  }));

test("A statement that waits for a lock before it is executed is cancelled, and keeps its connection", () =>
  rig(async ({ schema, db }) => {
    const pid = await pidOf(db);
    await using other = createPool(schema.url, { max: 1 });
    using holder = await other.acquire();
    await holder.sql.unsafe("begin; lock table t in access exclusive mode");
    using lease = await db.acquire();
    await lease.sql`create temp table kept (x int)`;
    const error = await assertRejects(
      // With a parameter it is described first: that already waits.
      async () => await lease.with({ timeoutMs: 100 }).sql`select x from t where x = ${1}`,
      StatementTimeoutError,
    );
    assertEquals([error.timeoutMs, error.retryable, lease.lost], [100, true, false]);
    assertEquals([...await lease.sql`select count(*)::int from kept`], [{ count: 0 }]);
    lease.release();
    assertEquals(await pidOf(db), pid);
  }));

/** Has a statement cancelled whose caller hears of it before the server hangs up on who asked. */
async function cancelWithoutHangUp(
  { proxy, lease }: { proxy: WireProxy; lease: PostgresLease },
): Promise<void> {
  proxy.judge = ({ type }) => {
    if (type === "cancel") proxy.open.at(-1)?.delay(300, "server");
    return "pass";
  };
  const failing = lease.with({ timeoutMs: 20 }).sql`select pg_sleep(60)`;
  await assertRejects(async () => await failing, StatementTimeoutError);
}

test("A lease that is given back before the server hangs up on a cancel keeps its connection for the next", () =>
  rig(async ({ proxy, db }) => {
    const pid = await pidOf(db);
    const lease = await db.acquire();
    await cancelWithoutHangUp({ proxy, lease });
    lease.release();
    assertEquals([db.stats().idle, db.stats().total], [1, 1]);
    assertEquals(await pidOf(db), pid);
  }));

test("close() waits for a cancel that is on its way, and leaves no socket", () =>
  rig(async ({ proxy, db }) => {
    const lease = await db.acquire();
    await cancelWithoutHangUp({ proxy, lease });
    const order: string[] = [];
    const over = proxy.open.at(-1)?.closed.then(() => order.push("cancel"));
    lease.release();
    const closing = db.close().then(() => order.push("pool"));
    await Promise.all([closing, over]);
    assertEquals(order, ["cancel", "pool"]);
  }));
