/**
 * Statements of every kind are the same when they are sent again: nothing of the first attempt is left in them.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ConnectionLostError,
  PoolClosedError,
  TooManyWaitersError,
} from "../../src/core/errors.ts";
import { createPool, type CreatePoolOptions, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { type Verdict, WireProxy } from "../driver/postgres/wire_proxy.ts";
import { fatalError } from "../faults/wire_message.ts";
import { test } from "../support/harness.ts";

const DOUBLED = {
  double: {
    to: 23,
    from: [23],
    serialize: (x: number) => String(2 * x),
    parse: (text: string) => Number(text) / 2,
  },
};

interface Rig {
  readonly schema: Schema;
  readonly proxy: WireProxy;
  readonly db: PostgresPool<typeof DOUBLED>;
}

async function rig(options: CreatePoolOptions, fn: (parts: Rig) => Promise<void>): Promise<void> {
  await using schema = await Schema.create("create table t (x int, j jsonb, a text[])");
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool<typeof DOUBLED>(schema.through(proxy), {
    max: 1,
    ...options as { types: typeof DOUBLED },
  });
  await fn({ schema, proxy, db });
}

const DAY = new Date("2026-02-03T04:05:06.789Z");

/** What a statement of each kind gives, be it sent once or more often. */
function kinds(sql: Rig["db"]["sql"], file: string): Record<string, () => PromiseLike<unknown>> {
  const rows = (query: PromiseLike<readonly unknown[]>) => query.then((all) => [...all]);
  return {
    "json": () => rows(sql`select ${sql.json({ a: [1, "two"] })}::jsonb as j`),
    "json by its type": () => rows(sql`select ${{ a: [1] } as never}::jsonb as j`),
    "text of json": () => rows(sql`select ${'{"a": "\\"quoted\\""}'}::text as t`),
    "a date": () => rows(sql`select ${DAY}::timestamptz as d`),
    "bytes": () => rows(sql`select encode(${Buffer.from("bytes")}::bytea, 'hex') as b`),
    "arrays": () =>
      rows(sql`select ${sql.array(["a", 'b"', "c,d"])}::text[] as a, ${[1, 2]}::int[] as i`),
    "a custom type": () => rows(sql`select ${sql.types.double(21)} + 0 as n`),
    "a custom type that the server names": () => rows(sql`select ${21}::int as n`),
    "null": () => rows(sql`select ${null}::int as n`),
    "helpers": () =>
      rows(sql`with v (x, y) as (values ${sql([[1, "a"], [2, "b"]])}) select * from v`),
    "fragments": () =>
      rows(sql`select ${sql`${1}::int`} as ${sql("one")} where ${sql`${2}::int = ${2}`}`),
    "values": () => rows(sql`select ${"a"}::text, 'b'`.values()),
    "raw": () => rows(sql`select ${"a"}::text, 'b'`.raw()),
    "simple": () => rows(sql`select 'a' as a`.simple()),
    "described": () =>
      sql`select ${1}::int as x`.describe().then(({ columns, string }) => [columns.length, string]),
    "unsafe": () => rows(sql.unsafe("select 'a' as a")),
    "unsafe, many": () =>
      sql.unsafe("select 1 as x; select 2 as x").then((all) =>
        all.map((one) => [...one as unknown as object[]])
      ),
    "unsafe with values": () =>
      rows(sql.unsafe("select $1::int as x, $2::jsonb as j", [1, { a: 1 } as never])),
    "unsafe, prepared": () =>
      rows(sql.unsafe("select $1::text[] as x", [["a"]], { prepare: true })),
    "a file": () => rows(sql.file(file, [7])),
    "of columns and count": () =>
      sql`select 1 as x, 'b' as y`.then((
        { columns, count, command },
      ) => [columns.map(({ name }) => name), count, command]),
    "an insert": () =>
      sql`insert into t ${sql({ x: 1, j: { b: 1 }, a: ["x"] } as never)} returning j, a`.then((
        all,
      ) => [...all]),
  };
}

for (
  const [name, options] of Object.entries<CreatePoolOptions>({
    "": {},
    " without preparing": { prepare: false },
    " that are not shared": { multiplex: "off" },
    " under transforms": {
      transform: { undefined: null, column: { from: (c: string) => `_${c}` } },
    },
  })
) {
  test(`Statements of every kind are the same when they are sent again${name}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "steady-"));
    try {
      const file = join(folder, "statement.sql");
      await writeFile(file, "select $1::int as x");
      await rig({ ...options, types: DOUBLED as never }, async ({ proxy, db }) => {
        const once = kinds(db.sql, file);
        const view = db.with({ idempotent: true });
        for (const [kind, run] of Object.entries(kinds(view.sql, file))) {
          const expected = await once[kind]?.();
          // With all its rows, and before any.
          for (const moment of ["C", "T"]) {
            let sessions = 1;
            const lost = new Set<number>();
            proxy.judge = ({ connection, from, type }): Verdict => {
              if (from !== "server" || type !== moment || sessions === 0) return "pass";
              // Not the answers of the start-up.
              if (
                !proxy.messages.some((m) =>
                  m.connection === connection && m.from === "client" && "PQB".includes(m.type)
                )
              ) return "pass";
              sessions--;
              lost.add(connection);
              return "cut";
            };
            assertEquals(await run(), expected, `${kind}, lost before ${moment}`);
            proxy.judge = () => "pass";
          }
        }
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}

/** Cuts the connection at the INSERT, and has new ones neither refused nor served. */
async function lostAndWaiting(
  { proxy, db }: Rig,
  send: () => { execute(): unknown },
): Promise<void> {
  const struck = proxy.strike(
    ({ from, type, body }) => from === "client" && "PQ".includes(type) && body.includes("insert"),
    "cut",
  );
  proxy.arrivals = "silence";
  send().execute();
  await struck;
  while (db.stats().waiters === 0) await new Promise((resolve) => setTimeout(resolve));
}

test("query.cancel() while a statement waits for its second connection leaves nothing behind", () =>
  rig({}, async (parts) => {
    const { schema, proxy, db } = parts;
    await db.sql`select 1`;
    const query = db.sql`insert into t (x) values (${1})`;
    await lostAndWaiting(parts, () => query);
    query.cancel();
    query.cancel();
    const error = await assertRejects(() => query);
    assertEquals(
      [
        Reflect.get(error as object, "code"),
        Reflect.get(error as object, "outcome"),
        db.stats().waiters,
      ],
      ["57014", "not-applied", 0],
    );
    proxy.heal();
    proxy.cut();
    await db.sql`select 1`;
    assertEquals(await schema.column("t", "x"), []);
  }));

test("A pool that closes while a statement waits for its second connection says that it was not applied", () =>
  rig({}, async (parts) => {
    const { db, schema } = parts;
    await db.sql`select 1`;
    const query = db.sql`insert into t (x) values (${1})`;
    await lostAndWaiting(parts, () => query);
    const closed = db.close({ timeoutMs: 0 });
    const error = await assertRejects(() => query, PoolClosedError);
    assertEquals(error.outcome, "not-applied");
    await closed;
    assertEquals(await schema.column("t", "x"), []);
  }));

test("A pool that closes with a statement in hand says unknown, also of what is declared idempotent", () =>
  rig({}, async ({ db, proxy }) => {
    await db.sql`select 1`;
    const query = db.with({ idempotent: true }).sql`select pg_sleep(60)`.execute();
    const rejected = assertRejects(() => query, ConnectionLostError);
    await proxy.statement("pg_sleep");
    await db.close({ timeoutMs: 0 });
    const error = await rejected;
    assertEquals(error.outcome, "unknown");
    assertInstanceOf(error.cause, Error);
  }));

test("A statement is sent again where nobody may queue: acquireTimeoutMs 0", () =>
  rig({ acquireTimeoutMs: 0 }, async ({ db, proxy, schema }) => {
    await db.sql`select 1`;
    void proxy.strike(
      ({ from, type, body }) => from === "client" && type === "P" && body.includes("insert"),
      "cut",
    );
    await db.sql`insert into t (x) values (${1})`;
    assertEquals(await schema.column("t", "x"), [1]);
  }));

test("Where the queue is full, those that find no place in it say so, the others are served; order is kept", () =>
  rig({ maxWaiters: 3 }, async ({ db, proxy, schema }) => {
    await db.sql`select 1`;
    void proxy.strike(({ from, type }) => from === "client" && type === "P", "cut");
    const all = Array.from(
      { length: 6 },
      (_, x) => db.sql`insert into t (x) values (${x}::int)`.execute(),
    );
    const settled = await Promise.allSettled(all);
    for (const one of settled) {
      if (one.status === "rejected") assertInstanceOf(one.reason, TooManyWaitersError);
    }
    const stored = settled.flatMap(({ status }, x) => status === "fulfilled" ? [x] : []);
    assertEquals(await schema.column("t", "x"), stored);
    assert(stored.length >= 3);
    assertEquals(db.stats().waiters, 0);
  }));

test("Those behind the one that a session's end struck are sent again, those before it are not", () =>
  rig({}, async ({ db, proxy, schema }) => {
    await schema.query(`create function ${schema.name}.note(n int) returns int language sql
      as 'insert into ${schema.name}.t (x) values (n) returning n'`);
    await db.sql`select 1`;
    const send = () => [1, 2, 3, 4].map((n) => db.sql`select note(${n}::int) as n`.execute());
    await Promise.all(send());
    await schema.query(`delete from ${schema.name}.t`);
    let ends = 0;
    proxy.judge = ({ from, type }): Verdict => {
      if (from !== "server" || type !== "2") return "pass";
      return ++ends === 3 ? { instead: fatalError("57P01", "good bye"), then: "cut" } : "pass";
    };
    const rows = await Promise.all(send());
    assertEquals(rows.map(([row]) => row?.n), [1, 2, 3, 4]);
    // The proxy's word is not the server's: that went on with the third, and perhaps the fourth.
    const stored = await schema.column("t", "x");
    assertEquals(stored.filter((x) => x as number < 3), [1, 2]);
  }));

test("FATAL amid a COPY ends its stream, and nothing is sent again", () =>
  rig({}, async ({ db, schema }) => {
    // More than fits into all buffers on the way.
    const text = "copy (select repeat('x', 10000) from generate_series(1, 100000)) to stdout";
    const reader = await db.with({ idempotent: true }).sql.unsafe(text).readable();
    let ended = false;
    const failed = await assertRejects(async () => {
      for await (const _ of reader) {
        if (!ended) await schema.terminate();
        ended = true;
      }
    }, ConnectionLostError);
    assertEquals(failed.outcome, "unknown");
    const writer = await db.with({ idempotent: true }).sql`copy t (x) from stdin`.writable();
    const broken = new Promise<unknown>((resolve) => writer.once("error", resolve));
    writer.write("1\n");
    await schema.terminate();
    const error = await broken;
    assertInstanceOf(error, ConnectionLostError);
    assertEquals(error.outcome, "unknown");
    const [row] = await db.sql`select count(*)::int as n from t`;
    assertEquals(row?.n, 0);
  }));

test("A signal that aborts between two attempts is the rejection", () =>
  rig({}, async (parts) => {
    const { db, schema } = parts;
    await db.sql`select 1`;
    const abort = new AbortController();
    const reason = new Error("the signal's own reason");
    const query = db.with({ signal: abort.signal, idempotent: true })
      .sql`insert into t (x) values (${1})`;
    await lostAndWaiting(parts, () => query);
    abort.abort(reason);
    assertStrictEquals(await assertRejects(() => query), reason);
    assertEquals(await schema.column("t", "x"), []);
  }));
