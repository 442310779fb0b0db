import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createPool, type CreatePoolOptions } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

const URL_TEXT = "postgres://app:s3cret@127.0.0.1:1/app";

test("createPool() refuses what a pooler does not go with, at once", () => {
  const wrong: [CreatePoolOptions, string][] = [
    [{ prepare: true }, "statements are to be prepared"],
    [{ no_prepare: false }, "statements are to be prepared"],
    [{ multiplex: "auto" }, "statements are to share connections"],
    [{ target_session_attrs: "read-write" }, "target_session_attrs is given"],
  ];
  for (const [options, text] of wrong) {
    assertThrows(
      () => createPool(URL_TEXT, { ...options, pooler: "transaction" }),
      TypeError,
      text,
    );
    createPool(URL_TEXT, { ...options, pooler: "none" });
  }
  const url = `${URL_TEXT}?prepare=true`;
  assertThrows(() => createPool(url, { pooler: "transaction" }), TypeError, "are to be prepared");
  for (const pooler of ["session", true, null]) {
    assertThrows(
      () => createPool(URL_TEXT, { pooler } as unknown as CreatePoolOptions),
      TypeError,
      'Cannot create pool as pooler must be "none" or "transaction": received',
    );
  }
});

test("createPool() takes with a pooler what comes to the same", async () => {
  for (
    const options of [{ prepare: false }, { no_prepare: true }, { multiplex: "off" }] as const
  ) {
    await using db = createPool(URL_TEXT, { ...options, pooler: "transaction" });
    assertEquals(db.sql.options.prepare, false);
  }
});

test('pooler: "transaction" names no statement, and sends none behind another', async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { pooler: "transaction", max: 2 });
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  const rows = await Promise.all(
    numbers.map(async (n) => (await db.sql`select ${n}::int as n`)[0]),
  );
  assertEquals(rows, numbers.map((n) => ({ n })));
  await db.transaction(async (sql) => {
    for (const n of [1, 1]) assertEquals([...await sql`select ${[n]}::int[] as n`], [{ n: [n] }]);
  });

  const parsed = proxy.messages.filter(({ from, type }) => from === "client" && type === "P");
  assert(parsed.length >= numbers.length);
  for (const { body } of parsed) assertEquals(body[0], 0);
  // One statement, one answer, on each connection.
  for (const connection of [1, 2]) {
    let open = 0;
    for (const message of proxy.messages) {
      if (message.connection !== connection) continue;
      if (message.from === "client" && message.type === "S") open++;
      if (message.from === "server" && message.type === "Z" && open > 0) open--;
      assert(open <= 1);
    }
  }
});

test('pooler: "transaction" cancels by closing, as the process id is not the backend\'s', async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { pooler: "transaction" });
  const query = db.sql`select pg_sleep(1)`.execute();
  await proxy.statement("pg_sleep");
  query.cancel();
  const error = await assertRejects(async () => await query, Error, "canceling statement");
  assertEquals([Reflect.get(error, "code"), Reflect.get(error, "outcome")], ["57014", "unknown"]);
  assertEquals(proxy.messages.filter(({ type }) => type === "cancel"), []);
  assertEquals([...await db.sql`select 1 as next`], [{ next: 1 }]);
});
