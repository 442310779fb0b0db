import { assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { Schema } from "./schema.ts";
import { openSession } from "./session.ts";
import { test } from "../../support/harness.ts";

test("A query of a template that was used before is porsager's in all that can be seen", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const { sql, template } = session;
  const write = () => sql`select 1 as x`;
  const first = write();
  const second = write();
  for (const query of [first, second]) {
    assertInstanceOf(query, template.Query);
    assertInstanceOf(query, Promise);
    assertStrictEquals(query.then(() => {}).constructor, Promise);
    assertEquals([...await query], [{ x: 1 }]);
  }
  assertEquals([first.constructor === template.Query, second.constructor === template.Query], [
    true,
    false,
  ]);
});

test("A query is not sent before a turn is over, so that it can still be told how", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const write = () => session.sql`select 1 as x`;
  for (let time = 0; time < 2; time++) {
    assertEquals([...await write().execute().values()], [[1]]);
    assertEquals([...await write().raw()].map(([bytes]) => bytes?.toString()), ["1"]);
    const batches: unknown[] = [];
    for await (const rows of write().cursor()) batches.push(...rows);
    await write().cursor((rows) => {
      batches.push(...rows);
    });
    assertEquals(batches, [{ x: 1 }, { x: 1 }]);
    assertEquals((await write().describe()).columns.map(({ name }) => name), ["x"]);
  }
});

test("The error of a statement says where it is written, whenever that is used", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const write = (): PromiseLike<unknown> => {
    // Not returned at once: JavaScriptCore would take it for a tail call, and forget this place.
    const query = session.sql`select 1 / 0`;
    return query;
  };
  for (let time = 0; time < 3; time++) {
    const error = await assertRejects(async () => await write(), Error, "division by zero");
    assertEquals(error.stack?.includes("light_query_test.ts"), true);
  }
});
