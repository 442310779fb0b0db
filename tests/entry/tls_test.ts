import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConnectError } from "../../src/core/errors.ts";
import { createPool, type CreatePoolOptions } from "../support/entry.ts";
import { makeCertificates } from "../support/certificates.ts";
import { expectChild } from "../support/child.ts";
import { PostgresServer } from "../support/postgres_server.ts";
import { sharedServer } from "../support/shared_server.ts";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { scriptCommand } from "../support/this_runtime.ts";
import { test } from "../support/harness.ts";

const certificates = makeCertificates("certified");
const { ca, server: right, wrongHost, client, strangeCa } = certificates;

/** Lets nobody in without TLS, and `certified` only by a client certificate. */
function startServer(certificate: { cert: string; key: string }): Promise<PostgresServer> {
  return PostgresServer.start({
    hba: [
      "hostssl all certified samehost cert",
      "hostssl all all samehost scram-sha-256",
    ],
    tls: { ...certificate, ca: ca.cert },
  });
}

/** Whether the server says that the connection is encrypted; rejects if there is none. */
async function encrypted(url: string, options: CreatePoolOptions = {}): Promise<unknown> {
  await using db = createPool(url, { max: 1, ...options });
  const [row] = await db.sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
  return row?.ssl;
}

/** The cause for which one could not connect. */
async function failure(url: string, options: CreatePoolOptions = {}): Promise<Error> {
  await using db = createPool(url, { max: 1, acquireTimeoutMs: 0, ...options });
  const error = await assertRejects(async () => await db.sql`select 1`, ConnectError);
  assertInstanceOf(error.cause, Error);
  return error.cause;
}

function codeOf(error: Error): unknown {
  return Reflect.get(error, "code");
}

test("TLS on a server that has it, and lets nobody in without", async (test) => {
  await using server = await startServer(right);
  await server.query("create role certified login");
  const url = server.url();
  const named = server.url({ host: "localhost" });
  const certified = `postgres://certified@127.0.0.1:${server.port}/postgres`;

  for (const ssl of ["allow", "prefer", "require"] as const) {
    await test.step(`${ssl} encrypts`, async () => {
      assertEquals(await encrypted(url, { ssl }), true);
      assertEquals(await encrypted(`${url}?sslmode=${ssl}`), true);
    });
  }

  await test.step("disable is refused, for good", async () => {
    for (const options of [{}, { ssl: false }, { ssl: "disable" }] as const) {
      const error = await failure(url, options);
      assertEquals(codeOf(error), "28000");
    }
    assertEquals(codeOf(await failure(`${url}?sslmode=disable`)), "28000");
  });

  await test.step("an authority that nobody knows is refused where it is verified", async () => {
    for (const ssl of [true, "verify-ca", "verify-full", { ca: strangeCa.cert }, {}] as const) {
      assertEquals(codeOf(await failure(named, { ssl })) === "28000", false);
    }
  });

  await test.step("an object with the authority verifies it and the host", async () => {
    assertEquals(await encrypted(named, { ssl: { ca: ca.cert } }), true);
    assertEquals(await encrypted(url, { ssl: { ca: ca.cert } }), true);
    assertEquals(await encrypted(url, { ssl: { ca: [strangeCa.cert, ca.cert] } }), true);
    await failure(named, { ssl: { ca: ca.cert, servername: "elsewhere.test" } });
  });

  await test.step("an object that does not verify takes any", async () => {
    const ssl = { rejectUnauthorized: false, ca: strangeCa.cert };
    assertEquals(await encrypted(url, { ssl }), true);
  });

  await test.step("direct negotiation encrypts from the first byte", async () => {
    const sslnegotiation = "direct" as const;
    assertEquals(await encrypted(url, { ssl: "require", sslnegotiation }), true);
    assertEquals(await encrypted(named, { ssl: { ca: ca.cert }, sslnegotiation }), true);
    assertEquals(await encrypted(`${url}?sslmode=require&sslnegotiation=direct`), true);
    await failure(named, { ssl: { ca: strangeCa.cert }, sslnegotiation });
  });

  await test.step("a client certificate is the password of its role", async () => {
    const { cert, key } = client;
    assertEquals(await encrypted(certified, { ssl: { ca: ca.cert, cert, key } }), true);
    assertEquals(
      await encrypted(certified, { ssl: { rejectUnauthorized: false, cert, key } }),
      true,
    );
    const none = await failure(certified, { ssl: { ca: ca.cert } });
    assertEquals(codeOf(none), "28000");
    await failure(certified, { ssl: { ca: ca.cert, ...strangeCa } });
  });

  await test.step("a wrong password is one behind TLS, too", async () => {
    const error = await failure(server.url({ password: "wrong" }), { ssl: "require" });
    assertEquals(codeOf(error), "28P01");
  });

  await test.step("a Unix socket is never encrypted, whatever is asked for", async () => {
    const options = { path: join(server.socketDir, `.s.PGSQL.${server.port}`), user: "steady" };
    await using db = createPool({ ...options, database: "postgres", ssl: "require" });
    const [row] = await db.sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
    assertEquals(row, { ssl: false });
  });

  await test.step("a statement is cancelled, rows come and go, and a COPY, behind TLS", async () => {
    for (const ssl of ["require", { ca: ca.cert }] as const) {
      await using db = createPool(named, { max: 1, ssl });
      const running = db.sql`select pg_sleep(60)`.execute();
      const sleeping = "select 1 from pg_stat_activity where wait_event = 'PgSleep'";
      while ((await server.query(sleeping)).length === 0);
      running.cancel();
      const error = await assertRejects(() => running, db.sql.PostgresError);
      assertEquals(error.code, "57014");
      const [row] = await db.sql`select repeat('x', 1000000) as x, ${"y".repeat(1_000_000)} as y`;
      assertEquals([row?.x.length, row?.y.length], [1_000_000, 1_000_000]);
      let bytes = 0;
      const copy = "copy (select repeat('x', 999) from generate_series(1, 2000)) to stdout";
      for await (const chunk of await db.sql.unsafe(copy).readable()) bytes += chunk.length;
      assertEquals(bytes, 2_000_000);
    }
  });

  await test.step("the platform's own authorities are those of verify-ca and verify-full", async () => {
    await using elsewhere = await startServer(wrongHost);
    const directory = await mkdtemp(join(tmpdir(), "steady-"));
    try {
      const path = join(directory, "ca.pem");
      await writeFile(path, ca.cert);
      const script = fileURLToPath(new URL("./tls_child.ts", import.meta.url));
      const urls = [named, elsewhere.url({ host: "localhost" })];
      const { program, args, env } = scriptCommand(script, urls, { authority: path });
      const output = await expectChild(program, args, { env: { ...process.env, ...env } });
      assertEquals(JSON.parse(output), {
        "verify-ca": [true, true],
        "verify-full": [true, false],
        "true": [true, false],
        "direct": [true, false],
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

test("TLS on a server that is certified for another host", async () => {
  await using server = await startServer(wrongHost);
  const url = server.url({ host: "localhost" });
  assertEquals(await encrypted(url, { ssl: "require" }), true);
  await failure(url, { ssl: { ca: ca.cert } });
  assertEquals(await encrypted(url, { ssl: { ca: ca.cert, servername: "elsewhere.test" } }), true);
});

test("TLS on a server that has none: prefer does without, require does not", async () => {
  const { url } = sharedServer();
  for (const ssl of [false, "disable", "allow", "prefer"] as const) {
    assertEquals(await encrypted(url, { ssl }), false);
  }
  for (const ssl of [true, "require", "verify-ca", "verify-full", { ca: ca.cert }] as const) {
    assertEquals((await failure(url, { ssl })).message, "the server does not offer TLS");
  }
  await failure(url, { ssl: "require", sslnegotiation: "direct" });
});
