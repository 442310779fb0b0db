import postgres from "postgres";
import { outcome, parity } from "./parity.ts";

parity("errors of the server", async (sql) => [
  await outcome(sql`selec 1`),
  await outcome(sql`select nothing from nowhere where x = ${1} and y = ${"text"}`),
  await outcome(sql`select 1 / ${0}::int`),
  await outcome(sql.unsafe("select 1 / $1::int", [0])),
  await outcome(sql.unsafe("select 1 / 0")),
  await outcome(sql`insert into t values (1, -1)`),
  await outcome(sql`insert into t values (null, 1)`),
  await outcome(sql`insert into t values (1, 1), (1, 1)`),
  await outcome(
    sql`do $$ begin raise exception 'own' using errcode = 'AB123', hint = 'a hint', detail = 'a detail'; end $$`,
  ),
  await outcome(sql`select ${"no number"}::int`),
  await outcome(sql`select ${new Date(NaN)}`),
  await sql`select 'still well' as state`,
], { setUp: "create table t (x int primary key, y int check (y > 0))" });

parity("errors by class", async (sql) => {
  const error = await outcome(sql`select 1 / 0`);
  return [error instanceof sql.PostgresError, error instanceof postgres.PostgresError];
});

parity("where an error's statement was written", async (sql) => {
  const error = await outcome(sql`select 1 / 0`) as Error;
  return /parity_errors_test\.ts:\d+:\d+/.test(error.stack ?? "");
});

// Before a statement runs, porsager's cancel leaves its connection, or the next statement, hanging: see cancel_test.ts.
parity("a statement that is cancelled while it runs", async (sql, schema) => {
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const query = sql`select pg_sleep(60) as slept`.execute();
  const sleeping = "select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'";
  while ((await schema.query(sleeping, [row?.pid ?? 0])).length === 0);
  query.cancel();
  return [await outcome(query), await sql`select 'still well' as state`];
});

parity("a statement that is cancelled when it is over", async (sql) => {
  const query = sql`select 1 as x`;
  const rows = await query;
  query.cancel();
  return [rows, await sql`select 'still well' as state`];
});

parity("notices", async (sql) => [
  await sql`do $$ begin raise notice 'noted'; end $$`,
  await sql`select 'still well' as state`,
], { onnotice: () => {} });
