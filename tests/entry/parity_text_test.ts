import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outcome, parity } from "./parity.ts";

/** Options of porsager's that its types lack. */
const simple = (simple: boolean) => ({ simple }) as { prepare?: boolean };

parity("unsafe", async (sql) => [
  await sql.unsafe("select 1 as x"),
  await sql.unsafe("select $1::int + $2::int as x", [1, 2]),
  await sql.unsafe("select $1::text as x", ["a"], { prepare: true }),
  await sql.unsafe("select $1::text as x", ["a"], { prepare: true }),
  await sql.unsafe("select 1 as x", { prepare: true } as never),
  await sql.unsafe("select 1 as x", undefined, { prepare: true }),
  await sql.unsafe("select 1 as x", [], simple(false)),
  await sql.unsafe("select '{1,2}'::int[] as x", [], simple(true)),
  await sql.unsafe("select $1::int[] as x, $2::jsonb as y", [[1, 2], { a: 1 }]),
  await sql.unsafe("select 1 as x").values(),
  await sql.unsafe("select 1 as x").raw(),
  await sql.unsafe(""),
]);

parity("unsafe as a fragment", async (sql) => [
  await sql`select ${sql.unsafe("1 + 1")} as x`,
  await sql`select ${sql.unsafe("$1::int + 1", [])} as x, ${sql`${5}::int`} as y`
    .catch((error) => error),
]);

parity("unsafe with several statements", async (sql) => [
  await sql.unsafe("select 1 as x; select 2 as y, 3 as z"),
  await sql.unsafe("create temp table t (x int); insert into t values (1), (2); table t"),
  await sql.unsafe("select 1 as x;"),
  await outcome(sql.unsafe("select 1 as x; select 1 / 0; select 2 as x")),
  await outcome(sql.unsafe("insert into t values (3); select 1 / 0")),
  await outcome(sql.unsafe("select 1; select $1", [1])),
  await sql.unsafe("begin; insert into t values (4); commit; table t"),
]);

parity("simple", async (sql) => [
  await sql`select 1 as x, '{1,2}'::int[] as y`.simple(),
  await sql`select 1 as x; select 2 as x`.simple(),
  await sql`select 1 as x`.simple().values(),
  await outcome(sql`select 1 / 0`.simple()),
  await outcome(sql`selec 1`.simple()),
]);

parity("file", async (sql) => {
  const path = join(tmpdir(), `steady_${crypto.randomUUID()}.sql`);
  try {
    await writeFile(path, "select 1 as x; select 2 as x");
    const several = await sql.file(path);
    await writeFile(path, "select $1::int + $2::int as x");
    return [
      several,
      await sql.file(path, [1, 2] as never),
      await sql.file(path, [3, 4] as never).values(),
      await sql.file(path, [3, 4] as never, { prepare: true } as never),
      await outcome(sql.file(path)),
      await outcome(sql.file(path, ["no number", 2] as never)),
      await sql.file(new URL(`file://${path}`), [5, 6] as never),
    ];
  } finally {
    await rm(path);
  }
});

parity("file that is not there", async (sql) => {
  const error = await outcome(sql.file("/no/such/file.sql")) as Error;
  return [error.name, Reflect.get(error, "code"), await sql`select 'still well' as state`];
});
