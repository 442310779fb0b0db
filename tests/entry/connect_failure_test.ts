import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { inspect } from "node:util";
import {
  AcquireTimeoutError,
  ConnectError,
  TooManyConnectionsError,
} from "../../src/core/errors.ts";
import { createPool, type PostgresPool } from "../support/entry.ts";
import { sharedServer } from "../support/shared_server.ts";
import { withBlackhole } from "../runtime/blackhole.ts";
import { withServer } from "../runtime/test_server.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { test } from "../support/harness.ts";

const SECRET = "s3cret word";

/** The ways to get a connection, all of which fail alike. */
function waysOf(db: PostgresPool): (() => Promise<unknown>)[] {
  return [
    async () => await db.sql`select 1`,
    () => db.acquire(),
    () => db.transaction(() => {}),
    () => db.use(() => {}),
    () => db.sql.begin(() => {}),
    () => db.sql.reserve(),
  ];
}

function urlWith(parts: { password?: string; user?: string; database?: string; port?: number }) {
  const url = new URL(sharedServer().url);
  if (parts.password !== undefined) url.password = encodeURIComponent(parts.password);
  if (parts.user !== undefined) url.username = parts.user;
  if (parts.database !== undefined) url.pathname = `/${parts.database}`;
  if (parts.port !== undefined) url.port = String(parts.port);
  return url.href;
}

test("A server that is not there: each acquire rejects at its deadline, with phase and cause", async () => {
  await using db = createPool("postgres://app@127.0.0.1:1/app", { acquireTimeoutMs: 60 });
  for (const way of waysOf(db)) {
    const error = await assertRejects(way, AcquireTimeoutError);
    assertEquals(
      [error.code, error.phase, error.timeoutMs, error.outcome, error.retryable],
      ["ACQUIRE_TIMEOUT", "connect", 60, "not-applied", true],
    );
    assertInstanceOf(error.cause, Error);
    assert(error.message.includes(error.cause.message));
  }
  assertEquals([db.stats().waiters, db.stats().used], [0, 0]);
});

test("A server that is not there: who does not want to wait is told at once", async () => {
  await using db = createPool("postgres://app@127.0.0.1:1/app", { acquireTimeoutMs: 0 });
  for (const way of waysOf(db)) {
    const error = await assertRejects(way, ConnectError);
    assertEquals([error.phase, error.outcome, error.retryable], ["connect", "not-applied", true]);
    assertInstanceOf(error.cause, Error);
  }
});

test("A host name that does not exist rejects with that cause", async () => {
  await using db = createPool("postgres://app@no-such-host.invalid/app", { acquireTimeoutMs: 60 });
  const error = await assertRejects(() => db.acquire(), AcquireTimeoutError);
  assertEquals(error.phase, "connect");
});

test("A wrong password rejects at once, is not tried again, and is shown nowhere", async () => {
  await using proxy = await WireProxy.start(sharedServer().url);
  await using db = createPool(urlWith({ password: SECRET, port: proxy.port }));
  let attempts = 0;
  for (const way of waysOf(db)) {
    const error = await assertRejects(way, ConnectError);
    assertEquals(
      [error.code, error.phase, error.outcome, error.retryable],
      ["CONNECT_FAILED", "connect", "not-applied", false],
    );
    assertInstanceOf(error.cause, db.sql.PostgresError);
    assertEquals(error.cause.code, "28P01");
    assertEquals(proxy.connections, ++attempts);
    assertEquals(inspect(error, { depth: 9, showHidden: true }).includes(SECRET), false);
  }
  assertEquals(db.stats().total, 0);
});

test("An unknown database, role or start-up parameter rejects at once, and is not tried again", async () => {
  await using proxy = await WireProxy.start(sharedServer().url);
  const { port } = proxy;
  const wrong: [string, string, object][] = [
    ["3D000", urlWith({ database: "no_such_database", port }), {}],
    ["28P01", urlWith({ user: "no_such_role", port }), {}],
    ["42704", urlWith({ port }), { connection: { no_such_parameter: "1" } }],
    ["22023", urlWith({ port }), { connection: { statement_timeout: "no number" } }],
  ];
  for (const [code, url, options] of wrong) {
    const before = proxy.connections;
    await using db = createPool(url, options);
    const error = await assertRejects(async () => await db.sql`select 1`, ConnectError);
    assertEquals(
      [Reflect.get(error.cause as object, "code"), error.retryable, proxy.connections - before],
      [code, false, 1],
    );
  }
});

test("A password function is asked before each connect, and may be asynchronous", async () => {
  const { password } = new URL(sharedServer().url);
  let asked = 0;
  await using db = createPool(urlWith({ password: "" }), {
    max: 2,
    password: async () => {
      asked++;
      await Promise.resolve();
      return password;
    },
  });
  const leases = await Promise.all([db.acquire(), db.acquire()]);
  assertEquals(asked, 2);
  for (const lease of leases) lease.destroy();
  await db.sql`select 1`;
  assertEquals(asked, 3);
});

test("A password function that throws or rejects: the acquire has its error as the cause", async () => {
  const thrown = new Error("the vault is closed");
  const functions: (() => string | Promise<string>)[] = [
    () => {
      throw thrown;
    },
    () => Promise.reject(thrown),
  ];
  for (const password of functions) {
    await using proxy = await WireProxy.start(sharedServer().url);
    await using db = createPool(urlWith({ password: "", port: proxy.port }), {
      acquireTimeoutMs: 60,
      password,
    });
    const error = await assertRejects(async () => await db.sql`select 1`, AcquireTimeoutError);
    assertEquals([error.phase, error.cause, proxy.connections], ["connect", thrown, 0]);
  }
});

test("A password function that returns no string rejects at once", async () => {
  for (const value of [undefined, null, 5, { password: SECRET }]) {
    await using db = createPool(urlWith({ password: "" }), {
      password: () => Promise.resolve(value as unknown as string),
    });
    const error = await assertRejects(async () => await db.sql`select 1`, ConnectError);
    assertInstanceOf(error.cause, TypeError);
    assert(error.message.includes("password must be, or return, a string"));
    assert(!inspect(error, { depth: 9 }).includes(SECRET));
  }
});

test("A password function that never answers is given up at the deadline", async () => {
  await using db = createPool(urlWith({ password: "" }), {
    acquireTimeoutMs: 60,
    password: () => new Promise<string>(() => {}),
  });
  const error = await assertRejects(async () => await db.sql`select 1`, AcquireTimeoutError);
  assertEquals(error.phase, "connect");
});

test("An acquire that waits in the queue says so at its deadline", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1, acquireTimeoutMs: 40 });
  using lease = await db.acquire({ timeoutMs: 10_000 });
  for (const way of waysOf(db)) {
    const error = await assertRejects(way, AcquireTimeoutError);
    assertEquals([error.phase, error.cause, error.stats.used], ["queue", undefined, 1]);
  }
  assertEquals(lease.lost, false);
  const error = await assertRejects(() => db.acquire({ timeoutMs: 0 }), TooManyConnectionsError);
  assertEquals([error.outcome, error.retryable], ["not-applied", true]);
});

/** Checks that a server which never answers is found out. */
async function assertGivenUp(port: number): Promise<void> {
  await using db = createPool(`postgres://app:secret@127.0.0.1:${port}/app`, {
    acquireTimeoutMs: 150,
    connectTimeoutMs: 50,
  });
  const error = await assertRejects(async () => await db.sql`select 1`, AcquireTimeoutError);
  assertEquals(error.phase, "connect");
  assertInstanceOf(error.cause, ConnectError);
  assertEquals(error.cause.code, "CONNECT_TIMEOUT");
}

test("A blackhole, where no connect is answered, is given up at the deadline", () =>
  withBlackhole(assertGivenUp));

test("A server that accepts and says nothing is given up at the deadline", () =>
  withServer(({ port }) => assertGivenUp(port)));

test("A server that stops in the middle of the start-up is given up at the deadline", async () => {
  await using proxy = await WireProxy.start(sharedServer().url);
  // Silence from the proof of the password on, or from the first query.
  for (const last of ["p", "P"]) {
    proxy.judge = ({ from, type }) => from === "client" && type === last ? "drop" : "pass";
    await using db = createPool(urlWith({ port: proxy.port }), {
      acquireTimeoutMs: 300,
      connectTimeoutMs: 200,
    });
    const error = await assertRejects(async () => await db.sql`select 1`, AcquireTimeoutError);
    assertEquals(error.phase, "connect");
  }
});

test("A server that hangs up in the middle of the start-up is tried again", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  // At the first message of the client, at its proof of the password, at its first query, and at the answer to that.
  const stages = ["startup", "p", "P", "Z"];
  proxy.judge = ({ type }) => {
    if (type !== stages[0]) return "pass";
    stages.shift();
    return "cut";
  };
  await using db = createPool(schema.through(proxy), { max: 1 });
  const [row] = await db.sql`select '{1,2}'::int[] as x`;
  assertEquals([row, stages, proxy.connections], [{ x: [1, 2] }, [], 5]);
});

test("A server that speaks another protocol is given up at the deadline", () =>
  withServer(async (server) => {
    await using db = createPool(`postgres://app@127.0.0.1:${server.port}/app`, {
      acquireTimeoutMs: 150,
    });
    const failing = assertRejects(async () => await db.sql`select 1`, AcquireTimeoutError);
    const peer = await server.accept();
    await peer.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    peer.stream.end();
    assertEquals((await failing).phase, "connect");
  }));

test("A role that has its most connections is waited for", async () => {
  await using schema = await Schema.create();
  const { name } = schema;
  await schema.query(`create role ${name} login password '${name}' connection limit 1`);
  try {
    const url = urlWith({ user: name, password: name });
    const first = createPool(url, { max: 1 });
    await first.sql`select 1`;
    await using second = createPool(url, { max: 1, acquireTimeoutMs: 5_000 });
    const refused = await assertRejects(() => second.acquire({ timeoutMs: 0 }), ConnectError);
    assertEquals([Reflect.get(refused.cause as object, "code"), refused.retryable], [
      "53300",
      true,
    ]);
    const waiting = second.sql`select 'served' as state`.execute();
    await first.close();
    assertEquals([...await waiting], [{ state: "served" }]);
  } finally {
    await schema.query(`drop role ${name}`);
  }
});

test("PostgresPool.close() ends a connect that is under way", async () => {
  await withServer(async ({ port }) => {
    const db = createPool(`postgres://app@127.0.0.1:${port}/app`);
    const failing = assertRejects(async () => await db.sql`select 1`);
    await Promise.resolve();
    await db.close();
    await failing;
    assertEquals([db.stats().state, db.stats().total], ["closed", 0]);
  });
});

test("target_session_attrs refuses another kind of server", async () => {
  await using schema = await Schema.create();
  for (const [wanted, fits] of [["read-write", true], ["primary", true], ["standby", false]]) {
    await using db = createPool(schema.url, {
      acquireTimeoutMs: fits ? 10_000 : 60,
      target_session_attrs: wanted as "standby",
    });
    if (fits) await db.sql`select 1`;
    else await assertRejects(async () => await db.sql`select 1`, AcquireTimeoutError);
  }
});
