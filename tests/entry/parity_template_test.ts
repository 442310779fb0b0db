import { outcome, parity } from "./parity.ts";

parity("a statement without parameters", async (sql) => [
  await sql`select 1 as one, 'text' as two, null as three`,
  await sql`select`,
  await sql`select 1 where false`,
  await sql`create temp table t (x int)`,
  await sql`insert into t values (1), (2)`,
  await sql`update t set x = x + 1`,
  await sql`delete from t where x > 2`,
  await sql`table t`,
  await sql``,
]);

parity("parameters of all kinds are bound, whatever text they hold (W-13)", async (sql) => [
  await sql`select ${1}::int as x, ${"text"} as y, ${true} as z, ${null}::text as n`,
  await sql`select ${new Date(0)} as x, ${new Uint8Array([1, 2, 255])} as y`,
  await sql`select ${(10n ** 15n) as never} as x, ${1.5}::float8 as y, ${"1.50"}::numeric as z`,
  await sql`select ${[1, 2, 3]}::int[] as x, ${["a", 'b"c', "d\\e", null]}::text[] as y`,
  await sql`select ${{ a: [1, { b: null }] } as never}::jsonb as x`,
  await sql`select ${1}::int + ${2}::int as sum, ${1}::int as again`,
  await sql`select ${"'; drop table t; --"} as x`,
]);

parity("results of all built-in types", async (sql) => [
  await sql`select 1::int2, 2::int4, 3::int8, 4.5::float4, 5.5::float8, 6.50::numeric, 7::oid`,
  await sql`select true as t, false as f, null::bool as n`,
  await sql`select '2020-02-03'::date, '2020-02-03 04:05'::timestamp, '2020-02-03 04:05Z'::timestamptz`,
  await sql`select '{"a": 1}'::json, '[1, null]'::jsonb, '\\x0001ff'::bytea`,
  await sql`select 'x'::text, 'y'::varchar, 'z'::char(3), 'n'::name, '12:00'::time, '1 day'::interval`,
  await sql`select '{1,2}'::int[], '{{1,2},{3,4}}'::int[], '{}'::text[], '{t,f,null}'::bool[]`,
  await sql`select '{"(1,2),(0,0)"}'::box[] as boxes, '{a,"b,c"}'::text[] as texts`,
]);

parity("fragments", async (sql) => {
  const id = 2;
  const where = sql`where x = ${id}`;
  const nothing = sql``;
  await sql`create temp table t as select x, x * 10 as y from generate_series(1, 4) x`;
  return [
    await sql`select * from t ${where}`,
    await sql`select * from t ${nothing} order by x`,
    await sql`select * from t ${id > 1 ? sql`where x > ${id}` : nothing} order by x`,
    await sql`select ${sql`${1}::int + ${sql`${2}::int * ${3}::int`}`} as nested`,
    await sql`select ${sql`now() is not null`} as called`,
    await sql`select * from t where ${[sql`x > ${1}`, sql`and x < ${4}`]} order by x`,
  ];
});

parity("identifiers", async (sql) => {
  await sql`create temp table "Odd ""name""" ("a.b" int, "C" int)`;
  await sql`insert into ${sql('Odd "name"')} values (1, 2)`;
  const column = "C";
  return [
    await sql`select ${sql(column)} from ${sql('Odd "name"')}`,
    await sql`select ${sql(["C"])} from ${sql('Odd "name"')}`,
    await sql`select relname from ${sql("pg_catalog.pg_class")} where relname = 'pg_class'`,
    await sql`select c.${sql("relname")} from pg_class c where relname = 'pg_class'`,
    await outcome(sql`select ${sql("no such column")} from ${sql('Odd "name"')}`),
  ];
});

parity("what is awaited twice, or by then, catch and finally", async (sql) => {
  const query = sql`select 1 as x`;
  const seen: unknown[] = [await query, await query];
  await sql`select 2 as x`.then((rows) => seen.push(rows));
  await sql`select 3 / 0`.catch((error) => seen.push(error));
  await sql`select 4 as x`.finally(() => seen.push("finally"));
  seen.push(await Promise.all([sql`select 5 as x`, sql`select 6 as x`]));
  seen.push(await sql`select 7 as x`.execute());
  return seen;
});

parity("what is not awaited is not sent", async (sql) => {
  await sql`create temp table t (x int)`;
  void sql`insert into t values (1)`;
  sql`insert into t values (2)`.execute();
  return await sql`table t`;
});

parity("the order of statements on one connection", async (sql) => {
  await sql`create temp table t (x serial, y int)`;
  await Promise.all([3, 1, 2].map((y) => sql`insert into t (y) values (${y})`));
  return await sql`select y from t order by x`;
});

parity("a statement used as a fragment and on its own", async (sql) => {
  const inner = sql`select 1 as x`;
  return [await sql`select * from (${inner}) t`, await inner];
});
