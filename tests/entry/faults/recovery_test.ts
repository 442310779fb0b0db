import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { AcquireTimeoutError } from "../../../src/core/errors.ts";
import { bounded as test } from "../../faults/bounded.ts";
import { FaultProxy } from "../../faults/fault_proxy.ts";
import { createPool } from "../../support/entry.ts";
import { PostgresServer } from "../../support/postgres_server.ts";
import { assertAtRest, rig, until, warm } from "./rig.ts";

test("DESIGN 5.5: after an outage a pool opens at most max connections, and serves all who waited", async (test) => {
  // A server of its own, as the shared one has not so many to spare.
  await using server = await PostgresServer.start({
    config: { max_connections: "120" },
  });
  for (const max of [1, 10, 100]) {
    await test.step(`max ${max}`, async () => {
      await server.query("drop table if exists t");
      await server.query("create table t (x int)");
      await using proxy = await FaultProxy.start(server.url());
      await using db = createPool(proxy.url(server.url()), {
        max,
        multiplex: "off",
        acquireTimeoutMs: 30_000,
      });
      const losses = await warm(db, max);
      proxy.refuse();
      proxy.cut();
      await Promise.all(losses);
      const numbers = Array.from({ length: 3 * max }, (_, x) => x);
      const waiting = numbers.map((x) => db.sql`insert into t values (${x})`.execute());
      await until(() => db.stats().waiters === numbers.length && db.stats().connecting === 0);
      const before = proxy.connections;
      await proxy.accept();
      await Promise.all(waiting);
      assert(proxy.connections - before <= max);
      const rows = await server.query("select x from t order by x");
      assertEquals(rows.map(({ x }) => x), numbers);
      assertAtRest(db);
    });
  }
});

test("DESIGN 5.5: during an outage one attempt at a time is made, however many wait", async () => {
  await using parts = await rig({
    max: 5,
    multiplex: "off",
    acquireTimeoutMs: 30_000,
  });
  const { schema, proxy, db } = parts;
  const losses = await warm(db, 5);
  proxy.arrivals = "reset";
  proxy.cut();
  await Promise.all(losses);
  const insert = (x: number) => db.sql`insert into t values (${x})`.execute();
  const waiting = Array.from({ length: 10 }, (_, x) => insert(x));
  // The first ones may have been made at the same time, as nobody knew.
  await until(() => proxy.turnedAway >= 7 && db.stats().connecting === 0);
  proxy.arrivals = "silence";
  const before = proxy.turnedAway;
  await until(() => proxy.turnedAway > before);
  waiting.push(...Array.from({ length: 10 }, (_, x) => insert(10 + x)));
  assertEquals([db.stats().connecting, proxy.turnedAway], [1, before + 1]);
  const opened = proxy.connections;
  proxy.heal();
  proxy.cut();
  await Promise.all(waiting);
  assert(proxy.connections - opened <= 5);
  assertEquals(
    await schema.column("t", "x"),
    Array.from({ length: 20 }, (_, x) => x),
  );
  assertAtRest(db);
});

test("DESIGN 5.5: who can't wait for the end of an outage is told why at its own deadline", async () => {
  await using parts = await rig({ max: 2, multiplex: "off" });
  const { proxy, db } = parts;
  const losses = await warm(db, 2);
  proxy.arrivals = { fatal: "57P03" };
  proxy.cut();
  await Promise.all(losses);
  const patient = db.sql`select 1 as one`.execute();
  const error = await assertRejects(
    () => db.acquire({ timeoutMs: 150 }),
    AcquireTimeoutError,
  );
  assertEquals([error.phase, error.outcome, error.retryable], [
    "connect",
    "not-applied",
    true,
  ]);
  assertInstanceOf(error.cause, Error);
  assert(error.message.includes("waiting"), error.message);
  assertEquals(Reflect.get(error.cause, "code"), "57P03");
  proxy.heal();
  assertEquals([...await patient], [{ one: 1 }]);
  assertAtRest(db);
});
