/** How many sessions a pool has at a real server. The rules themselves are tested in virtual time. */

import { assertEquals } from "@std/assert";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { test } from "../support/harness.ts";
import { held } from "../support/held.ts";

/** How many sessions the server has for a schema's pool. */
async function sessions(schema: Schema): Promise<unknown> {
  const [row] = await schema.query(
    "select count(*)::int as n from pg_stat_activity where application_name = $1",
    [schema.name],
  );
  return row?.n;
}

/** Asks the server until it has so many sessions: it takes a moment after a socket is closed. */
async function untilSessions(schema: Schema, count: number): Promise<void> {
  while (await sessions(schema) !== count);
}

async function pidsOf(db: PostgresPool, count: number): Promise<number[]> {
  const leases = await Promise.all(Array.from({ length: count }, () => db.acquire()));
  const pids = leases.map(({ connection }) => connection.pid);
  for (const lease of leases) lease.release();
  return pids;
}

test("ready() has minIdle sessions opened at the server, and those that are ended are opened again, unasked (D-05, D-07)", async () => {
  await using schema = await Schema.create();
  let opened = 0;
  let seen = (): void => {};
  await using db = createPool(schema.url, {
    minIdle: 3,
    max: 5,
    observer: {
      connected: () => {
        opened++;
        seen();
      },
    },
  });
  await db.ready();
  assertEquals([db.stats().idle, await sessions(schema)], [3, 3]);
  const again = new Promise<void>((resolve) => seen = () => opened >= 6 && resolve());
  await schema.terminate();
  await held(again);
  await untilSessions(schema, 3);
  assertEquals(db.stats().idle, 3);
});

test("Sessions beyond maxIdle end as they come back, those beyond minIdle when they were unused for long (D-31, D-32)", async () => {
  await using schema = await Schema.create();
  const reasons: string[] = [];
  let seen = (): void => {};
  await using db = createPool(schema.url, {
    minIdle: 1,
    maxIdle: 3,
    max: 4,
    idleTimeoutMs: 100,
    observer: {
      closed: ({ reason }) => {
        reasons.push(reason);
        seen();
      },
    },
  });
  const closed = new Promise<void>((resolve) => seen = () => reasons.length >= 3 && resolve());
  const pids = await pidsOf(db, 4);
  assertEquals(new Set(pids).size, 4);
  await held(closed);
  await untilSessions(schema, 1);
  assertEquals(reasons, ["surplus", "idle", "idle"]);
  assertEquals(db.stats().idle, 1);
  const [left = 0] = await pidsOf(db, 1);
  assertEquals(pids.includes(left), true);
});

test("close() ends all sessions, and after open() there are new ones (A-28)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 2 });
  const before = await pidsOf(db, 2);
  await db.close();
  await untilSessions(schema, 0);
  await db.open();
  const after = await pidsOf(db, 2);
  assertEquals([before.filter((pid) => after.includes(pid)), await sessions(schema)], [[], 2]);
});
