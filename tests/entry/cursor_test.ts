import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectionLostError } from "../../src/core/errors.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { UnhandledRejections } from "../../src/testing/unhandled_rejections.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { test } from "../support/harness.ts";

const thrown = new Error("thrown by the caller");

/** The next statement has its own answer, on the same connection. */
async function assertClean(db: PostgresPool, pid: number): Promise<void> {
  const [row] = await db.sql`select pg_backend_pid() as pid, 'next' as state`;
  assertEquals(row, { pid, state: "next" });
  assertEquals(db.stats().idle, 1);
}

async function withPool(fn: (db: PostgresPool, pid: number, schema: Schema) => Promise<void>) {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const [row] = await db.sql`select pg_backend_pid() as pid`;
  await fn(db, row?.pid, schema);
}

function series(db: PostgresPool) {
  return db.sql`select x from generate_series(1, 5) x`;
}

test("A cursor keeps its lease until it is read to the end (D-37, A-34)", () =>
  withPool(async (db, pid) => {
    const seen: unknown[] = [];
    for await (const rows of series(db).cursor(2)) {
      seen.push(rows.map(({ x }) => x));
      assertEquals(db.stats().used, 1);
    }
    assertEquals(seen, [[1, 2], [3, 4], [5]]);
    await assertClean(db, pid);
  }));

test("A lease that is released while its cursor is open is closed, and not lent on (X-11)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const lease = await db.acquire();
  const { pid } = lease.connection;
  const rows = lease.sql`select x from generate_series(1, 5) x`.cursor(2)[Symbol.asyncIterator]();
  assertEquals((await rows.next()).value?.length, 2);
  lease.release();
  assertEquals(db.stats().used, 0);
  await assertRejects(() => rows.next(), ConnectionLostError);
  const [row] = await db.sql`select pg_backend_pid() as pid, 'next' as state`;
  assertEquals([row?.pid === pid, row?.state], [false, "next"]);
});

test("A cursor whose iterator is dropped with the last batch gives its lease back", () =>
  withPool(async (db, pid) => {
    const iterator = series(db).cursor(9)[Symbol.asyncIterator]();
    const { value } = await iterator.next();
    assertEquals(value?.length, 5);
    await assertClean(db, pid);
  }));

test("A cursor that is left by break gives its lease back", () =>
  withPool(async (db, pid) => {
    for (const size of [1, 2, 5, 9]) {
      for await (const _ of series(db).cursor(size)) break;
      await assertClean(db, pid);
    }
  }));

test("A cursor that is left by a throw gives its lease back, and has that error", () =>
  withPool(async (db, pid) => {
    for (const size of [1, 2, 5, 9]) {
      const reading = async () => {
        for await (const _ of series(db).cursor(size)) throw thrown;
      };
      assertStrictEquals(await assertRejects(reading), thrown);
      await assertClean(db, pid);
    }
  }));

test("A cursor that is closed by its callback gives its lease back", () =>
  withPool(async (db, pid) => {
    for (const size of [1, 2, 5, 9]) {
      let calls = 0;
      await series(db).cursor(size, () => {
        calls++;
        return db.sql.CLOSE as never;
      });
      assert(calls >= 1);
      await assertClean(db, pid);
    }
  }));

test("A cursor whose callback throws or rejects has that error, whichever batch it is, and the connection back clean", () =>
  withPool(async (db, pid) => {
    const unhandled = new UnhandledRejections();
    try {
      for (const size of [1, 2, 5, 9]) {
        const throwing = series(db).cursor(size, () => {
          throw thrown;
        });
        assertStrictEquals(await assertRejects(() => throwing), thrown);
        await assertClean(db, pid);
        const rejecting = series(db).cursor(size, async () => {
          await Promise.resolve();
          throw thrown;
        });
        assertStrictEquals(await assertRejects(() => rejecting), thrown);
        await assertClean(db, pid);
      }
      assertEquals(unhandled.seen, []);
    } finally {
      unhandled.stop();
    }
  }));

test("forEach that throws has that error, and the connection back clean", () =>
  withPool(async (db, pid) => {
    for (const at of [1, 3, 5]) {
      const failing = series(db).forEach(({ x }) => {
        if (x === at) throw thrown;
      });
      assertStrictEquals(await assertRejects(() => failing), thrown);
      await assertClean(db, pid);
    }
  }));

test("A statement that fails amid its rows leaves none of them to the next", () =>
  withPool(async (db, pid) => {
    const failing = () => db.sql`select 1 / (4 - x) as y from generate_series(1, 5) x`;
    for (const query of [failing(), failing().simple(), failing().values()]) {
      await assertRejects(async () => await query, db.sql.PostgresError);
      await assertClean(db, pid);
    }
    const rows = await db.transaction(async (sql) => {
      const savepoint = sql.savepoint((sql) =>
        sql`select 1 / (4 - x) as y from generate_series(1, 5) x`
      );
      await assertRejects(() => savepoint, db.sql.PostgresError);
      return await sql`select 'inside' as state`;
    });
    assertEquals([...rows], [{ state: "inside" }]);
  }));

test("A cursor that loses its connection between two batches rejects", () =>
  withPool(async (db, pid, schema) => {
    const seen: unknown[] = [];
    const reading = async () => {
      for await (const rows of series(db).cursor(2)) {
        seen.push(rows.length);
        await schema.terminate(pid);
      }
    };
    const error = await assertRejects(reading, ConnectionLostError);
    assertEquals([seen, error.outcome, db.stats().total], [[2], "unknown", 0]);
  }));

test("A cursor is ended by the signal of its view, between two batches", () =>
  withPool(async (db) => {
    const abort = new AbortController();
    const { sql } = db.with({ signal: abort.signal });
    const reading = async () => {
      for await (const _ of sql`select x from generate_series(1, 5) x`.cursor(2)) {
        abort.abort(thrown);
      }
    };
    assertStrictEquals(await assertRejects(reading), thrown);
    assertEquals(db.stats().total, 0);
  }));
