/**
 * Notices that sound like the end of a session, and are not.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { ConnectionLostError } from "../../../src/core/errors.ts";
import { held } from "../../support/held.ts";
import { test } from "../../support/harness.ts";
import { openSession } from "./session.ts";
import { Schema } from "./schema.ts";

const LOCK = 78;

for (const code of ["57P01", "57P02"]) {
  test(`A notice of the user's with SQLSTATE ${code} says nothing of later statements`, async () => {
    await using schema = await Schema.create();
    using session = await openSession(schema.url, { onnotice() {} });
    using holder = await openSession(schema.url);
    await holder.sql`select pg_advisory_lock(${LOCK}::int)`;
    await session.sql.unsafe(
      `do $$ begin raise warning 'what a day' using errcode = '${code}'; end $$`,
    );
    const text = `select pg_advisory_lock(${LOCK})`;
    const failing = session.sql(Object.assign([text], { raw: [text] }));
    const rejected = assertRejects(async () => await failing, ConnectionLostError);
    const { pid } = session.connection;
    const waits = `select 1 from pg_locks where pid = ${pid} and not granted`;
    while ((await schema.query(waits)).length === 0);
    await schema.query(`select pg_terminate_backend(${pid})`);
    const error = await rejected;
    assertEquals([error.outcome, Reflect.get(error.cause as object, "code")], [
      "not-applied",
      "57P01",
    ]);
  });
}

test("A notice of the user's with SQLSTATE 57P02 is not why the connection breaks later", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url, { onnotice() {} });
  await session.sql.unsafe(
    `do $$ begin raise warning 'what a day' using errcode = '57P02'; end $$`,
  );
  const gone = new Promise((resolve) => session.connection.onLost(resolve));
  await schema.query(`select pg_terminate_backend(${session.connection.pid})`);
  assertEquals(Reflect.get(await held(gone) as object, "code"), "57P01");
});
