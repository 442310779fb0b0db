import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import postgres from "postgres";
import { type PostgresDriver, postgresDriver } from "../../../src/driver/postgres/driver.ts";
import { runtime } from "../../support/entry.ts";
import { UnhandledRejections } from "../../../src/testing/unhandled_rejections.ts";
import { type Peer, type TestServer, withServer } from "../../runtime/test_server.ts";
import { concat, errorResponse, message, ready, welcome } from "./messages.ts";
import { test } from "../../support/harness.ts";

const reason = new Error("the signal's own reason");

function driverOf({ port }: TestServer): PostgresDriver {
  return postgresDriver({ runtime, url: `postgres://app:secret@127.0.0.1:${port}/app` });
}

/** Reads the next message of a client's: its letter, or nothing for the first, and its body. */
async function next(peer: Peer, typed = true): Promise<{ type: string; body: string }> {
  const type = typed ? (await peer.take(1)).toString() : "";
  const length = (await peer.take(4)).readInt32BE(0);
  return { type, body: (await peer.take(length - 4)).toString() };
}

/** Reads up to, and with, the next message of this letter. */
async function until(peer: Peer, wanted: string): Promise<string> {
  for (;;) {
    const { type, body } = await next(peer);
    if (type === wanted) return body;
  }
}

/** Answer to a statement without rows. */
const NO_ROWS = concat(
  message("1"),
  message("t", Uint8Array.of(0, 0)),
  message("n"),
  message("2"),
  message("C", "SELECT 0"),
  ready(),
);

/** Runs a test and says what nobody handled. */
async function noneUnhandled(fn: () => Promise<void>): Promise<void> {
  const unhandled = new UnhandledRejections();
  try {
    await fn();
    // A rejection is reported a turn of the event loop later.
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(unhandled.seen, []);
  } finally {
    unhandled.stop();
  }
}

test("PostgresDriver.connect() starts a session, learns the types, and asks nothing more", () =>
  withServer(async (server) => {
    const driver = driverOf(server);
    const connecting = driver.connect();
    const peer = await server.accept();
    const { body } = await next(peer, false);
    const [user, , database] = body.slice(4).split("\0").slice(1);
    assertEquals([user, database], ["app", "app"]);
    await peer.write(message("R", 3));
    assertEquals(await until(peer, "p"), "secret\0");
    await peer.write(welcome(99));
    assert((await until(peer, "P")).includes("pg_catalog.pg_type"));
    await until(peer, "S");
    await peer.write(NO_ROWS);
    const connection = await connecting;
    assertEquals([connection.pid, connection.status, connection.inHotStandby], [99, "idle", false]);
    // The first thing that comes is the first statement.
    void connection.run("select 1").catch(() => {});
    assertEquals(await until(peer, "Q"), "select 1\0");
    driver.destroy(connection);
  }));

test("PostgresDriver.connect() takes the whole start-up in single bytes", () =>
  withServer(async (server) => {
    const driver = postgresDriver({
      runtime,
      url: `postgres://app@127.0.0.1:${server.port}/app`,
      fetch_types: false,
    });
    const connecting = driver.connect();
    const peer = await server.accept();
    await next(peer, false);
    for (const byte of welcome()) await peer.write(Uint8Array.of(byte));
    const connection = await connecting;
    assertEquals(connection.status, "idle");
    driver.destroy(connection);
  }));

test("PostgresDriver.connect() has the server's own error when that refuses", () =>
  withServer(async (server) => {
    const driver = driverOf(server);
    const connecting = driver.connect();
    const rejected = assertRejects(() => connecting, postgres.PostgresError, "no such thing");
    const peer = await server.accept();
    await next(peer, false);
    await peer.write(errorResponse("FATAL", "3D000", "no such thing"));
    peer.stream.end();
    const error = await rejected;
    assertEquals([error.code, driver.classify(error)], ["3D000", "rejected"]);
  }));

/** What a server may do instead of telling the types. */
const REFUSALS: Record<string, (peer: Peer) => Promise<void>> = {
  "refuses": (peer) =>
    peer.write(concat(errorResponse("ERROR", "42501", "permission denied"), ready())),
  "shuts down": async (peer) => {
    await peer.write(errorResponse("FATAL", "57P01", "terminating connection"));
    peer.stream.end();
  },
  "hangs up": async (peer) => {
    peer.stream.end();
    await peer.closedOrEnded();
  },
  "resets the connection": (peer) => {
    peer.stream.resetAndDestroy();
    return Promise.resolve();
  },
};

for (const [name, refuse] of Object.entries(REFUSALS)) {
  test(`PostgresDriver.connect() rejects if the server ${name} instead of telling the types; none of it goes unhandled`, () =>
    noneUnhandled(() =>
      withServer(async (server) => {
        const driver = driverOf(server);
        const connecting = driver.connect();
        const rejected = assertRejects(() => connecting);
        const peer = await server.accept();
        await next(peer, false);
        await peer.write(welcome());
        await until(peer, "S");
        await refuse(peer);
        await rejected;
        await peer.closedOrEnded();
      })
    ));
}

/** Where a start-up can be when its signal is aborted; each leads to the next. */
const STAGES: readonly (readonly [name: string, reach: (peer: Peer) => Promise<unknown>])[] = [
  ["before the server has said anything", (peer) => next(peer, false)],
  ["at the password", async (peer) => {
    await peer.write(message("R", 3));
    await until(peer, "p");
  }],
  ["at the types", async (peer) => {
    await peer.write(welcome());
    await until(peer, "S");
  }],
];

for (const [index, [name]] of STAGES.entries()) {
  test(`PostgresDriver.connect({ signal }) gives up ${name}, and hangs up`, () =>
    noneUnhandled(() =>
      withServer(async (server) => {
        const abort = new AbortController();
        const connecting = driverOf(server).connect({ signal: abort.signal });
        const rejected = assertRejects(() => connecting);
        const peer = await server.accept();
        for (const [, reach] of STAGES.slice(0, index + 1)) await reach(peer);
        abort.abort(reason);
        assertStrictEquals(await rejected, reason);
        await peer.closedOrEnded();
      })
    ));
}

test("PostgresDriver.connect({ signal }) opens nothing if it is aborted, or is while the password is asked for", () =>
  withServer(async (server) => {
    const early = driverOf(server).connect({ signal: AbortSignal.abort(reason) });
    assertStrictEquals(await assertRejects(() => early), reason);
    const abort = new AbortController();
    const driver = postgresDriver({
      runtime,
      url: `postgres://app@127.0.0.1:${server.port}/app`,
      password: () => {
        abort.abort(reason);
        return "secret";
      },
    });
    const connecting = driver.connect({ signal: abort.signal });
    assertStrictEquals(await assertRejects(() => connecting), reason);
    assertEquals(server.connections, 0);
  }));
