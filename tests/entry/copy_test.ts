import { assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { once } from "node:events";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { finished, pipeline } from "node:stream/promises";
import { ConnectionLostError } from "../../src/core/errors.ts";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

const TABLE = "create table t (x int primary key, y text)";
/** More than any buffer on the way holds. */
const MANY = "copy (select repeat('x', 1000) from generate_series(1, 20000)) to stdout";

test("A COPY from stdin keeps its lease until the server has the last of it", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  const stream = await db.sql`copy t from stdin`.writable();
  assertEquals([db.stats().used, db.stats().idle], [1, 0]);
  const next = db.sql`select count(*)::int as n from t`.execute();
  stream.write("1\tone\n");
  stream.write("2\ttwo\n");
  await Promise.all([finished(stream), new Promise<void>((resolve) => stream.end(resolve))]);
  const [row] = await next;
  assertEquals(row, { n: 2 });
  assertEquals([db.stats().used, db.stats().idle], [0, 1]);
});

test("A COPY to stdout keeps its lease until it was read to the end", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  const stream = await db.sql.unsafe(MANY).readable();
  const next = db.sql`select 'next' as state`.execute();
  let bytes = 0;
  for await (const chunk of stream) {
    if (bytes === 0) assertEquals([db.stats().used, db.stats().waiters], [1, 1]);
    bytes += chunk.length;
  }
  assertEquals(bytes, 20_020_000);
  const [row] = await next;
  assertEquals(row, { state: "next" });
});

test("A COPY to stdout whose reader goes away gives its place back, and no other statement its rows", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  const stream = await db.sql.unsafe(MANY).readable();
  for await (const _ of stream) break;
  assertEquals(stream.destroyed, true);
  const [row] = await db.sql`select 'next' as state`;
  assertEquals(row, { state: "next" });
});

test("A COPY from stdin that the server refuses in the end fails its stream, not the next statement", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  const stream = await db.sql`copy t from stdin`.writable();
  const failing = pipeline(Readable.from(["1\tone\n", "1\tagain\n"]), stream);
  const error = await assertRejects(() => failing, db.sql.PostgresError);
  assertEquals(error.code, "23505");
  assertEquals(stream.writableFinished, false);
  const [row] = await db.sql`select count(*)::int as n from t`;
  assertEquals(row, { n: 0 });
  assertEquals(stream.writableFinished, false);
  assertEquals(db.stats().idle, 1);
});

test("A COPY from stdin that is given up writes nothing, and its connection goes back", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  const [before] = await db.sql`select pg_backend_pid() as pid`;
  const stream = await db.sql`copy t from stdin`.writable();
  const thrown = new Error("no");
  const failing = pipeline(
    (async function* () {
      yield "1\tone\n";
      await Promise.resolve();
      throw thrown;
    })(),
    stream,
  );
  assertStrictEquals(await assertRejects(() => failing), thrown);
  const [after] = await db.sql`select pg_backend_pid() as pid, (select count(*)::int from t) as n`;
  assertEquals(after, { pid: before?.pid, n: 0 });
});

test("A COPY from stdin that loses its connection in the middle fails its stream", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  const stream = await db.sql`copy t from stdin`.writable();
  stream.write("1\tone\n");
  const failed = once(stream, "error");
  await schema.terminate();
  const [error] = await failed;
  assertInstanceOf(error, ConnectionLostError);
  assertEquals(db.stats().total, 0);
  assertEquals(await schema.column("t", "x"), []);
});

test("A COPY from stdin that loses its connection at the end fails its stream", async () => {
  await using schema = await Schema.create(TABLE);
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  // The client's CopyDone.
  proxy.judge = ({ from, type }) => from === "client" && type === "c" ? "cut" : "pass";
  const stream = await db.sql`copy t from stdin`.writable();
  const failing = pipeline(Readable.from(["1\tone\n"]), stream);
  const error = await assertRejects(() => failing, ConnectionLostError);
  assertEquals(error.outcome, "unknown");
  assertEquals(db.stats().total, 0);
});

test("A COPY to stdout that loses its connection in the middle fails its stream", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  const stream = await db.sql.unsafe(MANY).readable();
  const reading = async () => {
    let first = true;
    for await (const _ of stream) {
      if (first) await schema.terminate();
      first = false;
    }
  };
  await assertRejects(reading, ConnectionLostError);
  assertEquals(db.stats().total, 0);
});

test("A COPY that is refused rejects, and its connection goes back", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  for (const text of ["copy nowhere from stdin", "copy t from '/no/such/file'"]) {
    await assertRejects(() => db.sql.unsafe(text).writable(), db.sql.PostgresError);
    assertEquals(db.stats().idle, 1);
  }
});

test("A transaction commits a COPY from stdin that was finished, and not one that was left open", async () => {
  await using schema = await Schema.create(TABLE);
  await using db = createPool(schema.url, { max: 1 });
  await db.transaction(async (sql) => {
    await pipeline(Readable.from(["1\tone\n"]), await sql`copy t from stdin`.writable());
    await sql`insert into t values (2, 'two')`;
  });
  const failing = db.transaction(async (sql) => {
    const stream = await sql`copy t from stdin`.writable();
    stream.on("error", () => {});
    stream.write("3\tthree\n");
  });
  const error = await assertRejects(() => failing, Error, "COPY_IN_PROGRESS");
  assertEquals(Reflect.get(error, "code"), "COPY_IN_PROGRESS");
  assertEquals(await schema.column("t", "x"), [1, 2]);
});

// Not beside porsager: there such a stream may fail before anybody can listen, which ends the process, or the socket stays
// paused and the next statement waits for ever.
for (const rows of [1, 3_000, 300_000]) {
  test(`A copy to stdout that fails after ${rows} rows rejects its reader, and the next statement is well`, async () => {
    await using schema = await Schema.create();
    await using db = createPool(schema.url, { max: 1 });
    for (let round = 0; round < 5; round++) {
      const stream = await db.sql.unsafe(
        `copy (select 1 / (${rows} - x) from generate_series(0, ${rows}) x) to stdout`,
      ).readable();
      await assertRejects(() => text(stream), Error, "division by zero");
      assertEquals([...await db.sql`select 1 as x`], [{ x: 1 }] as never);
    }
  });
}
