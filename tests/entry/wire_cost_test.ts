/** What steadiness costs on the wire: nothing, but a sign of life from who was idle for long. */

import { assertEquals } from "@std/assert";
import type { CreatePoolOptions } from "../../src/entry/options.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

/** The messages of a client, by their types: of what is answered together, one word. */
async function messagesOf(proxy: WireProxy, work: () => PromiseLike<unknown>): Promise<string[]> {
  const before = proxy.messages.length;
  await work();
  const words: string[] = [];
  let word = "";
  for (const { from, type } of proxy.messages.slice(before)) {
    if (from === "client") word += type;
    else if (type === "Z") {
      words.push(word);
      word = "";
    }
  }
  return word === "" ? words : [...words, word];
}

async function rig(
  options: CreatePoolOptions,
  fn: (proxy: WireProxy, db: PostgresPool) => Promise<void>,
): Promise<void> {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1, ...options });
  // Prepared, and identified.
  await db.transaction((sql) => sql`insert into t values (${0})`);
  await fn(proxy, db);
}

test("A statement, a lease, a transaction cost what they say, and nothing else", () =>
  // However slow the machine is, it is not idle for long.
  rig({ checkAfterIdleMs: Infinity }, async (proxy, db) => {
    const insert = () => db.sql`insert into t values (${1})`;
    // Bind, Execute, Sync.
    assertEquals(await messagesOf(proxy, insert), ["BES"]);
    assertEquals(await messagesOf(proxy, () => db.use(() => {})), []);
    assertEquals(
      await messagesOf(proxy, () => db.use(({ sql }) => sql`insert into t values (${1})`)),
      ["BES"],
    );
    // The question with the first write (Parse, Bind, Execute) has one end with it, and costs no wait.
    assertEquals(
      await messagesOf(proxy, () =>
        db.transaction(async (sql) => {
          await sql`insert into t values (${1})`;
          await sql`insert into t values (${1})`;
        })),
      ["Q", "BEPBES", "BES", "Q"],
    );
    assertEquals(
      await messagesOf(proxy, () =>
        db.transaction((sql) => sql`insert into t values (${1})`, { commitResolution: "off" })),
      ["Q", "BES", "Q"],
    );
    assertEquals(
      await messagesOf(proxy, () =>
        db.transaction(() => {}, { readOnly: true })),
      ["Q", "Q"],
    );
  }));

test("Who was idle for long is asked for a sign of life first, once", () =>
  rig({ checkAfterIdleMs: 0 }, async (proxy, db) => {
    const insert = () => db.sql`insert into t values (${1})`;
    assertEquals(await messagesOf(proxy, insert), ["Q", "BES"]);
    assertEquals(await messagesOf(proxy, () => db.use(() => {})), ["Q"]);
  }));
