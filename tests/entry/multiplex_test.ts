import { assert, assertEquals, assertThrows } from "@std/assert";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

/** Runs `work` over and over by many workers at once, with the numbers from 0. */
async function crowd(
  workers: number,
  total: number,
  work: (number: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: workers }, async () => {
    while (next < total) await work(next++);
  }));
}

test("Single statements by the thousand, some of them failing, get each its own answer", async () => {
  await using schema = await Schema.create("create table t (x int primary key)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 4 });
  const failures: Record<string, number> = {};
  const failed = (code: string): void => {
    failures[code] = (failures[code] ?? 0) + 1;
  };
  await crowd(100, 6_000, async (x) => {
    try {
      switch (x % 6) {
        case 0:
          assertEquals([...await db.sql`select ${x}::int as x`], [{ x }] as never);
          break;
        case 1:
          assertEquals(
            [...await db.sql`insert into t values (${x}) returning x`],
            [{ x }] as never,
          );
          break;
        case 2:
          await db.sql`select ${x}::int / 0 as x`;
          break;
        case 3:
          await db.sql`select ${undefined as unknown as number}::int`;
          break;
        case 4:
          await db.sql`select 1 / (2 - i) as x from generate_series(1, 3) as i`;
          break;
        case 5: {
          const rows = await db.sql`select i + ${x}::int as x from generate_series(0, 2) as i`;
          assertEquals([...rows], [{ x }, { x: x + 1 }, { x: x + 2 }] as never);
        }
      }
    } catch (error) {
      const code = Reflect.get(error as object, "code");
      if (typeof code !== "string") throw error;
      failed(code);
    }
  });
  assertEquals(failures, { "22012": 2_000, "UNDEFINED_VALUE": 1_000 });
  assertEquals((await schema.column("t", "x")).length, 1_000);
  assertEquals(proxy.connections, 4);
  const { idle, used, waiters } = db.stats();
  assertEquals([idle, used, waiters], [4, 0, 0]);
});

test("Statements that share connections never meet a transaction, nor what it set", async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using db = createPool(schema.url, { max: 3 });
  let mixed = 0;
  await crowd(60, 3_000, async (x) => {
    if (x % 10 > 0) {
      const [row] = await db.sql`select coalesce(current_setting('steady.mark', true), '') as mark`;
      if (row?.mark !== "") mixed++;
      return;
    }
    await db.transaction(async (sql) => {
      await sql`select set_config('steady.mark', ${String(x)}, true)`;
      await sql`insert into t values (${x})`;
      const [row] = await sql`select current_setting('steady.mark') as mark`;
      assertEquals(row?.mark, String(x));
      if (x % 20 === 0) throw new Error("rolled back on purpose");
    }).catch((error: Error) => assertEquals(error.message, "rolled back on purpose"));
  });
  assertEquals(mixed, 0);
  const rows = await schema.column("t", "x");
  assertEquals(rows.length, 150);
  assert(rows.every((x) => Number(x) % 20 === 10));
});

test("What begins a transaction or changes the session never shares a connection", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 2 });
  const pids = new Set<number>();
  await crowd(40, 4_000, async (x) => {
    if (x % 50 === 0) await db.sql`begin isolation level serializable`;
    else if (x % 50 === 1) await db.sql.unsafe("begin isolation level serializable; select 1");
    else {
      const [row] = await db.sql`
        select pg_backend_pid() as pid, current_setting('transaction_isolation') as isolation`;
      pids.add(row?.pid);
      assertEquals(row?.isolation, "read committed");
    }
  });
  // On one or on both: that depends on how fast the server is.
  assert(pids.size > 0);
  // The last one's transaction may still be rolled back.
  while (db.stats().resetting > 0) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(db.stats().idle, db.stats().total);
});

test("createPool refuses a wrong multiplex or maxPipeline at once", () => {
  const url = "postgres://app@localhost/app";
  assertThrows(
    () => createPool(url, { multiplex: "on" as "off" }),
    TypeError,
    'Cannot create pool as multiplex must be "auto" or "off": received "on"',
  );
  assertThrows(
    () => createPool(url, { maxPipeline: 0 }),
    RangeError,
    "Cannot create pool as maxPipeline must be an integer >= 1: received 0",
  );
});
