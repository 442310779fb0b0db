/**
 * Connections that break while they start up.
 */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { setImmediate } from "node:timers";
import { AcquireTimeoutError } from "../../../mod.ts";
import { createPool, runtime } from "../../../src/entry/deno.ts";
import { postgresDriver } from "../../../src/driver/postgres/mod.ts";

/** A server that answers each connection with `serve` and then hangs up. */
function listen(serve: (conn: Deno.Conn) => Promise<void>): {
  url: string;
  accepted: () => number;
  [Symbol.asyncDispose](): Promise<void>;
} {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let accepted = 0;
  const open = new Set<Promise<void>>();
  const loop = (async () => {
    for await (const conn of listener) {
      accepted++;
      const served = serve(conn).catch(() => {}).finally(() => {
        conn.close();
        open.delete(served);
      });
      open.add(served);
    }
  })();
  const { port } = listener.addr as Deno.NetAddr;
  return {
    url: `postgres://user:secret@127.0.0.1:${port}/database`,
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      listener.close();
      await loop;
      await Promise.all(open);
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

Deno.test("PostgresDriver.connect() rejects when the server goes away while the password is computed", async () => {
  await using server = listen(async (conn) => {
    const buffer = new Uint8Array(4096);
    await conn.read(buffer);
    await conn.write(message("R", 10, "SCRAM-SHA-256\0\0"));
    const count = await conn.read(buffer) ?? 0;
    const first = new TextDecoder().decode(buffer.subarray(0, count));
    const nonce = /r=(.*)$/.exec(first)?.[1];
    await conn.write(message("R", 11, `r=${nonce}xyz,s=${btoa("saltsaltsalt")},i=4096`));
  });
  const driver = postgresDriver({ runtime, url: server.url });
  // An exception in the driver's own later write could not be caught here: it would end the whole run.
  await assertRejects(() => driver.connect(), Error);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
});

Deno.test("PostgresDriver.connect() rejects when the server hangs up right after the handshake", async () => {
  await using server = listen(() => Promise.resolve());
  const driver = postgresDriver({ runtime, url: server.url });
  await assertRejects(() => driver.connect(), Error);
  // porsager asks for its socket by a timer of its own, which may still be to come.
  await new Promise((resolve) => setTimeout(resolve, 0));
});

Deno.test("PostgresPool tries again while the server hangs up on every connection", async () => {
  await using server = listen(() => Promise.resolve());
  const db = createPool(server.url, { acquireTimeoutMs: 600 });
  const error = await assertRejects(() => db.sql`select 1`, AcquireTimeoutError);
  assertEquals(error.phase, "connect");
  assertInstanceOf(error.cause, Error);
  assertEquals(server.accepted() > 1, true);
  await db.close();
});
