import type postgres from "postgres";
import { outcome, parity } from "./parity.ts";

parity("raw and values", async (sql) => [
  await sql`select 1 as x, 'text' as y, null as z`.raw(),
  await sql`select 1 as x, 'text' as y, null as z, '{1}'::int[] as a`.values(),
  await sql`select 1 as x where false`.values(),
  await sql`select x from generate_series(1, 3) x`.values().execute(),
]);

parity("forEach", async (sql) => {
  const seen: unknown[] = [];
  const result = await sql`select x from generate_series(1, 3) x`.forEach((row, result) => {
    seen.push(row, Array.isArray(result));
  });
  const none = await sql`select 1 where false`.forEach((row) => seen.push(row));
  await sql`select 1 as x`.values().forEach((row) => seen.push(row));
  return [seen, result, none];
});

parity("forEach that throws", async (sql) => {
  const thrown = new Error("no");
  let calls = 0;
  const error = await outcome(
    sql`select x from generate_series(1, 3) x`.forEach(() => {
      if (++calls > 1) throw thrown;
    }),
  );
  return [error === thrown, await sql`select 'still well' as state`];
});

parity("forEach of a statement that fails on the way", async (sql) => {
  const seen: unknown[] = [];
  const error = await outcome(
    sql`select 1 / (3 - x) as y from generate_series(1, 5) x`.forEach((row) => seen.push(row)),
  );
  return [seen, error];
});

parity("describe", async (sql) => {
  await sql`create temp table t (x int, y text)`;
  const described = async (statement: Promise<postgres.Statement>) => {
    const { string, types, columns, name } = await statement;
    return [string, types, columns?.map(({ name, type }) => [name, type]), name !== ""];
  };
  return [
    await described(sql`select x, y from t where x = ${1} and y = ${"a"}`.describe()),
    await described(sql`insert into t values (${1}, ${"a"})`.describe()),
    await described(sql.unsafe("select $1::int, $2::text", [1, "a"]).describe()),
    await described(sql`select 1 as one`.describe()),
    await outcome(sql`select nothing from t`.describe()),
    await outcome(sql`selec`.describe()),
    await sql`select count(*)::int as rows from t`,
  ];
});

parity("a cursor as an iterator", async (sql) => {
  const seen: unknown[] = [];
  for await (const rows of sql`select x from generate_series(1, 5) x`.cursor(2)) seen.push(rows);
  for await (const [row] of sql`select x from generate_series(1, 3) x`.cursor()) seen.push(row);
  for await (const rows of sql`select 1 where false`.cursor(10)) seen.push(rows);
  for await (const rows of sql`select x from generate_series(1, 4) x`.cursor(2)) seen.push(rows);
  for await (const rows of sql`select ${1}::int as x`.cursor(10)) seen.push(rows);
  for await (const rows of sql`select x from generate_series(1, 3) x`.values().cursor(2)) {
    seen.push(rows);
  }
  return seen;
});

parity("a cursor with a callback", async (sql) => {
  const seen: unknown[] = [];
  const series = sql`generate_series(1, 5) x`;
  return [
    await sql`select x from ${series}`.cursor(2, (rows) => {
      seen.push(rows);
    }),
    await sql`select x from ${series}`.cursor((rows) => {
      seen.push(rows);
    }),
    await sql`select x from ${series}`.cursor(2, async (rows) => {
      await Promise.resolve();
      seen.push(rows);
    }),
    await sql`select 1 where false`.cursor(2, (rows) => {
      seen.push(rows);
    }),
    seen,
  ];
});

parity("a cursor that is left early", async (sql) => {
  const seen: unknown[] = [];
  const series = sql`generate_series(1, 5) x`;
  for await (const rows of sql`select x from ${series}`.cursor(2)) {
    seen.push(rows);
    break;
  }
  seen.push(await sql`select 'still well' as state`);
  const thrown = new Error("no");
  const throwing = async () => {
    for await (const _ of sql`select x from ${series}`.cursor(2)) throw thrown;
  };
  seen.push(await outcome(throwing()) === thrown);
  seen.push(await sql`select 'still well' as state`);
  seen.push(
    await sql`select x from ${series}`.cursor(
      2,
      ((rows: unknown) => {
        seen.push(rows);
        return sql.CLOSE;
      }) as never,
    ),
  );
  seen.push(await sql`select 'still well' as state`);
  return seen;
});

/** After a statement that failed amid its rows porsager's next result begins with as many holes; ours has none. */
async function wellAfterRows(sql: postgres.Sql): Promise<unknown> {
  const rows = await sql`select 'still well' as state`;
  return rows.at(-1);
}

parity("a cursor whose callback throws", async (sql) => {
  const thrown = new Error("no");
  const series = sql`generate_series(1, 5) x`;
  const failing = async () => {
    await Promise.resolve();
    throw thrown;
  };
  return [
    await outcome(
      sql`select x from ${series}`.cursor(2, () => {
        throw thrown;
      }),
    ) === thrown,
    await wellAfterRows(sql),
    await outcome(sql`select x from ${series}`.cursor(2, failing as never)) === thrown,
    await wellAfterRows(sql),
    // In the last batch.
    await outcome(
      sql`select x from ${series}`.cursor(10, () => {
        throw thrown;
      }),
    ) === thrown,
    await wellAfterRows(sql),
  ];
});

parity("a cursor that fails on the way", async (sql) => {
  const seen: unknown[] = [];
  const reading = async () => {
    for await (const rows of sql`select 1 / (4 - x) as y from generate_series(1, 5) x`.cursor(2)) {
      seen.push(rows.filter(() => true));
    }
  };
  seen.push(await outcome(reading()));
  seen.push(
    await outcome(
      sql`select 1 / (4 - x) as y from generate_series(1, 5) x`.cursor(2, (rows) => {
        seen.push(rows.filter(() => true));
      }),
    ),
  );
  seen.push(await outcome(sql`select nothing`.cursor(2, () => {})));
  seen.push(await outcome(sql`select ${"no number"}::int`.cursor(2, () => {})));
  return [seen, await wellAfterRows(sql)];
});
