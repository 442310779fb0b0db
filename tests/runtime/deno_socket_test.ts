import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket, TlsOptions } from "../../src/core/runtime.ts";
import { runtime } from "../../src/runtime/deno.ts";
import { makeCertificates } from "../support/certificates.ts";
import { PostgresServer } from "../support/postgres_server.ts";
import { bytesOf, record, turns } from "./recorder.ts";
import { withServer } from "./test_server.ts";

const certificates = makeCertificates("steady");

/** Runs `fn` while `Deno.connect` gives connections that `change` has had in hand. */
async function withConnections(
  change: (conn: Deno.Conn) => void,
  fn: () => Promise<void>,
): Promise<void> {
  const connect: (options: Deno.ConnectOptions) => Promise<Deno.TcpConn> = Deno.connect;
  const changed = async (options: Deno.ConnectOptions): Promise<Deno.TcpConn> => {
    const conn = await connect(options);
    change(conn);
    return conn;
  };
  Object.assign(Deno, { connect: changed });
  try {
    await fn();
  } finally {
    Object.assign(Deno, { connect });
  }
}

Deno.test("PulledSocket over Deno.Conn closes a connection that Deno.connect() has ready when the signal has fired", async () => {
  const connect: (options: Deno.ConnectOptions) => Promise<Deno.TcpConn> = Deno.connect;
  const controller = new AbortController();
  // What Deno 2.9 does when the abort comes behind the connection, which otherwise happens in a few turns of a hundred.
  const late = async ({ signal, ...options }: Deno.ConnectOptions): Promise<Deno.TcpConn> => {
    const conn = await connect(options);
    controller.abort();
    signal?.throwIfAborted();
    return conn;
  };
  Object.assign(Deno, { connect: late });
  try {
    await withServer(async (server) => {
      const socket = runtime.connect(server.address, { signal: controller.signal });
      await assertRejects(() => socket.opened, DOMException);
      await socket.closed;
      await (await server.accept()).closedOrEnded();
    });
  } finally {
    Object.assign(Deno, { connect });
  }
});

Deno.test("PulledSocket over Deno.Conn sends in one write what was written in one turn, or while a write was under way", async () => {
  const sizes: number[] = [];
  const change = (conn: Deno.Conn): void => {
    const write = conn.write.bind(conn);
    conn.write = async (bytes) => {
      sizes.push(bytes.byteLength);
      await turns(1);
      return await write(bytes);
    };
  };
  await withConnections(change, () =>
    withServer(async (server) => {
      const socket = runtime.connect(server.address);
      await socket.opened;
      const peer = await server.accept();
      for (let i = 0; i < 10; i++) socket.write(bytesOf("one"));
      await Promise.resolve();
      for (let i = 0; i < 20; i++) socket.write(bytesOf("two"));
      assertEquals((await peer.take(90)).toString(), "one".repeat(10) + "two".repeat(20));
      assertEquals(sizes, [30, 60]);
      socket.destroy();
      await socket.closed;
    }));
});

Deno.test("PulledSocket over Deno.Conn finishes writes that were only done in part", async () => {
  const change = (conn: Deno.Conn): void => {
    const write = conn.write.bind(conn);
    conn.write = (bytes) => write(bytes.subarray(0, 7));
  };
  await withConnections(change, () =>
    withServer(async (server) => {
      const socket = runtime.connect(server.address);
      await socket.opened;
      const peer = await server.accept();
      socket.write(bytesOf("the quick brown fox "));
      socket.write(bytesOf("jumps over the lazy dog"));
      const closed = socket.close();
      assertEquals(
        (await peer.rest()).toString(),
        "the quick brown fox jumps over the lazy dog",
      );
      peer.stream.end();
      await closed;
    }));
});

Deno.test("PulledSocket over Deno.Conn ends when a write takes nothing", async () => {
  const change = (conn: Deno.Conn): void => {
    conn.write = () => Promise.resolve(0);
  };
  await withConnections(change, () =>
    withServer(async (server) => {
      const socket = runtime.connect(server.address);
      await socket.opened;
      socket.write(bytesOf("x"));
      await socket.closed;
      const late = record(socket);
      await late.closed;
      assertInstanceOf(late.error, Error);
    }));
});

Deno.test("PulledSocket over Deno.Conn hands out what the peer said before it hung up, although a write failed first", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const socket = runtime.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const recorder = record(socket);
  const [conn] = await Promise.all([listener.accept(), socket.opened]);
  await turns();
  // All in one turn of the event loop. Bytes the server leaves unread make its close() a reset.
  socket.write(bytesOf("unread"));
  await Promise.resolve();
  const said = conn.write(bytesOf("terminated by an administrator"));
  conn.close();
  await said.catch(() => {});
  for (let i = 0; i < 20; i++) {
    socket.write(bytesOf("anybody there?"));
    await Promise.resolve();
  }
  await socket.closed;
  listener.close();
  assertEquals(recorder.bytes.toString(), "terminated by an administrator");
  assertEquals(recorder.events, ["data", "close"]);
  assertInstanceOf(recorder.error, Error);
});

Deno.test("PulledSocket over Deno.Conn ends when it cannot send any more, although the peer does not hang up", async () => {
  const broken = new Error("no way out");
  const change = (conn: Deno.Conn): void => {
    conn.write = () => Promise.reject(broken);
  };
  await withConnections(change, () =>
    withServer(async (server) => {
      const socket = runtime.connect(server.address);
      const recorder = record(socket);
      await socket.opened;
      const peer = await server.accept();
      socket.write(bytesOf("x"));
      await turns();
      assertEquals(socket.write(new Uint8Array(1024 * 1024)), true);
      peer.write("still talking");
      await socket.closed;
      assertEquals(recorder.bytes.toString(), "still talking");
      assertStrictEquals(recorder.error, broken);

      // Nobody reads, so nothing is waited for.
      const paused = runtime.connect(server.address);
      await paused.opened;
      paused.write(bytesOf("x"));
      const start = performance.now();
      await paused.closed;
      assertLess(performance.now() - start, 900);
    }));
});

Deno.test("PulledSocket over Deno.Conn hands out views of one block, and reads into it where it ended", async () => {
  await withServer(async (server) => {
    const socket = runtime.connect(server.address);
    const recorder = record(socket);
    await socket.opened;
    const peer = await server.accept();
    for (const text of ["first", "second", "third"]) {
      const count = recorder.size;
      peer.write(text);
      await recorder.until(() => recorder.size > count);
    }
    const [first, ...others] = recorder.chunks;
    assert(first !== undefined);
    let end = first.byteOffset;
    for (const chunk of [first, ...others]) {
      assertEquals(chunk.buffer, first.buffer);
      assertEquals(chunk.byteOffset, end);
      end += chunk.byteLength;
    }
    socket.destroy();
    await socket.closed;
  });
});

Deno.test("PulledSocket over Deno.Conn refuses startTls() while a read is under way, and stays as it is", async () => {
  await withServer(async (server) => {
    const tls: TlsOptions = { verify: "full" };
    const socket = runtime.connect(server.address, { secureTransport: "starttls", tls });
    const recorder = record(socket);
    await socket.opened;
    const peer = await server.accept();
    peer.write("S");
    assertEquals(await recorder.take(1), "S");
    await turns();
    await assertRejects(async () => await socket.startTls().opened, TypeError, "pause()");
    peer.write("still here");
    assertEquals(await recorder.take(10), "still here");
    socket.destroy();
    await socket.closed;
  });
});

Deno.test({
  name: "PulledSocket over Deno.Conn rejects `opened` without the permission",
  permissions: { net: false },
  async fn() {
    const socket = runtime.connect({ hostname: "127.0.0.1", port: 5432 });
    await assertRejects(() => socket.opened, Deno.errors.NotCapable);
    await socket.closed;
  },
});

Deno.test("The Deno runtime uses Deno.startTls() only where it keeps what is asked for", async () => {
  const { startTls } = Deno;
  let used = 0;
  Deno.startTls = (conn, options) => {
    used++;
    return startTls(conn, options);
  };
  try {
    await withServer(async (server) => {
      const uses = async (tls: TlsOptions): Promise<boolean> => {
        const before = used;
        const serving = server.acceptTls(certificates.server);
        serving.catch(() => {});
        const socket = runtime.connect(server.address, { secureTransport: "on", tls });
        await socket.opened.catch(() => {});
        socket.destroy();
        await socket.closed;
        return used > before;
      };
      const { ca, client } = certificates;
      assertEquals(await uses({ verify: "full" }), true);
      assertEquals(await uses({ verify: "ca" }), true);
      assertEquals(await uses({ verify: "none" }), false);
      assertEquals(await uses({ verify: "full", ca: [ca.cert] }), false);
      assertEquals(await uses({ verify: "full", ...client }), false);
    });
    // `Deno.startTls` takes no Unix sockets; a plain connection must not come of it.
    const path = join(tmpdir(), `steady_${crypto.randomUUID()}.sock`);
    await withServer(async (server) => {
      server.acceptTls(certificates.server).catch(() => {});
      const tls: TlsOptions = { verify: "ca" };
      const socket = runtime.connect({ path }, { secureTransport: "on", tls });
      await assertRejects(() => socket.opened, Error);
      assertEquals(socket.secure, false);
      await socket.closed;
    }, path);
  } finally {
    Deno.startTls = startTls;
  }
});

/** Asks PostgreSQL for TLS, and on the secured socket for a session; returns the type of its answer. */
async function greet(plain: Socket, user: string): Promise<string> {
  const recorder = record(plain);
  recorder.onData = () => plain.pause();
  await plain.opened;
  plain.write(new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]));
  assertEquals(await recorder.take(1), "S");
  const socket = plain.startTls();
  await socket.opened;
  const secured = record(socket);
  const startup = bytesOf(`\0\0\0\0\0\x03\0\0user\0${user}\0database\0postgres\0\0`);
  new DataView(startup.buffer, startup.byteOffset).setUint32(0, startup.byteLength);
  socket.write(startup);
  const answer = await secured.take(1);
  await socket.close();
  assertEquals(secured.error, undefined);
  return answer;
}

Deno.test("The Deno runtime speaks TLS with PostgreSQL, by its own means and by node:tls", async () => {
  const { server: shown, ca } = certificates;
  const server = await PostgresServer.start({
    tls: { ...shown, ca: ca.cert },
    hba: ["hostssl all all samehost scram-sha-256"],
  });
  const { startTls } = Deno;
  Deno.startTls = (conn, options) => startTls(conn, { ...options, caCerts: [ca.cert] });
  try {
    const port = Number(new URL(server.url()).port);
    const address = { hostname: "localhost", port };
    for (
      const tls of [
        { verify: "full" },
        { verify: "full", ca: [ca.cert] },
        { verify: "none" },
        { verify: "full", ca: [ca.cert], ...certificates.client },
      ] as const
    ) {
      const plain = runtime.connect(address, { secureTransport: "starttls", tls });
      assertEquals(await greet(plain, server.user), "R");
      const alpn = ["postgresql"];
      const direct = runtime.connect(address, { secureTransport: "on", tls: { ...tls, alpn } });
      const recorder = record(direct);
      await direct.opened;
      assertEquals(direct.secure, true);
      await direct.close();
      assertEquals(recorder.error, undefined);
    }
  } finally {
    Deno.startTls = startTls;
    await server[Symbol.asyncDispose]();
  }
});
