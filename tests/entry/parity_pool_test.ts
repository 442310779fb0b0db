import { assert } from "@std/assert";
import postgres from "postgres";
import { outcome, parity } from "./parity.ts";

parity("reserve", async (sql) => {
  const reserved = await sql.reserve();
  try {
    const [first] = await reserved`select pg_backend_pid() as pid`;
    const [second] = await reserved`select pg_backend_pid() as pid`;
    await reserved`create temp table t (x int)`;
    await reserved`insert into t ${sql([{ x: 1 }, { x: 2 }])}`;
    return [
      first?.pid === second?.pid,
      await Promise.all([reserved`table t`, reserved`select count(*)::int from t`]),
      await outcome(reserved`selec`),
      await reserved`select 'still well' as state`,
    ];
  } finally {
    reserved.release();
  }
}, { max: 2 });

parity("reserved connections and others", async (sql) => {
  const first = await sql.reserve();
  const second = await sql.reserve();
  const [one] = await first`select pg_backend_pid() as pid`;
  const [two] = await second`select pg_backend_pid() as pid`;
  const waiting = sql`select pg_backend_pid() as pid`.execute();
  first.release();
  const [three] = await waiting;
  second.release();
  return [one?.pid === two?.pid, one?.pid === three?.pid];
}, { max: 2 });

parity("notify", async (sql, schema) => {
  const channel = schema.name;
  const heard: string[] = [];
  const listener = postgres(schema.url, { max: 1 });
  try {
    await listener.listen(channel, (payload) => heard.push(payload));
    const result = await sql.notify(channel, "awaited");
    // Sent although nobody awaits it.
    void sql.notify(channel, "not awaited");
    await sql.notify(channel, "last");
    while (!heard.includes("last")) await listener`select 1`;
    return [heard, [...result].length];
  } finally {
    await listener.end();
  }
});

parity("options", async (sql) => {
  await sql`select 1`;
  const { host, port, database, user, pass, prepare, fetch_types, ssl, debug } = sql
    .options as unknown as Record<string, unknown>;
  const { connection, transform, types, parsers, serializers } = sql.options;
  return {
    address: [host, port, database, user, pass],
    flags: [prepare, fetch_types, ssl, debug],
    application: connection?.application_name,
    transform: [transform.undefined, typeof transform.column.from, typeof transform.column.to],
    types,
    parsers: Object.keys(parsers).sort(),
    serializers: Object.keys(serializers).sort(),
  };
}, { transform: postgres.camel });

parity("parsers that are added later", async (sql) => {
  const before = await sql`select '1,2'::text as x, 5::int8 as y`;
  (sql.options.parsers as Record<number, (text: string) => unknown>)[20] = (text) => BigInt(text);
  return [before, await sql`select 5::int8 as y, 6::int8 as z`];
});

parity("parameters of the server", async (sql) => {
  await sql`set time zone 'Asia/Tokyo'`;
  const { server_encoding, TimeZone, client_encoding, DateStyle } = sql
    .parameters as unknown as Record<string, string>;
  return { server_encoding, TimeZone, client_encoding, DateStyle };
});

parity("callbacks", async (sql) => {
  await sql`do $$ begin raise notice 'noted'; end $$`;
  await sql`set application_name = 'changed'`;
  const { seen } = callbacks;
  return seen.splice(0).filter((name) => name !== "onclose");
}, callbackOptions());

parity("constants", (sql) => {
  assert(sql.END === sql.CLOSE);
  return Promise.resolve([
    sql.PostgresError === postgres.PostgresError,
    typeof sql.CLOSE,
    typeof sql.begin,
    typeof sql.listen,
    typeof sql.subscribe,
    typeof sql.largeObject,
    sql.types === sql.typed,
  ]);
});

parity("end", async (sql) => {
  await sql`select 1`;
  const running = sql`select pg_sleep(0.05)::text as x`.execute();
  await Promise.resolve();
  await sql.end();
  const error = await outcome(sql`select 1`) as Error;
  return [await running, Reflect.get(error, "code"), await sql.end()];
});

parity("end before the first statement", async (sql) => {
  await sql.end();
  const error = await outcome(sql`select 1`) as Error;
  return Reflect.get(error, "code");
});

const callbacks: { seen: string[] } = { seen: [] };

function callbackOptions() {
  return {
    onnotice: (notice: postgres.Notice) => callbacks.seen.push(`notice ${notice.message}`),
    onparameter: (key: string, value: string) => {
      if (key === "application_name") callbacks.seen.push(`${key} ${value.length > 0}`);
    },
    debug: (_: number, query: string) => {
      if (query.includes("changed")) callbacks.seen.push(query);
    },
  };
}
