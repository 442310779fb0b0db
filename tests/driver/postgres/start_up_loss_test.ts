/**
 * Connections that break while they start up.
 */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setImmediate } from "node:timers";
import { AcquireTimeoutError } from "../../../mod.ts";
import { createPool, runtime } from "../../support/entry.ts";
import { postgresDriver } from "../../../src/driver/postgres/mod.ts";
import { test } from "../../support/harness.ts";

/** What a connection's server does with it: reads what comes next, writes. */
interface Peer {
  read(): Promise<Uint8Array>;
  write(bytes: Uint8Array): void;
}

/** A server that answers each connection with `serve` and then hangs up. */
async function listen(serve: (peer: Peer) => Promise<void>): Promise<{
  url: string;
  accepted: () => number;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  let accepted = 0;
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    accepted++;
    open.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => open.delete(socket));
    const peer: Peer = {
      read: async () => (await once(socket, "data"))[0],
      write: (bytes) => void socket.write(bytes),
    };
    serve(peer).catch(() => {}).finally(() => socket.destroySoon());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgres://user:secret@127.0.0.1:${port}/database`,
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function message(type: string, code: number, text: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(text);
  const result = new Uint8Array(9 + bytes.length);
  const view = new DataView(result.buffer);
  result[0] = type.charCodeAt(0);
  view.setUint32(1, 8 + bytes.length);
  view.setUint32(5, code);
  result.set(bytes, 9);
  return result;
}

test("PostgresDriver.connect() rejects when the server goes away while the password is computed", async () => {
  await using server = await listen(async (peer) => {
    await peer.read();
    peer.write(message("R", 10, "SCRAM-SHA-256\0\0"));
    const first = new TextDecoder().decode(await peer.read());
    const nonce = /r=(.*)$/.exec(first)?.[1];
    peer.write(message("R", 11, `r=${nonce}xyz,s=${btoa("saltsaltsalt")},i=4096`));
  });
  const driver = postgresDriver({ runtime, url: server.url });
  // An exception in the driver's own later write could not be caught here: it would end the whole run.
  await assertRejects(() => driver.connect(), Error);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
});

test("PostgresDriver.connect() rejects when the server hangs up right after the handshake", async () => {
  await using server = await listen(() => Promise.resolve());
  const driver = postgresDriver({ runtime, url: server.url });
  await assertRejects(() => driver.connect(), Error);
  // porsager asks for its socket by a timer of its own, which may still be to come.
  await new Promise((resolve) => setTimeout(resolve, 0));
});

test("PostgresPool tries again while the server hangs up on every connection", async () => {
  await using server = await listen(() => Promise.resolve());
  const db = createPool(server.url, { acquireTimeoutMs: 600 });
  const error = await assertRejects(() => db.sql`select 1`, AcquireTimeoutError);
  assertEquals(error.phase, "connect");
  assertInstanceOf(error.cause, Error);
  assertEquals(server.accepted() > 1, true);
  await db.close();
});
