import postgres from "postgres";
import { outcome, parity } from "./parity.ts";

parity("json", async (sql) => [
  await sql`select ${sql.json({ a: [1, null, "x"] })} as x`,
  await sql`select ${sql.json([1, 2])} as x, ${sql.json(null)} as y, ${sql.json("text")} as z`,
  await sql`select ${sql.json({ a: 1 })}::json as x`,
  await sql.unsafe("select $1::jsonb as x", [sql.json({ a: 1 }) as never]),
]);

parity("array", async (sql) => [
  // The very first statement of porsager's is built before it knows the types of arrays.
  await sql`select 'warm'`,
  await sql`select ${sql.array([1, 2, 3])} as x`,
  await sql`select ${sql.array(["a", "b"])} as x`,
  await sql`select ${sql.array([1, 2], 23)} as x, pg_typeof(${sql.array([1], 23)})::text as y`,
  await sql`select ${sql.array([new Date(0)])} as x, ${sql.array([true, false])} as y`,
  await sql`select ${sql.array([[1, 2], [3, 4]])}::int[] as x, ${sql.array([])}::int[] as y`,
  await sql`select ${sql.array(['quote " and \\ and , and {', "null"])} as x`,
]);

parity("typed", async (sql) => [
  await sql`select ${sql.typed(1, 20)} as x, pg_typeof(${sql.typed("1", 1700)})::text as y`,
  await sql`select ${sql.typed("2020-02-03", 1082)} as x`,
]);

const types = {
  rect: {
    to: 1337,
    from: [1337],
    serialize: ({ x, y }: { x: number; y: number }) => `${x},${y}`,
    parse: (text: string) => ({ x: Number(text.split(",")[0]), y: Number(text.split(",")[1]) }),
  },
  point: {
    to: 600,
    from: [600],
    serialize: ([x, y]: [number, number]) => `(${x},${y})`,
    parse: (text: string) => text.slice(1, -1).split(",").map(Number),
  },
  bigint: postgres.BigInt,
} as unknown as Record<string, postgres.PostgresType>;

parity("custom types", async (sql) => {
  const typed = sql.typed as unknown as Record<string, (value: unknown) => postgres.Parameter>;
  await sql`create temp table t (p point, ps point[], n int8, ns int8[])`;
  const point = typed.point?.([1, 2]) as never;
  const ns = sql.array([1n, 2n ** 62n] as never);
  await sql`insert into t values (${point}, '{"(3,4)"}', ${5n as never}, ${ns})`;
  return [
    await sql`table t`,
    await sql`select ${sql.types === sql.typed} as same`,
    await sql`select ${point} as p`,
    await outcome(sql`select ${typed.rect?.({ x: 1, y: 2 }) as never} as r`),
  ];
}, { types });

for (const style of ["camel", "pascal", "kebab"] as const) {
  parity(`transform ${style}`, async (sql) => {
    const names = { camel: "someName", pascal: "SomeName", kebab: "some-name" };
    const name = names[style];
    await sql`create temp table t (some_name int, "other" jsonb)`;
    return [
      await sql`insert into t ${sql({ [name]: 1 })} returning *`,
      await sql`update t set ${sql({ [name]: 2 })} returning *`,
      await sql`select ${sql(name)} from t`,
      await sql`select '{"some_key": [{"inner_key": 1}]}'::jsonb as some_json`,
      await sql`select some_name from t`.values(),
    ];
  }, { transform: postgres[style] });
}

parity("transform to or from alone", async (sql) => {
  await sql`create temp table t (some_name int)`;
  return [
    await sql`insert into t ${sql({ some_name: 1 })} returning *`,
    await sql`select some_name from t`,
  ];
}, { transform: postgres.toCamel });

parity("transform of columns, values and rows", async (sql) => [
  await sql`select 1 as x, 'a' as y`,
  await sql`select 1 as x, 'a' as y`.values(),
], {
  transform: {
    column: { from: (name) => name.toUpperCase() },
    value: { from: (value) => `<${value}>` },
    row: { from: (row) => ({ row }) },
  },
});

parity("transform that throws", async (sql) => [
  await outcome(sql`select 'bad' as x`),
  await sql`select 'good' as x`,
], {
  transform: {
    value: {
      from: (value) => {
        if (value === "bad") throw new Error("a bad value");
        return value;
      },
    },
  },
});

parity("fetch_types: false", async (sql) => [
  await sql`select '{1,2}'::int[] as x, '{a}'::text[] as y`,
  await outcome(sql`select ${[1, 2] as never}::int[] as x`),
], { fetch_types: false });

parity("prepare: false", async (sql) => [
  await sql`select ${1}::int as x, '{1,2}'::int[] as y`,
  await sql`select ${1}::int as x, '{1,2}'::int[] as y`,
  await sql`select count(*)::int as n from pg_prepared_statements`,
  await sql.unsafe("select $1::int as x", [1], { prepare: true }),
], { prepare: false });

parity("statements prepared once", async (sql) => {
  const ask = (n: number) => sql`select ${n}::int as x`;
  return [
    await ask(1),
    await ask(2),
    await sql.unsafe("select $1::int as y", [1]),
    await sql`select statement from pg_prepared_statements where statement like '%as x'`,
  ];
});

parity("connection parameters", async (sql) => [
  await sql`select current_setting('statement_timeout') as x, current_setting('search_path') as y`,
  await sql`select current_setting('application_name') as x, current_setting('TimeZone') as y`,
], { connection: { statement_timeout: 12_345, TimeZone: "Asia/Tokyo" } });

parity("debug", async (sql) => [
  await sql`select ${1}::int as x`,
  await outcome(sql`select ${1}::int / 0`),
  await outcome(sql.unsafe("select 1 / 0")),
], { debug: () => {} });
