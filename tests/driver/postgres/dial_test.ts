import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createServer } from "node:net";
import type { Socket } from "../../../src/core/runtime.ts";
import { dial, type Endpoint } from "../../../src/driver/postgres/dial.ts";
import { tlsPolicy } from "../../../src/driver/postgres/tls.ts";
import { runtime } from "../../support/entry.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { handshake, type TestServer, withServer } from "../../runtime/test_server.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "../../support/harness.ts";

const certificates = makeCertificates("steady");
const SSL_REQUEST = [0, 0, 0, 8, 4, 210, 22, 47];
const reason = new Error("the signal's own reason");

function endpoint({ port }: TestServer, ssl: unknown, negotiation?: string): Endpoint {
  return {
    address: { hostname: "127.0.0.1", port },
    tls: tlsPolicy(ssl, negotiation, "127.0.0.1"),
    keepAliveMs: 0,
  };
}

/** What the server hears from the socket. */
async function said(socket: Socket, server: { take(count: number): Promise<Uint8Array> }) {
  socket.receive({ data() {}, drain() {}, close() {} });
  socket.write(new TextEncoder().encode("hello"));
  return new TextDecoder().decode(await server.take(5));
}

test("dial() asks for no TLS where none is wanted", () =>
  withServer(async (server) => {
    const socket = await dial(runtime, endpoint(server, false), undefined);
    const peer = await server.accept();
    assertEquals([await said(socket, peer), socket.secure], ["hello", false]);
    socket.destroy();
  }));

test("dial() goes on without TLS when it is optional and the server says no", () =>
  withServer(async (server) => {
    for (const mode of ["prefer", "allow"]) {
      const dialling = dial(runtime, endpoint(server, mode), undefined);
      const peer = await server.accept();
      assertEquals([...await peer.take(8)], SSL_REQUEST);
      await peer.write("N");
      const socket = await dialling;
      assertEquals([await said(socket, peer), socket.secure], ["hello", false]);
      // It hears, too: it had stopped reading for the handshake that did not come.
      const heard = new Promise<Uint8Array>((resolve) =>
        socket.receive({ data: resolve, drain() {}, close() {} })
      );
      await peer.write("you");
      assertEquals(new TextDecoder().decode(await heard), "you");
      socket.destroy();
    }
  }));

test("dial() secures the connection when the server says yes", () =>
  withServer(async (server) => {
    for (const mode of ["prefer", "require", { ca: certificates.ca.cert }]) {
      const dialling = dial(runtime, endpoint(server, mode), undefined);
      const stream = await server.acceptStream();
      const request = await new Promise<Uint8Array>((resolve) => stream.once("data", resolve));
      assertEquals([...request], SSL_REQUEST);
      stream.pause();
      stream.write("S");
      const { peer } = await handshake(stream, certificates.server);
      const socket = await dialling;
      assertEquals([await said(socket, peer), socket.secure], ["hello", true]);
      socket.destroy();
    }
  }));

test("dial() does the handshake at once when TLS is direct", () =>
  withServer(async (server) => {
    const dialling = dial(
      runtime,
      endpoint(server, { ca: certificates.ca.cert }, "direct"),
      undefined,
    );
    const { peer, tls } = await server.acceptTls({
      ...certificates.server,
      ALPNProtocols: ["postgresql"],
    });
    const socket = await dialling;
    assertEquals([await said(socket, peer), socket.secure], ["hello", true]);
    assertEquals(tls.alpnProtocol, "postgresql");
    socket.destroy();
  }));

/** What a server may say to the request for TLS, and what comes of it. */
const ANSWERS: readonly (readonly [name: string, answer: string, text: string])[] = [
  ["no", "N", "the server does not offer TLS"],
  ["an error, as old servers do", "E", "the server's answer to the request for TLS makes no sense"],
  ["garbage", "?", "the server's answer to the request for TLS makes no sense"],
  ["yes, and more in the clear", "Smore", "the server sent more than its answer"],
  ["no, and more in the clear", "Nmore", "the server sent more than its answer"],
];

for (const [name, answer, text] of ANSWERS) {
  test(`dial() rejects, and hangs up, if the server's answer is ${name}`, () =>
    withServer(async (server) => {
      const dialling = dial(runtime, endpoint(server, "require"), undefined);
      const rejected = assertRejects(() => dialling, Error, text);
      const peer = await server.accept();
      await peer.take(8);
      await peer.write(answer);
      await rejected;
      await peer.closedOrEnded();
    }));
}

test("dial() rejects if the server hangs up instead of an answer", () =>
  withServer(async (server) => {
    const dialling = dial(runtime, endpoint(server, "prefer"), undefined);
    const rejected = assertRejects(() => dialling, Error);
    const peer = await server.accept();
    await peer.take(8);
    peer.stream.end();
    const { message } = await rejected;
    assert(message.includes("closed the connection instead of offering TLS"), message);
  }));

test("dial() rejects, and hangs up, if the handshake fails, even where TLS is optional", () =>
  withServer(async (server) => {
    for (const ssl of ["prefer", "verify-full", { ca: certificates.strangeCa.cert }]) {
      const dialling = dial(runtime, endpoint(server, ssl), undefined);
      const rejected = assertRejects(() => dialling);
      const stream = await server.acceptStream();
      await new Promise<Uint8Array>((resolve) => stream.once("data", resolve));
      stream.pause();
      stream.write("S");
      if (ssl === "prefer") stream.end("no handshake at all");
      // Whether the server's side ever hears of the end is the runtime's affair.
      else void handshake(stream, certificates.server).catch(() => {});
      await rejected;
    }
  }));

test("dial() rejects if nobody listens", async () => {
  const address = { hostname: "127.0.0.1", port: 1 };
  for (const tls of [undefined, tlsPolicy("require", undefined, "127.0.0.1")]) {
    await assertRejects(() => dial(runtime, { address, tls, keepAliveMs: 0 }, undefined));
  }
});

test("dial({ signal }) opens nothing if it is aborted", async () => {
  await withServer(async (server) => {
    const signal = AbortSignal.abort(reason);
    const error = await assertRejects(() => dial(runtime, endpoint(server, "require"), signal));
    assertStrictEquals(error, reason);
  });
});

test("dial({ signal }) gives up while it waits for the answer, and hangs up", () =>
  withServer(async (server) => {
    const abort = new AbortController();
    const dialling = dial(runtime, endpoint(server, "require"), abort.signal);
    const rejected = assertRejects(() => dialling);
    const peer = await server.accept();
    await peer.take(8);
    abort.abort(reason);
    assertStrictEquals(await rejected, reason);
    await peer.closedOrEnded();
  }));

test("dial({ signal }) gives up in the handshake", () =>
  withServer(async (server) => {
    for (const ssl of ["require", "verify-full"]) {
      const abort = new AbortController();
      const dialling = dial(runtime, endpoint(server, ssl), abort.signal);
      const rejected = assertRejects(() => dialling);
      const peer = await server.accept();
      await peer.take(8);
      await peer.write("S");
      // The client's first word of the handshake, which nobody answers.
      await peer.take(1);
      abort.abort(reason);
      assertStrictEquals(await rejected, reason);
      // Deno's own TLS, which verify-full is done by, lets go of the connection only when the server does.
      if (ssl === "require") await peer.closedOrEnded();
    }
  }));

test("dial({ signal }) gives up in a direct handshake, and hangs up", () =>
  withServer(async (server) => {
    const abort = new AbortController();
    const dialling = dial(runtime, endpoint(server, "require", "direct"), abort.signal);
    const rejected = assertRejects(() => dialling);
    const peer = await server.accept();
    await peer.take(1);
    abort.abort(reason);
    assertStrictEquals(await rejected, reason);
    await peer.closedOrEnded();
  }));

test("dial({ signal }) is done with its signal when it is over", () =>
  withServer(async (server) => {
    const abort = new AbortController();
    const socket = await dial(runtime, endpoint(server, false), abort.signal);
    const peer = await server.accept();
    abort.abort(reason);
    assertEquals(await said(socket, peer), "hello");
    socket.destroy();
  }));

test("dial() connects to a Unix socket", async () => {
  const directory = await mkdtemp(join(tmpdir(), "steady-"));
  const path = `${directory}/socket`;
  const server = createServer((stream) => stream.end("hello"));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    const socket = await dial(
      runtime,
      { address: { path }, tls: tlsPolicy("require", undefined, undefined), keepAliveMs: 0 },
      undefined,
    );
    const heard = new Promise<Uint8Array>((resolve) =>
      socket.receive({ data: resolve, drain() {}, close() {} })
    );
    assertEquals(new TextDecoder().decode(await heard), "hello");
    socket.destroy();
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await rm(directory, { recursive: true });
  }
});
