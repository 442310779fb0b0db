/**
 * Statements that a connection knows, and that porsager does not hear of.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import type postgres from "postgres";
import { ConnectionLostError } from "../../../src/core/errors.ts";
import type { Runtime } from "../../../src/core/runtime.ts";
import { PostgresDriver } from "../../../src/driver/postgres/driver.ts";
import { resolvePostgresOptions } from "../../../src/driver/postgres/options.ts";
import { Result } from "../../../src/driver/postgres/light_result.ts";
import { createPool, runtime } from "../../support/entry.ts";
import { test } from "../../support/harness.ts";
import { pipeline } from "./pipeline.ts";
import { Schema } from "./schema.ts";
import { openSession } from "./session.ts";
import { WireProxy } from "./wire_proxy.ts";

/** A runtime whose sockets hand on what comes in pieces. */
function inPieces(size: () => number): Runtime {
  return {
    ...runtime,
    connect(address, options) {
      const socket = runtime.connect(address, options);
      const receive = socket.receive.bind(socket);
      socket.receive = (handlers) =>
        receive({
          data(bytes) {
            const length = Math.min(bytes.length, size());
            for (let at = 0; at < bytes.length; at += length) {
              handlers.data(bytes.subarray(at, at + length));
            }
          },
          drain: () => handlers.drain(),
          close: (error) => handlers.close(error),
        });
      return socket;
    },
  };
}

function plain(end: PromiseSettledResult<readonly unknown[]>): unknown {
  if (end.status === "rejected") return (end.reason as Error).message;
  const { count, command } = end.value as postgres.RowList<[]>;
  return [command, count, ...end.value];
}

const OTHERS = [
  (sql: postgres.ISql, x: number) => sql`select ${x}::int as x`,
  (sql: postgres.ISql, x: number) =>
    sql`select x, 'é' || repeat('y', x * 97) as y from generate_series(1, ${x}) x`,
  (sql: postgres.ISql, x: number) =>
    sql`select 12 / (4 - x) as x from generate_series(1, ${x}::int) x`,
  // Made anew each time.
  (sql: postgres.ISql, x: number) => sql`select ${x}::int as ${sql(`x${x}`)}`,
];

/** Statements that are known and not, that fail and do not, behind each other. */
async function burst(sql: postgres.ISql): Promise<unknown[]> {
  const numbers = [1, 3, 0, 7, 2, 8, 40];
  const queries = numbers.flatMap((x) => OTHERS.map((write) => write(sql, x)));
  return (await Promise.allSettled(queries)).map(plain);
}

test("A statement that is executed again passes porsager by, and nobody can see it", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const write = () => session.sql`select 1 as x`;
  const [first, second] = [await write(), await write()];
  assertEquals([first instanceof Result, second instanceof Result], [false, true]);
  assertEquals(second.constructor, first.constructor);
  assert(second instanceof first.constructor);
  assertEquals(second, first);
  assertEquals(second.map((row) => row.x).constructor, Array);
  assertEquals(Object.keys(second), ["0"]);
  assertEquals(JSON.stringify(second), '[{"x":1}]');
  const { count, command, columns, statement, state } = second;
  assertEquals([count, command, state], [1, "SELECT", first.state]);
  assertEquals([columns, statement], [first.columns, first.statement]);
});

test("A pool, its leases, scopes and transactions all use what is known", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const write = (sql: postgres.ISql) => sql`select 1 as x`;
  await write(db.sql);
  const known: unknown[] = [await write(db.sql)];
  await db.use(async (lease) => {
    known.push(await write(lease.sql));
  });
  await db.transaction(async (tx) => {
    known.push(await write(tx));
    await tx.savepoint(async (tx) => {
      known.push(await write(tx));
    });
  });
  await db.scope(async () => {
    known.push(await write(db.sql));
  });
  await using shared = await db.acquireShared();
  await write(shared.sql);
  known.push(await write(shared.sql));
  assertEquals(known.map((rows) => rows instanceof Result), known.map(() => true));
});

test("Answers come in pieces of any size", async () => {
  await using schema = await Schema.create();
  let size = Infinity;
  const driver = new PostgresDriver(
    inPieces(() => size),
    resolvePostgresOptions(schema.url, {}),
  );
  const connection = await driver.connect();
  try {
    const sql = pipeline({ connection, template: driver.template });
    const whole = await burst(sql);
    // What failed the first time is not known yet.
    assertEquals(await burst(sql), whole);
    for (size of [1, 2, 3, 5, 6, 7, 11, 64, 1_000, 4_096]) {
      assertEquals(await burst(sql), whole, `pieces of ${size}`);
    }
    assertEquals(connection.status, "idle");
  } finally {
    connection.destroy();
  }
});

test("An error amid rows leaves no holes in what comes behind it", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const { sql, connection } = session;
  const write = (n: number) => sql`select 12 / (4 - x) as x from generate_series(1, ${n}::int) x`;
  for (let time = 0; time < 3; time++) {
    assertEquals([...await write(1)], [{ x: 4 }]);
    await assertRejects(async () => await write(9), Error, "division by zero");
    assertEquals([...await write(2)], [{ x: 4 }, { x: 6 }]);
    await assertRejects(async () => await write(9), Error, "division by zero");
    assertEquals([...await sql.unsafe("select 7 as x")], [{ x: 7 }] as never);
  }
  assertEquals(connection.status, "idle");
});

test("What is not about a statement is heard while one is answered", async () => {
  const heard: unknown[] = [];
  await using schema = await Schema.create(
    "create function noted() returns text language plpgsql as $$ begin " +
      "raise notice 'noted'; perform set_config('application_name', 'other', false); return 'x'; end $$",
  );
  using session = await openSession(schema.url, {
    onnotice: ({ message }) => heard.push(message),
    onparameter: (name: string) => {
      if (name === "application_name") heard.push(name);
    },
  });
  const write = () => session.sql`select noted() as x`;
  await write();
  heard.length = 0;
  const rows = await write();
  assertEquals([rows instanceof Result, ...rows], [true, { x: "x" }] as never);
  assertEquals(heard, ["noted"]);
});

test("A value that is not written out as text is refused, and nothing else suffers", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url, {
    types: {
      integer: {
        to: 23,
        from: [23],
        serialize: (value: number) => value === 3 ? value as never : String(value),
        parse: Number,
      },
    },
  });
  const write = (x: number) => session.sql`select ${x}::int as x`;
  for (const x of [1, 2]) assertEquals([...await write(x)], [{ x }]);
  await assertRejects(async () => await write(3), TypeError);
  assertEquals([...await write(4)], [{ x: 4 }]);
});

test("What is known stands behind what porsager was given before and has yet to send", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  using session = await openSession(schema.through(proxy));
  const sql = pipeline(session);
  const known = (x: number) => sql`select ${x}::int as known`;
  const other = (x: number) => sql`select 1 as ${sql(`other${x}`)}`;
  await known(0);
  await other(0);
  for (let round = 1; round < 20; round++) {
    const queries = [known(1), other(round % 3), known(2), other(0), other(1), known(3), known(4)];
    const rows = await Promise.all(queries);
    assertEquals(rows.map(([row]) => Object.keys(row ?? {})[0]), [
      "known",
      `other${round % 3}`,
      "known",
      "other0",
      "other1",
      "known",
      "known",
    ]);
  }
});

test("Known statements whose connection is lost have their outcomes", async () => {
  await using schema = await Schema.create("create table t (x int)");
  using session = await openSession(schema.url);
  const { connection } = session;
  const sql = pipeline(session);
  const slow = (s: number) => sql`select pg_sleep(${s}) is null as slept`;
  const add = (x: number) => sql`insert into t values (${x})`;
  await slow(0);
  await add(1);
  const lost = [slow(60).execute(), add(2).execute()];
  const ends = Promise.allSettled(lost);
  const sleeping = "select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'";
  while ((await schema.query(sleeping, [connection.pid])).length === 0);
  await schema.query("select pg_terminate_backend($1)", [connection.pid]);
  const outcomes = (await ends).map((end) =>
    end.status === "rejected" && end.reason instanceof ConnectionLostError && end.reason.outcome
  );
  assertEquals(outcomes, ["not-applied", "not-applied"]);
  assertEquals([connection.lost, connection.status], [true, "unknown"]);
});

test("A known statement is cancelled as any other", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const { sql, connection } = session;
  const slow = (s: number) => sql`select pg_sleep(${s}) is null as slept`;
  await slow(0);
  const query = slow(60).execute();
  const sleeping = "select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'";
  while ((await schema.query(sleeping, [connection.pid])).length === 0);
  query.cancel();
  const error = await assertRejects(async () => await query, Error, "canceling statement");
  assertEquals(Reflect.get(error, "code"), "57014");
  assertEquals([...await slow(0)], [{ slept: false }]);
});

test("A known statement that the server forgot, or reads otherwise by now, is prepared anew", async () => {
  await using schema = await Schema.create("create table t (x int); insert into t values (1)");
  using session = await openSession(schema.url);
  const { sql } = session;
  const write = () => sql`select * from t where x = ${1}`;
  for (let time = 0; time < 3; time++) assertEquals((await write()).length, 1);
  await sql`deallocate all`;
  for (let time = 0; time < 3; time++) assertEquals([...await write()], [{ x: 1 }]);
  await sql`alter table t add y text default 'new'`;
  const again = [await write(), await write()];
  assertEquals(again.map(([row]) => row), [{ x: 1, y: "new" }, { x: 1, y: "new" }]);
  assertEquals(again[1] instanceof Result, true);
});

test("A statement that cannot be built, behind known ones and others, is the only one that fails", async () => {
  await using schema = await Schema.create();
  using session = await openSession(schema.url);
  const sql = pipeline(session);
  const known = (x: number) => sql`select ${x}::int as x`;
  const other = () => sql`select 0 as ${sql("x")}`;
  const unfit = () => sql`select ${undefined as never} as x`;
  await known(1);
  const orders = [
    [known, other, unfit, known],
    [known, unfit, known, other],
    [other, known, unfit, known],
    [unfit, known, unfit, unfit, other, known],
    [known, known, unfit],
  ];
  for (const order of orders) {
    for (let time = 0; time < 3; time++) {
      const ends = await Promise.allSettled(order.map((write) => write(5)));
      const states = ends.map((end) => end.status === "fulfilled" ? end.value[0]?.x : "failed");
      const wanted = order.map((write) => write === known ? 5 : write === other ? 0 : "failed");
      assertEquals(states, wanted);
    }
  }
  // What could not be built is rejected before the server has answered all the rest.
  assertEquals([...await known(6)], [{ x: 6 }]);
  assertEquals(session.connection.status, "idle");
});

test("A statement that is sent again may be known where it is sent then", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 2, multiplex: "off" });
  const sleepOn = (sql: postgres.ISql, pid: number) =>
    sql`select pg_sleep(case pg_backend_pid() when ${pid} then 60 else 0 end) is null as slept`;
  const [a, b] = [await db.acquire(), await db.acquire()];
  const { pid } = a.connection;
  await sleepOn(b.sql, pid);
  b.release();
  a.release();
  // The one that was given back last is lent first.
  const ended = sleepOn(db.sql, pid);
  ended.execute();
  const sleeping = "select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'";
  while ((await schema.query(sleeping, [pid])).length === 0);
  await schema.query("select pg_terminate_backend($1)", [pid]);
  assertEquals([...await ended], [{ slept: false }]);
});

test("A message about no statement that is cut before one is sent is not taken for its answer", async () => {
  await using schema = await Schema.create();
  let held = Buffer.alloc(0);
  let holdFrom: number | undefined;
  let arrived = () => {};
  let handOn: (bytes: Uint8Array) => void = () => {};
  const holding: Runtime = {
    ...runtime,
    connect(address, options) {
      const socket = runtime.connect(address, options);
      const receive = socket.receive.bind(socket);
      // An idle connection lets the process go, and here somebody waits for what the server says to it.
      socket.unref = () => {};
      socket.receive = (handlers) => {
        handOn = handlers.data.bind(handlers);
        receive({
          data(bytes) {
            if (holdFrom === undefined) return handlers.data(bytes);
            held = Buffer.concat([held, bytes]);
            arrived();
          },
          drain: () => handlers.drain(),
          close: (error) => handlers.close(error),
        });
      };
      return socket;
    },
  };
  const heard: unknown[] = [];
  const options = resolvePostgresOptions(schema.url, {});
  const driver = new PostgresDriver(holding, options);
  const connection = await driver.connect();
  try {
    const sql = pipeline({ connection, template: driver.template });
    const known = (x: number) => sql`select ${x}::int as x`;
    const begin = async () => [{ x: (await connection.run("select 1")).command }];
    await known(1);
    await sql.unsafe("listen told");
    for (const send of [() => known(7), begin, () => sql`select 7 as ${sql("x")}`]) {
      for (const cut of [1, 3, 5, 8]) {
        const came = new Promise<void>((resolve) => arrived = resolve);
        held = Buffer.alloc(0);
        holdFrom = cut;
        await schema.query("notify told, 'something'");
        await came;
        handOn(held.subarray(0, cut));
        const rest = held.subarray(cut);
        held = Buffer.alloc(0);
        const answered = new Promise<void>((resolve) => arrived = resolve);
        const running = Promise.resolve(send());
        running.catch(() => {});
        await answered;
        const answer = held;
        holdFrom = undefined;
        handOn(Buffer.concat([rest, answer]));
        const [row] = await running;
        assertEquals(row?.x === 7 || row?.x === "SELECT", true);
        heard.push(row?.x);
      }
    }
    assertEquals([heard.length, connection.status], [12, "idle"]);
  } finally {
    connection.destroy();
  }
});

test("A function of the user's that gives the connection up amid an answer leaves nobody waiting", async () => {
  await using schema = await Schema.create();
  let destroys = false;
  using session = await openSession(schema.url, {
    transform: {
      row(row: object) {
        if (destroys) session.connection.destroy();
        return row;
      },
    },
  });
  const sql = pipeline(session);
  const known = (x: number) => sql`select ${x}::int as x from generate_series(1, 3)`;
  await known(1);
  destroys = true;
  const ends = await Promise.allSettled([known(1), known(2), known(3)]);
  assertEquals(
    ends.map((end) => end.status === "rejected" && end.reason instanceof ConnectionLostError),
    [true, true, true],
  );
});
