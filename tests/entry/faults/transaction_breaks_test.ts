import { assertEquals } from "@std/assert";
import { bounded as test } from "../../faults/bounded.ts";
import { FaultProxy } from "../../faults/fault_proxy.ts";
import type { Break } from "../../faults/lane.ts";
import {
  after,
  completing,
  isCommit,
  isCommitted,
  type MessageFilter,
  ofType,
  stating,
} from "../../faults/wire_message.ts";
import { createPool, type PostgresPool } from "../../support/entry.ts";
import { PostgresServer } from "../../support/postgres_server.ts";
import { ask, assertAtRest, failure, leaveCheckpoint } from "./rig.ts";

const BREAKS = [
  "cut",
  "reset",
  "half-close",
] as const satisfies readonly Break[];

const isBegin = stating("begin");
const isFirst = stating("insert into t values ($1, 'first')");
const isSecond = stating("insert into t values ($1, 'second')");

/**
 * Where the connection breaks, and what becomes of the transaction: it is begun anew before anybody notices; it is rolled
 * back, and may be run again; it is rolled back, and may not, as its COMMIT was sent; it is committed.
 */
const PLACES: readonly {
  readonly name: string;
  readonly at: () => MessageFilter;
  readonly fate: "begun anew" | "run again" | "rolled back" | "committed";
}[] = [
  { name: "its BEGIN", at: () => isBegin, fate: "begun anew" },
  {
    name: "the answer to its BEGIN",
    at: () => after(isBegin, completing("BEGIN")),
    fate: "begun anew",
  },
  { name: "its first statement", at: () => isFirst, fate: "run again" },
  {
    name: "the answer to its first statement",
    at: () => after(isFirst, completing("INSERT")),
    fate: "run again",
  },
  { name: "its last statement", at: () => isSecond, fate: "run again" },
  {
    name: "the end of its last statement",
    at: () => after(after(isSecond, completing("INSERT")), ofType("server", "Z")),
    fate: "run again",
  },
  { name: "its COMMIT", at: () => isCommit, fate: "rolled back" },
  {
    name: "the answer to its COMMIT",
    at: () => isCommitted,
    fate: "committed",
  },
  {
    name: "the end of its COMMIT",
    at: () => after(isCommitted, ofType("server", "Z")),
    fate: "committed",
  },
];

/** Runs a transaction of two statements. */
async function run(
  db: PostgresPool,
  retries: number,
): Promise<{ calls: number; done: unknown }> {
  let calls = 0;
  const done = db.transaction(async (sql) => {
    calls++;
    await ask(sql, "insert into t values (", 1, ", 'first')");
    await ask(sql, "insert into t values (", 2, ", 'second')");
    return "done";
  }, { retries });
  const result = await done.catch((error) => failure(Promise.reject(error)));
  return { calls, done: result };
}

const ROLLED_BACK = { code: "CONNECTION_CLOSED", outcome: "rolled-back" };

test("DESIGN 5.3: a transaction whose connection breaks is in force once or not at all, and its caller knows", async (test) => {
  await using server = await PostgresServer.start();
  await server.query("create table t (x int, y text)");
  // Nobody makes a checkpoint from now on: one in the second of a COMMIT would leave its fate in doubt.
  await leaveCheckpoint(server);
  const rows = async () => (await server.query("select x from t order by x")).map(({ x }) => x);
  for (const how of BREAKS) {
    await test.step(how, async () => {
      await using proxy = await FaultProxy.start(server.url());
      await using db = createPool(proxy.url(server.url()), { max: 1 });
      for (const { name, at, fate } of PLACES) {
        for (const retries of [0, 2]) {
          const where = `${how} at ${name}, ${retries} retries`;
          await server.query("delete from t");
          await db.sql`select 1`;
          const struck = proxy.strike(at(), how);
          const { calls, done } = await run(db, retries);
          await struck;
          const runsAgain = fate === "run again" && retries > 0;
          const fails = fate === "rolled back" ||
            (fate === "run again" && retries === 0);
          assertEquals(done, fails ? ROLLED_BACK : "done", where);
          assertEquals(calls, runsAgain ? 2 : 1, where);
          assertEquals(await rows(), fails ? [] : [1, 2], where);
          assertAtRest(db);
        }
      }
    });
  }
});

test("DESIGN 5.3: a COMMIT that hangs on the server when its connection breaks is ended, and rolled back", async () => {
  await using server = await PostgresServer.start();
  await server.query("create table t (x int)");
  await server.query(`create function wait() returns trigger language plpgsql
    as 'begin perform pg_advisory_lock(1); return null; end'`);
  await server.query(
    `create constraint trigger waits after insert on t deferrable initially deferred
    for each row execute function wait()`,
  );
  await using proxy = await FaultProxy.start(server.url());
  await using db = createPool(proxy.url(server.url()), { max: 1 });
  await using holder = createPool(server.url(), { max: 1 });
  using lease = await holder.acquire();
  await lease.sql`select pg_advisory_lock(1)`;
  await leaveCheckpoint(server);
  const running = failure(
    db.transaction((sql) => sql`insert into t values (1)`),
  );
  await proxy.message(isCommit);
  const waiting = "select pid from pg_stat_activity where wait_event = 'advisory'";
  while ((await server.query(waiting)).length === 0);
  proxy.cut();
  assertEquals(await running, ROLLED_BACK);
  assertEquals(await server.query(waiting), []);
  assertEquals(await server.query("select x from t"), []);
});

test("DESIGN 5.3: a lost COMMIT is looked up when the server can be had again", async () => {
  await using server = await PostgresServer.start();
  await server.query("create table t (x int)");
  await leaveCheckpoint(server);
  await using proxy = await FaultProxy.start(server.url());
  await using db = createPool(proxy.url(server.url()), {
    max: 2,
    acquireTimeoutMs: 30_000,
  });
  for (const [x, at] of [[1, isCommitted], [2, isCommit]] as const) {
    const struck = proxy.strike(at, () => {
      proxy.arrivals = "reset";
      return "cut";
    });
    const running = db.transaction((sql) => sql`insert into t values (${x})`)
      .then(() => "committed", ({ outcome }) => outcome);
    await struck;
    const refused = proxy.turnedAway;
    while (proxy.turnedAway < refused + 2) {
      await new Promise((resolve) => setTimeout(resolve));
    }
    proxy.heal();
    assertEquals(await running, x === 1 ? "committed" : "rolled-back");
  }
  assertEquals(await server.query("select x from t"), [{ x: 1 }]);
  assertAtRest(db);
});
