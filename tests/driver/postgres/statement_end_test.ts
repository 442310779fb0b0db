import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type postgres from "postgres";
import { ConnectionLostError } from "../../../src/core/errors.ts";
import { Schema } from "./schema.ts";
import { type OpenSession, openSession } from "./session.ts";
import { type WireMessage, WireProxy } from "./wire_proxy.ts";
import { test } from "../../support/harness.ts";

/** How far the two sides are: messages that ask for a ReadyForQuery, and those. */
interface Progress {
  readonly asked: number;
  readonly answered: number;
}

function progress(messages: readonly WireMessage[]): Progress {
  const count = (wanted: (message: WireMessage) => boolean) => messages.filter(wanted).length;
  return {
    asked: count(({ from, type }) => from === "client" && ["S", "Q", "startup"].includes(type)),
    answered: count(({ from, type }) => from === "server" && type === "Z"),
  };
}

async function text(readable: Readable): Promise<string> {
  const chunks: string[] = [];
  for await (const chunk of readable) chunks.push(String(chunk));
  return chunks.join("");
}

const thrown = new Error("thrown by the caller's own function");
const TABLE = "create table t (x int primary key, y text)";

const options = {
  types: {
    bad: {
      to: 600,
      from: [600],
      serialize: (): string => {
        throw thrown;
      },
      parse: (): string => {
        throw thrown;
      },
    },
  },
};

/** What a statement may be like; each resolves or rejects in its own way. */
const KINDS: Record<string, (sql: postgres.ISql, session: OpenSession) => Promise<unknown>> = {
  "a simple query": (sql) => sql`select 1`.simple(),
  "several simple queries": (sql) => sql.unsafe("select 1; select 2; select 3"),
  "a simple query that fails": (sql) => sql.unsafe("select 1; select 1 / 0; select 2"),
  "a simple query with parameters": (sql) => sql`select ${1}::int`.simple(),
  "an empty query": (sql) => sql.unsafe(""),
  "a statement without parameters": (sql) => sql`select 1`,
  "a statement with parameters": (sql) => sql`select ${1}::int`,
  "a statement with parameters, unnamed": (sql) => sql.unsafe("select $1::int", [1]),
  "a statement that fails to parse": (sql) => sql`selec`,
  "a statement with parameters that fails to parse": (sql) => sql`selec ${1}`,
  "a statement that fails to bind": (sql) => sql`select ${"no number"}::int`,
  "a statement that fails on the way": (sql) =>
    sql`select 1 / (5 - x) from generate_series(1, 9) x where x > ${0}`,
  "a statement that cannot be built": (sql) => sql`select ${undefined as never}`,
  "a statement whose serializer throws": (sql) => sql`select ${"(1,2)"}::point`,
  "a statement whose parser throws": (sql) => sql`select '(1,2)'::point from generate_series(1, 3)`,
  "a description": (sql) => sql`select x from t where x = ${1}`.describe(),
  "a description without rows": (sql) => sql`insert into t values (${1}, 'a')`.describe(),
  "a description that fails": (sql) => sql`select nothing from nowhere`.describe(),
  "forEach": (sql) => sql`select x from generate_series(1, 5) x`.forEach(() => {}),
  "forEach that throws": (sql) =>
    sql`select x from generate_series(1, 5) x where x > ${0}`.forEach(() => {
      throw thrown;
    }),
  "a cursor": async (sql) => {
    for await (const _ of sql`select x from generate_series(1, 5) x`.cursor(2));
  },
  "a cursor that ends with a full batch": async (sql) => {
    for await (const _ of sql`select x from generate_series(1, 4) x`.cursor(2));
  },
  "a cursor that is left": async (sql) => {
    for await (const _ of sql`select x from generate_series(1, 5) x`.cursor(2)) break;
  },
  "a cursor that is left with its last batch": async (sql) => {
    for await (const _ of sql`select x from generate_series(1, 5) x`.cursor(9)) break;
  },
  "a cursor that is left by a throw": async (sql) => {
    for await (const _ of sql`select x from generate_series(1, 5) x`.cursor(2)) throw thrown;
  },
  "a cursor that is closed by its callback": (sql, { template }) =>
    sql`select x from generate_series(1, 5) x`.cursor(2, () => template.sql.CLOSE as never),
  "a cursor whose callback throws": (sql) =>
    sql`select x from generate_series(1, 5) x`.cursor(2, () => {
      throw thrown;
    }),
  "a cursor whose callback throws in the last batch": (sql) =>
    sql`select x from generate_series(1, 5) x`.cursor(9, () => {
      throw thrown;
    }),
  "a cursor whose callback rejects": (sql) =>
    sql`select x from generate_series(1, 5) x`.cursor(
      2,
      (() => Promise.reject(thrown)) as () => void,
    ),
  "a cursor that fails on the way": async (sql) => {
    for await (const _ of sql`select 1 / (4 - x) from generate_series(1, 5) x`.cursor(2));
  },
  "a cursor that fails to parse": (sql) => sql`selec`.cursor(2, () => {}),
  "a cursor with a bad parameter": (sql) => sql`select ${"no number"}::int`.cursor(2, () => {}),
  "a copy from stdin": async (sql) =>
    await pipeline(Readable.from(["1\tone\n"]), await sql`copy t from stdin`.writable()),
  "a copy from stdin that is given up": async (sql) => {
    const stream = await sql`copy t from stdin`.writable();
    const closed = new Promise((resolve) => stream.once("close", resolve));
    stream.on("error", () => {});
    stream.destroy(thrown);
    await closed;
  },
  "a copy to stdout": async (sql) => await text(await sql`copy t to stdout`.readable()),
  "a copy that is refused": (sql) => sql`copy nowhere from stdin`.writable(),
  "a copy to stdout that fails on the way": async (sql) =>
    await text(
      await sql`copy (select 1 / (5 - x) from generate_series(1, 9) x) to stdout`.readable(),
    ),
  "a statement that the driver sends again": async (sql, { connection }) => {
    await connection.run("create temp table s (x int)");
    const ask = (x: number) => sql`select * from s where x > ${x}`;
    await ask(1);
    await connection.run("alter table s add y int");
    await ask(1);
  },
};

for (const [name, run] of Object.entries(KINDS)) {
  test(`${name} is over with the ReadyForQuery of its last Sync, no sooner and no later`, async () => {
    await using schema = await Schema.create(TABLE);
    await using proxy = await WireProxy.start(schema.url);
    const ends: Progress[] = [];
    const listener = { over: () => ends.push(progress(proxy.messages)) };
    using session = await openSession(schema.through(proxy), options, listener);
    const { sql, connection } = session;
    await run(sql, session).catch(() => {});
    // Given to the connection at once: if the one before were over too soon, this one would get the rest of its answer.
    const next = await sql`select 'next' as state`.catch((error: Error) => error.message);
    assertEquals([...next], [{ state: "next" }] as never);
    assertEquals([connection.status, connection.lost], ["idle", false]);
    assert(ends.length >= 2);
    for (const { asked, answered } of ends) assertEquals(answered, asked);
  });
}

for (const size of [1, 2, 3, 9]) {
  test(`a cursor of ${size} whose parser throws has that error, and the next statement its own answer`, async () => {
    await using schema = await Schema.create(TABLE);
    using session = await openSession(schema.url, options);
    const { sql, connection } = session;
    const points = sql`select '(1,2)'::point from generate_series(1, 3)`;
    const reading = async (): Promise<void> => {
      for await (const _ of points.cursor(size));
    };
    assertStrictEquals(await assertRejects(reading), thrown);
    const next = await sql`select 'next' as state`.catch((error: unknown) => error);
    // The driver may not be able to keep the connection; then nothing was sent on it.
    if (connection.lost) assertInstanceOf(next, ConnectionLostError);
    else assertEquals([...next as Iterable<unknown>], [{ state: "next" }]);
  });
}
