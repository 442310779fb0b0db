import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { ConnectError } from "../../src/core/errors.ts";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

async function setting(db: ReturnType<typeof createPool>, name: string): Promise<unknown> {
  const [row] = await db.sql`select current_setting(${name}) as value`;
  return row?.value;
}

test("createPool({ session }) sets every connection up, and again after a loss (S-13, S-14)", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), {
    max: 1,
    session: ["set steady.first = 'one'", "set steady.second = 'two'"],
  });
  assertEquals(await setting(db, "steady.first"), "one");
  assertEquals(await setting(db, "steady.second"), "two");
  const lease = await db.acquire();
  const lost = new Promise((resolve) => lease.connection.onLost(resolve));
  proxy.cut();
  await lost;
  lease.release();
  assertEquals(await setting(db, "steady.second"), "two");
  assertEquals(proxy.statements.filter((text) => text.startsWith("set steady")).length, 4);
});

test("createPool({ session }) takes a function that is given the connection's sql", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, {
    session: async (sql) => {
      await sql`select set_config('steady.name', ${"it's me"}, false)`;
      await sql.unsafe("create temp table own (x int)");
    },
  });
  assertEquals(await setting(db, "steady.name"), "it's me");
  await db.sql`insert into own values (1)`;
});

test("createPool({ session }) takes a function that returns the query, which is awaited", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { session: (sql) => sql`set steady.name = 'lazy'` });
  assertEquals(await setting(db, "steady.name"), "lazy");
});

test("A session set-up that fails rejects who waits, with its error as cause, and is not tried in a storm (S-15)", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { session: "set no_such_setting = 1" });
  const all = await Promise.allSettled([1, 2, 3].map((x) => db.sql`select ${x}::int`));
  for (const one of all) {
    const error = (one as PromiseRejectedResult).reason;
    assertInstanceOf(error, ConnectError);
    assertEquals([error.phase, error.retryable], ["session", false]);
    assertEquals(Reflect.get(error.cause as object, "code"), "42704");
  }
});

test("A session set-up that leaves a transaction open fails", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { session: (sql) => sql.unsafe("begin") });
  const error = await assertRejects(() => db.acquire(), ConnectError);
  assertEquals(error.phase, "session");
});

test("A wrong session is refused at once", () => {
  assertThrows(
    () => createPool("postgres://h/d", { session: 1 as unknown as string }),
    TypeError,
    "Cannot create pool as session must be a string, an array of strings, or a function: received 1",
  );
});
