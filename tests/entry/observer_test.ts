import { assertEquals } from "@std/assert";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { test } from "../support/harness.ts";

test("onnotice and onparameter that throw hurt no statement, and shift no answers", async () => {
  await using schema = await Schema.create();
  const heard: string[] = [];
  await using db = createPool(schema.url, {
    max: 1,
    onnotice: ({ message }) => {
      heard.push(String(message).slice(0, 10));
      throw new Error("no");
    },
    onparameter: () => {
      throw new Error("no");
    },
  });
  // A name that is too long is noticed while the statement is parsed, before its parameters are known.
  const name = "x".repeat(80);
  for (const value of [1, 2]) {
    const [rows, next] = await Promise.all([
      db.sql.unsafe(`select $1::int as ${name}`, [value]),
      db.sql`select 'next' as state`,
    ]);
    assertEquals([Object.values(rows[0] ?? {}), [...next]], [[value], [{ state: "next" }]]);
  }
  await db.sql`do $$ begin raise notice 'a notice'; end $$`;
  assertEquals(heard.at(-1), "a notice");
  assertEquals(db.stats().idle, 1);
});

test("onnotice has the server's notices, onparameter its parameters, onclose the end of each connection", async () => {
  await using schema = await Schema.create();
  const heard: unknown[] = [];
  const db = createPool(schema.url, {
    max: 1,
    onnotice: ({ message }) => heard.push(message),
    onparameter: (key, value) => key === "TimeZone" && heard.push(`${key} ${value}`),
    onclose: (id) => heard.push(typeof id),
  });
  await db.sql`select 1`;
  heard.length = 0;
  await db.sql`set time zone 'Asia/Tokyo'`;
  await db.sql`do $$ begin raise notice 'a notice'; end $$`;
  assertEquals(heard, ["TimeZone Asia/Tokyo", "a notice"]);
  await db.close();
  assertEquals(heard.at(-1), "number");
});

test("PostgresPool.inspect() shows the backend and the last statement, without values (D-38)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 2 });
  {
    using lease = await db.acquire({ label: "import" });
    await lease.sql`select ${"secret"}::text, 'written', 12`;
    const [info] = db.inspect();
    assertEquals(
      [info?.state, info?.label, info?.pid, info?.statement],
      ["used", "import", lease.connection.pid, "select $1::text, ?, ?"],
    );
  }
  assertEquals(db.inspect().map(({ state, uses }) => [state, uses]), [["idle", 1]]);
  const { counters, connectMs } = db.stats();
  assertEquals([counters.connects, counters.acquires, connectMs.count], [1, 1, 1]);
});
