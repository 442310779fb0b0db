import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionLostError } from "../../src/core/errors.ts";
import { createPool, type PostgresLease, type PostgresPool } from "../support/entry.ts";
import { PostgresServer } from "../support/postgres_server.ts";
import { held } from "../support/held.ts";
import { test } from "../support/harness.ts";

function lossOf({ connection }: PostgresLease): Promise<unknown> {
  return new Promise((resolve) => connection.onLost(resolve));
}

/** Opens connections, and gives them back. */
async function warm(db: PostgresPool, count: number): Promise<Promise<unknown>[]> {
  const leases = await Promise.all(Array.from({ length: count }, () => db.acquire()));
  const losses = leases.map(lossOf);
  for (const lease of leases) lease.release();
  return losses;
}

async function insert(db: PostgresPool, x: number): Promise<number> {
  const [row] = await db.sql<{ x: number }[]>`insert into t values (${x}) returning x`;
  return row?.x ?? 0;
}

async function rowsOf(server: PostgresServer): Promise<unknown[]> {
  const rows = await server.query("select x from t order by x");
  return rows.map(({ x }) => x);
}

test("A pool outlives its server's restarts (Z-10)", async (test) => {
  await using server = await PostgresServer.start();
  await server.query("create table t (x int)");
  await using db = createPool(server.url(), { max: 3, acquireTimeoutMs: 30_000 });

  for (const mode of ["fast", "immediate"] as const) {
    await test.step(`idle connections are let go at a ${mode} restart, and the next statement has a new one`, async () => {
      await server.query("truncate t");
      const losses = await warm(db, 3);
      await server.restart(mode);
      await held(Promise.all(losses));
      assertEquals(await Promise.all([1, 2, 3, 4].map((x) => insert(db, x))), [1, 2, 3, 4]);
      assertEquals(await rowsOf(server), [1, 2, 3, 4]);
    });
  }

  await test.step("who comes while the server is down is served, in time, when it is back", async () => {
    await server.query("truncate t");
    const losses = await warm(db, 3);
    await server.stop();
    await held(Promise.all(losses));
    // More than there are connections.
    const waiting = [1, 2, 3, 4, 5, 6].map((x) => insert(db, x));
    const transaction = db.transaction((sql) => sql`insert into t values (7)`);
    const lease = db.acquire();
    assert(db.stats().waiters > 0);
    await server.start();
    assertEquals(await Promise.all(waiting), [1, 2, 3, 4, 5, 6]);
    await transaction;
    (await lease).release();
    assertEquals(await rowsOf(server), [1, 2, 3, 4, 5, 6, 7]);
    assertEquals(db.stats().waiters, 0);
  });

  await test.step("who waits in the queue when the server goes down is served when it is back", async () => {
    await server.query("truncate t");
    const leases = await Promise.all([db.acquire(), db.acquire(), db.acquire()]);
    const losses = leases.map(lossOf);
    const waiting = [1, 2, 3, 4].map((x) => insert(db, x));
    while (db.stats().waiters < 4) await Promise.resolve();
    await server.stop();
    await held(Promise.all(losses));
    for (const lease of leases) {
      assertEquals(lease.lost, true);
      lease.release();
    }
    await server.start();
    assertEquals(await Promise.all(waiting), [1, 2, 3, 4]);
    assertEquals(await rowsOf(server), [1, 2, 3, 4]);
  });

  await test.step("a statement that runs when the server crashes rejects as unknown, and is not sent again", async () => {
    await server.query("truncate t");
    const lease = await db.acquire();
    const lost = lossOf(lease);
    const running = lease.sql`insert into t select 1 from pg_sleep(60)`;
    const rejected = assertRejects(async () => await running, ConnectionLostError);
    const sleeping = "select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'";
    while ((await server.query(sleeping, [lease.connection.pid])).length === 0);
    await server.kill();
    await held(lost);
    assertEquals((await rejected).outcome, "unknown");
    lease.release();
    await server.start();
    assertEquals(await insert(db, 2), 2);
    assertEquals(await rowsOf(server), [2]);
  });

  await test.step("types are known on the connections of after", async () => {
    const rows = await db.sql`select '{1,2}'::int[] as x`;
    assertEquals([...rows], [{ x: [1, 2] }]);
  });
});
