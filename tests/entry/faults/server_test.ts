import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  AcquireTimeoutError,
  ConnectionLostError,
  StatementTimeoutError,
} from "../../../src/core/errors.ts";
import { bounded as test } from "../../faults/bounded.ts";
import {
  crash,
  exhaust,
  freezeBackends,
  freezeServer,
  Recovery,
} from "../../faults/server_faults.ts";
import { createPool, type CreatePoolOptions, type PostgresPool } from "../../support/entry.ts";
import { PostgresServer, query } from "../../support/postgres_server.ts";
import { assertAtRest, until, warm } from "./rig.ts";

const OPTIONS: CreatePoolOptions = {
  max: 3,
  multiplex: "off",
  acquireTimeoutMs: 30_000,
};

async function rowsOf(server: PostgresServer): Promise<unknown[]> {
  const rows = await server.query("select x from t order by x");
  return rows.map(({ x }) => x);
}

/** Waits until a session waits for what it is to wait for. */
async function waitsFor(server: PostgresServer, event: string): Promise<void> {
  const waiting = "select 1 from pg_stat_activity where wait_event = $1";
  while ((await server.query(waiting, [event])).length === 0);
}

/** Sends an INSERT that is amid its execution until `free` is called. */
async function hang(server: PostgresServer, db: PostgresPool, x: number) {
  const holder = createPool(server.url(), { max: 1 });
  const lease = await holder.acquire();
  await lease.sql`select pg_advisory_lock(1)`;
  const pending = db
    .sql`insert into t select ${x}::int from (select pg_advisory_xact_lock(1)) as l`
    .execute();
  await waitsFor(server, "advisory");
  return {
    pending,
    free: async (): Promise<void> => {
      lease.release();
      await holder.close();
    },
  };
}

async function insert(db: PostgresPool, x: number): Promise<void> {
  await db.sql`insert into t values (${x})`;
}

test("DESIGN 5.5: what befalls a server befalls its pool once", async (test) => {
  await using server = await PostgresServer.start({
    config: { max_connections: "12" },
  });
  await server.query("create table t (x int)");

  const step = (
    name: string,
    fn: (db: PostgresPool) => Promise<void>,
  ): Promise<boolean> =>
    test.step(name, async () => {
      await server.query("truncate t");
      await using db = createPool(server.url(), OPTIONS);
      await fn(db);
      assertAtRest(db);
    });

  await step("kill -9, and a recovery that takes its time", async (db) => {
    const losses = await warm(db, 3);
    await server.kill();
    await Promise.all(losses);
    await using recovery = await Recovery.hold(server);
    const started = server.start();
    await recovery.begun();
    const waiting = [1, 2, 3, 4, 5].map((x) => insert(db, x));
    const error = await assertRejects(
      () => db.acquire({ timeoutMs: 300 }),
      AcquireTimeoutError,
    );
    assertEquals([error.phase, error.outcome], ["connect", "not-applied"]);
    assertInstanceOf(error.cause, db.sql.PostgresError);
    assertEquals(error.cause.code, "57P03");
    await recovery.goOn();
    await Promise.all([started, ...waiting]);
    assertEquals(await rowsOf(server), [1, 2, 3, 4, 5]);
  });

  await step(
    "a crash of a neighbour (57P02): unknown, and not sent again",
    async (db) => {
      const { pending, free } = await hang(server, db, 1);
      const rejected = assertRejects(
        async () => await pending,
        ConnectionLostError,
      );
      const neighbour = await warm(db, 1);
      const [victim] = await server.query<{ pid: number }>(
        "select pid from pg_stat_activity where backend_type = 'client backend' and state = 'idle'",
      );
      await crash(server, victim?.pid ?? 0);
      await Promise.all(neighbour);
      assertEquals((await rejected).outcome, "unknown");
      await free();
      await insert(db, 2);
      assertEquals(await rowsOf(server), [2]);
    },
  );

  await step(
    "a fast restart (57P01): what it struck is sent again, and nobody hears of it",
    async (db) => {
      const { pending, free } = await hang(server, db, 1);
      await server.restart("fast");
      assertEquals((await pending).count, 1);
      await free();
      assertEquals(await rowsOf(server), [1]);
    },
  );

  await step(
    "an immediate restart: what it struck is unknown, and not sent again",
    async (db) => {
      const { pending, free } = await hang(server, db, 1);
      const rejected = assertRejects(
        async () => await pending,
        ConnectionLostError,
      );
      await server.restart("immediate");
      assertEquals((await rejected).outcome, "unknown");
      await free();
      await insert(db, 2);
      assertEquals(await rowsOf(server), [2]);
    },
  );

  await step(
    "a session ended while its commit waits for a standby: unknown, and not sent again",
    async (db) => {
      // It is in force here, and the server says so by a warning with 57P01, and no error.
      await server.query(
        "alter system set synchronous_standby_names = 'nobody'",
      );
      await server.restart();
      const rejected = assertRejects(() => insert(db, 1), ConnectionLostError);
      await waitsFor(server, "SyncRep");
      await server.terminateBackends();
      assertEquals((await rejected).outcome, "unknown");
      await server.query("alter system reset synchronous_standby_names");
      await server.restart();
      await insert(db, 2);
      assertEquals(await rowsOf(server), [1, 2]);
    },
  );

  await step(
    "a server that hangs (SIGSTOP) and lets nobody in: sessions go on, deadlines hold",
    async (db) => {
      await warm(db, 1);
      const lease = await db.acquire();
      let late: Promise<unknown>;
      {
        await using _ = await freezeServer(server);
        const error = await assertRejects(
          () => db.acquire({ timeoutMs: 200 }),
          AcquireTimeoutError,
        );
        assertEquals(error.phase, "connect");
        late = insert(db, 1);
        await lease.sql`insert into t values (2)`;
        lease.release();
        // The connection that was given back serves who waits; no connect is needed.
        await late;
      }
      assertEquals(await rowsOf(server), [1, 2]);
    },
  );

  await step(
    "sessions that hang (SIGSTOP): each statement is over at its deadline",
    async (db) => {
      await warm(db, 3);
      {
        await using _ = await freezeBackends(server);
        const errors = await Promise.all([1, 2, 3].map((x) =>
          assertRejects(
            async () =>
              await db.with({ timeoutMs: 200 })
                .sql`insert into t values (${x})`,
            StatementTimeoutError,
          )
        ));
        for (const { outcome } of errors) {
          assert(outcome === "unknown" || outcome === "not-applied", outcome);
        }
        await insert(db, 4);
      }
      await server.terminateBackends();
      const rows = await rowsOf(server);
      assertEquals(rows.length, new Set(rows).size);
      assert(rows.includes(4));
    },
  );

  await step(
    "no connections left (53300): who waits is served by those there are",
    async (db) => {
      const lease = await db.acquire();
      {
        await using _ = await exhaust(server.url());
        const error = await assertRejects(
          () => db.acquire({ timeoutMs: 200 }),
          AcquireTimeoutError,
        );
        assertInstanceOf(error.cause, db.sql.PostgresError);
        assertEquals([error.phase, error.cause.code], ["connect", "53300"]);
        const waiting = [1, 2, 3, 4, 5].map((x) => insert(db, x));
        await until(() => db.stats().waiters === 5);
        lease.release();
        await Promise.all(waiting);
        assertEquals(db.stats().idle, 1);
      }
      assertEquals(await rowsOf(server).catch(() => []), [1, 2, 3, 4, 5]);
    },
  );

  await step(
    "no connections left (53300) and none of our own: served as soon as there is one",
    async (db) => {
      let waiting: Promise<void>[];
      {
        await using _ = await exhaust(server.url());
        waiting = [1, 2, 3, 4, 5].map((x) => insert(db, x));
        const error = await assertRejects(
          () => db.acquire({ timeoutMs: 200 }),
          AcquireTimeoutError,
        );
        assertEquals(Reflect.get(error.cause as object, "code"), "53300");
      }
      await Promise.all(waiting);
      assertEquals(
        await query(server.url(), "select count(*)::int as n from t"),
        [{ n: 5 }],
      );
    },
  );
});
