// A statement that was executed before passes porsager by: it has to come to the same all the same.
import postgres from "postgres";
import { outcome, parity } from "./parity.ts";

/** How a statement ends that is written in one place and executed several times. */
async function repeat<V>(
  values: readonly V[],
  write: (value: V) => PromiseLike<unknown>,
): Promise<unknown[]> {
  const ends: unknown[] = [];
  for (const value of values) ends.push(await outcome(write(value)));
  return ends;
}

parity("repeated: rows, columns and counts", async (sql) => [
  await repeat([1, 2, 3], () => sql`select 1 as x, 'text' as y, null as z`),
  await repeat([1, 2, 3], () => sql`select 1 as x where false`),
  await repeat([1, 2, 3], () => sql`select`),
  await repeat([1, 2, 3], () => sql`select 1 as x, 2 as x`),
  await repeat([3, 0, 2], (n) => sql`select x, repeat('é', x) from generate_series(1, ${n}) x`),
  await repeat([1, 2, 3], (x) => sql`insert into t values (${x}, ${"y" + x})`),
  await repeat([1, 2, 3], (x) => sql`insert into t values (${x}, 'z') returning *`),
  await repeat([1, 2, 2], (x) => sql`update t set y = 'other' where x = ${x}`),
  await repeat([1, 9, 2], (x) => sql`delete from t where x = ${x} returning y as "the y"`),
  await repeat([1, 2, 3], () => sql`create temp table if not exists u ()`),
  await repeat([1, 2, 3], () => sql`set application_name = 'other'`),
  await repeat([1, 2, 3], () => sql``),
], { setUp: "create table t (x int, y text)" });

const VALUES = [
  null,
  "",
  "text",
  "a longer text, such as one that does not fit into what is kept for short ones: 0123456789",
  "ä€𝄞\u0001\\'\"",
  "€".repeat(400),
];

parity("repeated: texts", async (sql) => [
  await repeat(VALUES, (x) => sql`select ${x} as x, ${x}::text as y, length(${x}) as z`),
  await repeat(VALUES, (x) => sql`select ${x}::varchar as x, ${"€"} as y`),
]);

const NO_VALUES = [Symbol("no"), () => 1];

parity("repeated: values of all kinds", async (sql) => [
  await repeat([1, -2.5, 0, NaN, Infinity, 1e21], (x) => sql`select ${x}::float8 as x`),
  await repeat([1, "2", null], (x) => sql`select ${x}::int as x`),
  await repeat(
    [1n, 2n ** 62n, -1n],
    (x) => sql`select ${x as never}::int8 as x, ${x as never}::int8 + 1 as y`,
  ),
  await repeat([true, false, null, true], (x) => sql`select ${x}::bool as x`),
  await repeat(
    [new Date(0), new Date("2026-11-26T12:00:00.123Z"), new Date(NaN), new Date(1)],
    (x) => sql`select ${x} as x, ${x}::timestamp as y, ${x}::date as z`,
  ),
  await repeat(
    [Uint8Array.of(), Uint8Array.of(0, 255), Uint8Array.of(1)],
    (x) => sql`select ${x} as x, ${x}::bytea as y`,
  ),
  await repeat([[1, 2], [], [null, 3]], (x) => sql`select ${x}::int[] as x`),
  await repeat([["a", 'b"\\{},'], [], ["c"]], (x) => sql`select ${x}::text[] as x`),
  await repeat([[[1], [2]], [[3], [4]]], (x) => sql`select ${x}::int[] as x`),
  await repeat([{ a: 1 }, { b: [null] }, "text"], (x) => sql`select ${sql.json(x as never)} as x`),
  await repeat([{ a: 1 }, { b: 2 }], (x) => sql`select ${x as never}::jsonb as x`),
  await repeat([1, 2, 3], (x) => sql`select ${sql.typed(x, 23)} as x, ${sql.array([x])} as y`),
  await repeat([1, "x", true, new Date(0), 5n, [1], null], (x) => sql`select ${x as never}::text`),
  await repeat([1, undefined, 2], (x) => sql`select ${x as never}::int as x`),
  await repeat([1, NO_VALUES[0], 2], (x) => sql`select ${x as never}::int as x`),
  await repeat([1, NO_VALUES[1], 2], (x) => sql`select ${x as never}::int as x`),
]);

parity("repeated: what the server sends", async (sql) =>
  await repeat([1, 2, 3], () =>
    sql`
      select 1::int2 as a, 2::int4 as b, 3::int8 as c, 1.5::float4 as d, 2.5::float8 as e, 1.20::numeric as f,
        true as g, '{"a": [1]}'::json as h, '{"b": null}'::jsonb as i, '\\x00ff'::bytea as j,
        '2026-11-26'::date as k, '2026-11-26 12:00:00+00'::timestamptz as l, '{1,null,3}'::int[] as m,
        '{{"a","b c"},{"d",null}}'::text[] as n, '{}'::int[] as o, 'x'::char(3) as p, '1 day'::interval as q,
        array['2026-11-26'::date] as r, 'é' as s, 'éa' as t, 'é€' as u, ''::text as v, '€' as w, null as x`));

parity("repeated: fragments, helpers and lists, which make another text each time", async (sql) => {
  const rows = [{ x: 1, y: "a" }, { x: 2, y: "b" }];
  return [
    await repeat(
      ["x", "y", "x"],
      (column) => sql`select ${sql(column)} from t order by ${sql(column)}`,
    ),
    await repeat([1, 2, 1], (n) => sql`insert into t ${sql(rows.slice(0, n))} returning *`),
    await repeat([1, 2, 1], (n) => sql`select count(*)::int from t where x in ${sql([n, n + 1])}`),
    await repeat(
      [true, false, true],
      (some) => sql`select x from t ${some ? sql`where x = ${1}` : sql``} limit 1`,
    ),
    await repeat([1, sql`now() is null`, 2], (x) => sql`select ${x as never} as x`),
    await repeat([1, [sql`1,`, sql`2`], 2], (x) => sql`select ${x as never} as x`),
  ];
}, { setUp: "create table t (x int, y text); insert into t values (5, 'e')" });

parity("repeated: wanted in another way each time", async (sql) => {
  const write = (x: number) => sql`select ${x}::int as x, 'y' as y`;
  const seen: unknown[] = [];
  return [
    await write(1),
    await write(2),
    await write(3).values(),
    await write(4).raw(),
    await write(5).forEach((row) => seen.push(row)),
    await write(6).cursor((rows) => {
      seen.push(rows);
    }),
    (await write(7).describe()).columns.map(({ name }) => name),
    await write(8),
    seen,
  ];
});

parity("repeated: errors", async (sql) => [
  await repeat([1, 1, 0, 2], (x) => sql`select 1 / ${x}::int as x`),
  await repeat(
    [9, 9, 3],
    (x) => sql`select 1 / (${x}::int - y) as x from generate_series(1, 5) y`,
  ),
  // porsager's next rows would come behind as many holes.
  await sql`select where false`,
  await repeat([1, 2, 2, 3], (x) => sql`insert into t values (${x}, ${"y"}) returning x`),
  await repeat(["1", "2", "no number", "3"], (x) => sql`select ${x}::int as x`),
  await repeat(["a", "b", "c\0d", "e"], (x) => sql`select ${x} as x`),
  await sql`select 'still well' as state`,
], { setUp: "create table t (x int primary key, y text)" });

parity(
  "repeated: errors are hidden from who prints them, and are of porsager's class",
  async (sql) => {
    const [, , error] = await repeat([1, 1, 0], (x) => sql`select 1 / ${x}::int as x`);
    return [
      Object.keys(error as object),
      error instanceof postgres.PostgresError,
      /parity_repeated_test\.ts:\d+:\d+/.test((error as Error).stack ?? ""),
      JSON.stringify(error),
    ];
  },
);

parity("repeated: a parser that throws", async (sql) => [
  await repeat(["a", "b", "bad", "c"], (x) => sql`select ${x}::text as x, 1 as y`),
  await repeat([2, 2, 5, 2], (n) => sql`select 'x' || x as x from generate_series(1, ${n}) x`),
  await sql`select 2 as still_well`,
], {
  types: {
    text: {
      to: 25,
      from: [25],
      serialize: (text: string) => text,
      parse(text: string) {
        if (text === "bad" || text === "x4") throw new RangeError(`no ${text}`);
        return `<${text}>`;
      },
    },
  },
});

parity("repeated: a serializer that throws", async (sql) => [
  await repeat([1, 2, 3, 4], (x) => sql`select ${x}::int as x`),
  await sql`select 'still well' as state`,
], {
  types: {
    integer: {
      to: 23,
      from: [23],
      serialize(value: number) {
        if (value === 3) throw new RangeError("no 3");
        return String(value);
      },
      parse: Number,
    },
  },
});

parity("repeated: transforms", async (sql) => [
  await repeat(
    [1, undefined, 3],
    (x) => sql`select ${x as never}::int as the_x, '{"a_b": 1}'::json`,
  ),
  await repeat([1, 2, 3], () => sql`select 'no' as a_b union all select 'yes'`),
], {
  transform: {
    undefined: null,
    column: { from: postgres.toCamel, to: postgres.fromCamel },
    value: (value: unknown) => value === "no" ? "No" : value,
    row: (row: object) => ({ ...row, seen: true }),
  },
});

/** What is thrown need not be one. */
const NO_ERROR: unknown = "no error";

parity("repeated: transforms that throw", async (sql) => [
  await repeat([1, 2, 3, 4], (x) => sql`select ${x}::int as x, y from generate_series(1, 2) y`),
  await sql`select 2 as still_well`,
], {
  transform: {
    row(row: { x?: number }) {
      if (row.x === 3) throw NO_ERROR;
      return row;
    },
  },
});

parity("repeated: parsers that are replaced hold for what is prepared later", async (sql) => {
  const write = (x: number) => sql`select ${x}::int as x`;
  const before = [await write(1), await write(2)];
  sql.options.parsers[23] = (text: string) => `<${text}>`;
  return [before, await write(3), await sql`select ${4}::int as x`];
});

parity("repeated: many at once, known and not, failing and not", async (sql) => {
  const known = (x: number) => sql`select 12 / ${x}::int as x`;
  const series = (n: number) => sql`select 12 / (4 - x) as x from generate_series(1, ${n}::int) x`;
  await known(1);
  await series(1);
  const dynamic = (column: string) => sql`select 1 as ${sql(column)}`;
  return await Promise.all([
    known(2),
    dynamic("a"),
    known(3),
    known(0),
    series(3),
    series(0),
    known(4),
    dynamic("b"),
    series(1),
    sql`select ${"new"} as state`,
    sql`select 1 / 0`,
    known(6),
    known(NaN),
    sql.unsafe("select 'text' as kind"),
    series(2),
    known(12),
  ].map(outcome));
});

parity("repeated: in transactions", async (sql) => {
  const add = (sql: postgres.ISql, x: number) => sql`insert into t values (${x}) returning x`;
  const count = (sql: postgres.ISql) => sql`select count(*)::int as rows from t`;
  const begin = async (x: number) =>
    await outcome(
      sql.begin(async (sql) => [await count(sql), await add(sql, x), await count(sql)]),
    );
  return [
    await begin(1),
    await begin(2),
    await begin(3),
    await begin(3),
    await begin(4),
    await count(sql),
  ];
}, { setUp: "create table t (x int primary key)" });

parity("repeated: notices", async (sql) => {
  const write = () => sql`select noted()`;
  return [await write(), await write(), await write()];
}, {
  setUp:
    "create function noted() returns int language plpgsql as $$ begin raise notice 'noted'; return 1; end $$",
});

parity("repeated: COPY without saying how it is wanted", async (sql) => {
  const copied: unknown[] = [];
  for (let time = 0; time < 6; time++) {
    const stream = await sql`copy (select generate_series(1, 3)) to stdout` as unknown;
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      copied.push(new TextDecoder().decode(chunk));
    }
  }
  return [copied.join(""), await sql`select 'still well' as state`];
});

parity("repeated: more or fewer columns than before", async (sql) => {
  const fetch = (sql: postgres.ISql) => sql`fetch all from c`;
  const read = async (columns: string) =>
    await outcome(sql.begin(async (sql) => {
      await sql.unsafe(`declare c cursor for select ${columns}`);
      return await fetch(sql);
    }));
  const ends = [];
  for (const columns of ["7 as a, 'x' as b", "8 as a, 'y' as b", "9 as a, 'z' as b, 1 as c"]) {
    ends.push(await read(columns));
  }
  const short = await read("7 as a");
  return [ends, short instanceof RangeError, await sql`select 'still well' as state`];
});

parity("repeated: the same text in two places, whose columns change", async (sql) => {
  const a = (sql: postgres.ISql) => sql`select * from t where x = ${1}`;
  const b = (sql: postgres.ISql) => sql`select * from t where x = ${1}`;
  const seen = [await a(sql), await a(sql)];
  await sql`alter table t add y int`;
  seen.push(await b(sql), await b(sql));
  for (const read of [a, b, a, b]) seen.push(await sql.begin(read) as never);
  return seen.map((rows) => [...rows]);
}, { setUp: "create table t (x int); insert into t values (1)" });

parity("repeated: only ever in transactions, whose columns change", async (sql) => {
  const read = async () =>
    await outcome(sql.begin((sql) => sql`select * from t where x = ${1}`)) as Error | unknown[];
  const seen: unknown[] = [await read(), await read()];
  await sql.unsafe("alter table t add y int");
  const refused = await read();
  seen.push(refused instanceof postgres.PostgresError);
  for (let time = 0; time < 2; time++) seen.push([...await read() as unknown[]]);
  return seen;
}, { setUp: "create table t (x int); insert into t values (1)" });

parity("repeated: the user's functions are called on what they belong to", async (sql) => {
  const seen: unknown[] = [];
  type Functions = Record<number, (value: never) => unknown>;
  const { parsers, serializers } = sql.options as unknown as Record<string, Functions>;
  if (parsers === undefined || serializers === undefined) return seen;
  parsers[23] = function (this: { name: string }, text: string): unknown {
    seen.push(this.name);
    return Number(text);
  };
  serializers[23] = function (this: object, value: number): unknown {
    seen.push(this === serializers);
    return String(value);
  };
  await repeat([1, 2, 3], (x) => sql`select ${x}::int as x`);
  return seen;
});

parity("repeated: values that throw when they are looked at", async (sql) => {
  const { proxy, revoke } = Proxy.revocable([1], {});
  revoke();
  const thrower = Object.defineProperty([1], 0, {
    get() {
      throw new RangeError("no value");
    },
  });
  const ends = [];
  for (const x of [1, 2, proxy, 3, thrower, 4]) {
    const end = await outcome(sql`select ${x as never}::int as x`);
    ends.push(end instanceof Error ? end.name : end);
  }
  return ends;
});

parity("repeated: a template that is no template, and changes", async (sql) => {
  const strings = Object.assign(["select 1 as x"], { raw: ["select 1 as x"] });
  const seen = [await sql(strings), await sql(strings)];
  strings[0] = "select 2 as x";
  return [seen, await sql(strings)];
});

parity("repeated: a result seen through a proxy", async (sql) => {
  const seen = [];
  for (let time = 0; time < 3; time++) {
    const { count, command, columns, length } = new Proxy(await sql`select 1 as x`, {});
    seen.push([count, command, columns?.length, length]);
  }
  return seen;
});

parity(
  "repeated: without preparing",
  async (sql) => await repeat([1, 2, 3], (x) => sql`select ${x}::int as x`),
  { prepare: false },
);
