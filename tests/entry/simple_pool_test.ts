/** The pool over the postgres driver, without a front end, as the README's ten lines have it. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { Pool } from "../../src/core/pool.ts";
import { postgresDriver } from "../../src/driver/postgres/mod.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { runtime } from "../support/entry.ts";
import { test } from "../support/harness.ts";
import { held } from "../support/held.ts";

test("A simple pool of PostgreSQL connections lends two, and the third borrower gets the one that comes back (Q-03)", async () => {
  await using schema = await Schema.create();
  const driver = postgresDriver({ runtime, url: schema.url });
  await using pool = new Pool(driver, { max: 2 });
  using first = await pool.acquire();
  const second = await pool.acquire();
  const waiting = pool.acquire();
  const { connection } = second;
  second.release();
  using third = await waiting;
  assertStrictEquals(third.connection, connection);
  const pids = [];
  for (const { connection: { sql } } of [first, third]) {
    const [row] = await sql`select pg_backend_pid() as pid`;
    pids.push(row?.pid);
  }
  assertEquals(pids, [first.connection.pid, third.connection.pid]);
  const [count] = await schema.query(
    "select count(*)::int as n from pg_stat_activity where application_name = $1",
    [schema.name],
  );
  assertEquals(count, { n: 2 });
});

test("A simple pool of PostgreSQL connections rolls back what was left, and replaces what died (Q-08, Q-10)", async () => {
  await using schema = await Schema.create("create table t (x int)");
  const driver = postgresDriver({ runtime, url: schema.url });
  await using pool = new Pool(driver, { max: 1 });
  const lease = await pool.acquire();
  const { pid } = lease.connection;
  await lease.connection.sql`begin`;
  await lease.connection.sql`insert into t values (1)`;
  lease.release();
  const next = await pool.acquire();
  assertEquals([next.connection.pid, next.connection.status], [pid, "idle"]);
  assertEquals(await schema.column("t", "x"), []);
  const lost = new Promise((resolve) => driver.onLost(next.connection, resolve));
  next.release();
  await schema.terminate();
  await held(lost);
  const count = await pool.use(async ({ connection: { sql } }) => {
    await sql`insert into t values (2)`;
    return pool.stats().total;
  });
  assertEquals([await schema.column("t", "x"), count], [[2], 1]);
});
