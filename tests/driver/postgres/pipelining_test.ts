import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import postgres from "postgres";
import { ConnectionLostError } from "../../../src/core/errors.ts";
import { Schema } from "./schema.ts";
import { type OpenSession, openSession } from "./session.ts";
import { pipeline } from "./pipeline.ts";
import { statementOf, WireProxy } from "./wire_proxy.ts";
import { test } from "../../support/harness.ts";

/** What a promise came to, in a form that can be compared. */
async function outcomes(promises: readonly PromiseLike<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((one) =>
    one.status === "fulfilled"
      ? [...one.value as Iterable<unknown>]
      : String(Reflect.get(one.reason, "code"))
  );
}

/** A statement in the extended protocol, of a text that is known only here. */
function written(sql: postgres.ISql, text: string): postgres.PendingQuery<postgres.Row[]> {
  return sql(Object.assign([text], { raw: [text] }));
}

async function withSession(
  setUp: string | undefined,
  test: (session: OpenSession) => Promise<void>,
): Promise<void> {
  await using schema = await Schema.create(setUp);
  using session = await openSession(schema.url);
  await test(session);
  // First the statement: one that cannot be built is rejected before the server has answered for it.
  assertEquals([...await session.sql`select 'well' as all`], [{ all: "well" }] as never);
  assertEquals(session.connection.status, "idle");
}

test("Pipelined statements leave together, and each gets its own answer", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const sql = pipeline(session);
  const before = proxy.messages.length;
  const queries = [1, 2, 3, 4].map((x) => written(sql, `select ${x} as x`));
  assertEquals(await outcomes(queries), [[{ x: 1 }], [{ x: 2 }], [{ x: 3 }], [{ x: 4 }]]);
  const seen = proxy.messages.slice(before).filter((message) =>
    statementOf(message) !== undefined || message.type === "Z"
  );
  assertEquals(seen.map(({ type }) => type), ["P", "P", "P", "P", "Z", "Z", "Z", "Z"]);
});

test("A pipelined statement that the server refuses fails alone", () =>
  withSession(undefined, async (session) => {
    const sql = pipeline(session);
    const queries = [sql`select 1 as x`, sql`select 1 / 0 as x`, sql`select 3 as x`];
    assertEquals(await outcomes(queries), [[{ x: 1 }], "22012", [{ x: 3 }]]);
  }));

test("A pipelined statement that fails amid its rows leaves none of them to the one behind it", () =>
  withSession(undefined, async (session) => {
    const sql = pipeline(session);
    const queries = [
      sql`select 1 / (4 - i) as x from generate_series(1, 9) as i`,
      sql`select i as x from generate_series(1, 2) as i`,
      sql`select 7 as x`,
    ];
    assertEquals(await outcomes(queries), ["22012", [{ x: 1 }, { x: 2 }], [{ x: 7 }]]);
    const [, second] = await Promise.all([sql`select 1`, sql`select 2 as x`]);
    assertEquals([second.length, second.count, second.command], [1, 1, "SELECT"]);
  }));

test("A pipelined statement that cannot be built fails alone, and its error has its own text", () =>
  withSession(undefined, async (session) => {
    const sql = pipeline(session);
    const first = sql`select 'first' as x`;
    const bad = sql`select ${undefined as unknown as string}::text as second`;
    const third = sql`select 'third' as x`;
    const all = [first, bad, third];
    const codes = outcomes(all);
    const error = await assertRejects(async () => await bad, Error);
    assertEquals(await codes, [[{ x: "first" }], "UNDEFINED_VALUE", [{ x: "third" }]]);
    const { outcome, query, parameters } = error as unknown as Record<string, unknown>;
    assertEquals([outcome, query, parameters], ["not-applied", undefined, undefined]);
    assertEquals(Object.keys(error), ["code"]);
  }));

test("Pipelined statements that cannot be built, one behind the other, fail each alone", () =>
  withSession(undefined, async (session) => {
    const sql = pipeline(session);
    const bad = () => sql`select ${undefined as unknown as string}::text`;
    const queries = [bad(), sql`select 1 as x`, bad(), bad(), sql`select 2 as x`, bad()];
    const code = "UNDEFINED_VALUE";
    assertEquals(await outcomes(queries), [code, [{ x: 1 }], code, code, [{ x: 2 }], code]);
  }));

test("A pipelined statement whose value cannot be written fails alone, though its text is known", () =>
  withSession("create table t (at timestamptz)", async (session) => {
    const sql = pipeline(session);
    const at = (value: string) => sql`select count(*)::int as x from t where at > ${value}`;
    await at("2020-01-01");
    const queries = [sql`select 1 as x`, at("2020-01-01"), at("never"), sql`select 2 as x`];
    const [one, two, three, four] = await Promise.allSettled(queries);
    assertInstanceOf((three as PromiseRejectedResult).reason, RangeError);
    assertEquals(
      [one, two, four].map((
        result,
      ) => [...(result as PromiseFulfilledResult<Iterable<unknown>>).value]),
      [[{ x: 1 }], [{ x: 0 }], [{ x: 2 }]],
    );
  }));

test("Nothing is sent behind a statement whose parameters are described first, nor behind one that may wait", () =>
  withSession("create table t (x int)", async (session) => {
    const sql = pipeline(session);
    const { connection } = session;
    const seen: [string, boolean][] = [];
    const texts = {
      "read": "select 1",
      "values": "values (1)",
      "write": "insert into t values (1)",
      "write in a read": "with w as (delete from t) select 1",
      "row lock": "select * from t for update",
      "weak row lock": "select * from t\nfor no  key update",
      "advisory lock": "select pg_advisory_xact_lock(1)",
    };
    for (const [name, text] of Object.entries(texts)) {
      const query = written(sql, text).execute();
      await Promise.resolve();
      seen.push([name, connection.canPipeline]);
      await query;
    }
    assertEquals(seen, [
      ["read", true],
      ["values", true],
      ["write", false],
      ["write in a read", false],
      ["row lock", false],
      ["weak row lock", false],
      ["advisory lock", false],
    ]);
    const unknown = sql`select ${1}::int8`.execute();
    await Promise.resolve();
    assertEquals(connection.canPipeline, false);
    await unknown;
    assertEquals(connection.canPipeline, true);
    const known = sql`select ${2}::int8`.execute();
    await Promise.resolve();
    assertEquals(connection.canPipeline, true);
    await known;
  }));

test("A pipelined statement that the server forgot is sent again behind its neighbours", () =>
  withSession(undefined, async (session) => {
    const sql = pipeline(session);
    const ask = (x: number) => sql`select ${x}::int as x`;
    await ask(0);
    await session.sql`deallocate all`;
    const queries = [ask(1), sql`select 2 as x`, ask(3), sql`select 4 as x`];
    assertEquals(await outcomes(queries), [[{ x: 1 }], [{ x: 2 }], [{ x: 3 }], [{ x: 4 }]]);
    assertEquals(await outcomes([ask(5), ask(6)]), [[{ x: 5 }], [{ x: 6 }]]);
  }));

test("A pipelined statement ends when it is answered, not when the last one is", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  const over: string[] = [];
  using session = await openSession(schema.through(proxy));
  const sql = pipeline(session, (query) => over.push(query.string ?? ""));
  let answers = 0;
  const { promise: held, resolve: letGo } = Promise.withResolvers<"pass">();
  proxy.judge = ({ from, type }) =>
    from === "server" && type === "C" && ++answers === 2 ? held : "pass";
  const first = sql`select 'first'`.execute();
  const second = sql`select 'second'`.execute();
  await first;
  assertEquals(over, ["select 'first'"]);
  assertEquals(session.connection.status, "busy");
  letGo("pass");
  await second;
  assertEquals(over, ["select 'first'", "select 'second'"]);
  assertEquals(session.connection.status, "idle");
});

test("query.cancel() of a pipelined statement rejects it, and strikes no neighbour", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const sql = pipeline(session);
  const { promise: held, resolve: letGo } = Promise.withResolvers<"pass">();
  proxy.judge = ({ from, type }) => from === "server" && type === "C" ? held : "pass";
  const queries = ["first", "second", "third"].map((name) =>
    sql`select ${sql.unsafe(`'${name}'`)} as x`.execute()
  );
  const asked = queries.map((query) => query.then((rows) => rows[0]?.x, (error) => error));
  await proxy.statement("'third'");
  queries[1]?.cancel();
  const error = await asked[1];
  assertEquals([error.code, error.outcome, error.retryable], ["57014", "unknown", false]);
  letGo("pass");
  assertEquals([await asked[0], await asked[2]], ["first", "third"]);
  assertEquals(proxy.messages.filter(({ type }) => type === "cancel").length, 0);
  assertEquals([...await session.sql`select 'well' as all`], [{ all: "well" }] as never);
});

test("query.cancel() of the last in a pipeline asks the server once it is alone", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const sql = pipeline(session);
  const { promise: held, resolve: letGo } = Promise.withResolvers<"pass">();
  let first = true;
  proxy.judge = ({ from, type }) => {
    if (from !== "server" || type !== "C" || !first) return "pass";
    first = false;
    return held;
  };
  const quick = sql`select 'quick' as x`.execute();
  const long = sql`select pg_sleep(60)`.execute();
  const failed = long.then(() => undefined, (error) => error);
  await proxy.statement("pg_sleep");
  long.cancel();
  assertEquals((await failed).code, "57014");
  const cancel = proxy.message(({ type }) => type === "cancel");
  letGo("pass");
  assertEquals([...await quick], [{ x: "quick" }] as never);
  await cancel;
  assertEquals([...await session.sql`select 'well' as all`], [{ all: "well" }] as never);
});

test("A connection that is lost leaves each pipelined statement with its own outcome", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const sql = pipeline(session);
  let answers = 0;
  proxy.judge = ({ from, type }) =>
    from === "server" && type === "C" && ++answers === 2 ? "cut" : "pass";
  const queries = [sql`select 1 as x`, sql`select 2 as x`, sql`select 3 as x`];
  const [one, two, three] = await Promise.allSettled(queries);
  assertEquals([...(one as PromiseFulfilledResult<Iterable<unknown>>).value], [{ x: 1 }]);
  for (const result of [two, three]) {
    const { reason } = result as PromiseRejectedResult;
    assertInstanceOf(reason, ConnectionLostError);
    assertEquals(reason.outcome, "unknown");
  }
  const late = sql`select 4`;
  const error = await assertRejects(async () => await late, ConnectionLostError);
  assertEquals(error.outcome, "not-applied");
  assert(session.connection.lost);
});

test("A notice or a fatal error amid a pipeline goes to nobody else", () =>
  withSession(
    "create function loud(x int) returns int language plpgsql as $$ begin raise notice 'x'; return x; end $$",
    async (session) => {
      const sql = pipeline(session);
      const rows = await outcomes(
        [1, 2, 3].map((x) => written(sql, `select loud(${x}) as x`)),
      );
      assertEquals(rows, [[{ x: 1 }], [{ x: 2 }], [{ x: 3 }]]);
      await assertRejects(async () => await sql`select loud('a')`, postgres.PostgresError);
    },
  ));
