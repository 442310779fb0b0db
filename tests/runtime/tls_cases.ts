/**
 * TLS: what is verified, what is sent, and the change to it in mid-stream.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { createPrivateKey } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as nodeTls from "node:tls";
import { connect, createSecureContext, getCACertificates, type TLSSocketOptions } from "node:tls";
import type { Socket, TlsOptions } from "../../src/core/runtime.ts";
import { makeCertificates } from "../support/certificates.ts";
import { bytesOf, record, turns } from "./recorder.ts";
import type { SocketCase, SocketCaseContext } from "./socket_case.ts";
import { handshake, type Peer, type TestServer, withServer } from "./test_server.ts";

const MIB = 1024 * 1024;

/** `tls.setDefaultCACertificates`, which the types do not know yet. */
const setDefaultAuthorities: (authorities: readonly string[]) => void = Reflect.get(
  nodeTls,
  "setDefaultCACertificates",
);

/** What of a server is verified, and what is right with its certificate. */
const TRUST: readonly (readonly [
  verify: TlsOptions["verify"],
  certificate: "right" | "wrong host" | "unknown authority",
  accepted: boolean,
])[] = [
  ["none", "right", true],
  ["none", "wrong host", true],
  ["none", "unknown authority", true],
  ["ca", "right", true],
  ["ca", "wrong host", true],
  ["ca", "unknown authority", false],
  ["full", "right", true],
  ["full", "wrong host", false],
  ["full", "unknown authority", false],
];

/**
 * Cases of TLS.
 *
 * @param context What to check.
 * @returns The cases.
 */
export function tlsCases({ runtime, certificates, trusts }: SocketCaseContext): SocketCase[] {
  const { server: right, wrongHost, ca, strangeCa, client } = certificates;
  // For the right host, by an authority of the same name with another key.
  const { server: stranger } = makeCertificates("nobody");
  const authorities = trusts === "built-in" ? undefined : [ca.cert];
  const trusted: TlsOptions = { verify: "full", ca: authorities };

  /** Answers a request for TLS as PostgreSQL does, then does the handshake. */
  async function upgrade(server: TestServer, options: TLSSocketOptions) {
    const stream = await server.acceptStream();
    const request = await new Promise<Buffer>((resolve) => stream.once("data", resolve));
    assertEquals(request.toString(), "TLS?");
    stream.pause();
    stream.write("S");
    return await handshake(stream, options);
  }

  /** Opens, asks for TLS, and gets it. */
  async function startTls(plain: Socket): Promise<Socket> {
    const recorder = record(plain);
    recorder.onData = () => plain.pause();
    await plain.opened;
    assertEquals(plain.secure, false);
    plain.write(bytesOf("TLS?"));
    assertEquals(await recorder.take(1), "S");
    await turns();
    const socket = plain.startTls();
    await plain.closed;
    assertEquals(recorder.events, ["data"]);
    return socket;
  }

  /** Connects with TLS in one of the two ways. */
  async function secured(
    server: TestServer,
    way: "on" | "starttls",
    tls: TlsOptions,
    signal?: AbortSignal,
  ): Promise<Socket> {
    const address = { hostname: "localhost", port: server.port };
    const socket = runtime.connect(address, { secureTransport: way, tls, signal });
    return way === "on" ? socket : await startTls(socket);
  }

  /** Accepts with TLS in one of the two ways. */
  async function accepted(
    server: TestServer,
    way: "on" | "starttls",
    options: TLSSocketOptions = right,
  ): ReturnType<TestServer["acceptTls"]> {
    return await (way === "on" ? server.acceptTls(options) : upgrade(server, options));
  }

  async function converse(socket: Socket, peer: Peer): Promise<void> {
    assertEquals(socket.secure, true);
    const recorder = record(socket);
    socket.write(bytesOf("hello"));
    assertEquals((await peer.take(5)).toString(), "hello");
    peer.write("good day");
    assertEquals(await recorder.take(8), "good day");
  }

  const cases: SocketCase[] = [];
  for (const way of ["on", "starttls"] as const) {
    const how = way === "on" ? "TLS from the first byte" : "TLS after startTls()";
    for (const [verify, certificate, accept] of TRUST) {
      if (trusts === "built-in" && verify === "none") continue;
      cases.push({
        name: `with ${how} and verify "${verify}" ${
          accept ? "accepts" : "refuses"
        } a certificate with ${certificate}`,
        fn: () =>
          withServer(async (server) => {
            const shown = certificate === "wrong host"
              ? wrongHost
              : certificate === "right"
              ? right
              : stranger;
            const serving = accepted(server, way, shown);
            serving.catch(() => {});
            const socket = await secured(server, way, { verify, ca: authorities });
            if (accept) {
              await socket.opened;
              await converse(socket, (await serving).peer);
              socket.destroy();
            } else {
              const recorder = record(socket);
              await assertRejects(() => socket.opened, Error);
              await recorder.closed;
              assertInstanceOf(recorder.error, Error);
              assertEquals(recorder.events, ["close"]);
              assertEquals(socket.secure, false);
            }
            await socket.closed;
          }),
      });
    }
    cases.push(
      {
        name: `with ${how} carries much both ways and closes in order`,
        fn: () =>
          withServer(async (server) => {
            const serving = accepted(server, way);
            const socket = await secured(server, way, trusted);
            await socket.opened;
            const { peer } = await serving;
            const recorder = record(socket);
            const sent = Buffer.alloc(4 * MIB, "out");
            socket.write(sent.subarray(0, 1));
            socket.write(sent.subarray(1, MIB));
            socket.write(sent.subarray(MIB));
            assert((await peer.take(sent.byteLength)).equals(sent));
            const back = Buffer.alloc(4 * MIB, "in");
            peer.write(back);
            await recorder.until(() => recorder.size === back.byteLength);
            assert(recorder.bytes.equals(back));
            socket.write(bytesOf("farewell"));
            const closed = socket.close();
            assertEquals((await peer.rest()).toString(), "farewell");
            peer.stream.end();
            await closed;
            assertEquals(recorder.error, undefined);
            assertEquals(recorder.events.filter((event) => event === "close").length, 1);
          }),
      },
      {
        name: `with ${how} ends when the peer ends`,
        fn: () =>
          withServer(async (server) => {
            const serving = accepted(server, way);
            const socket = await secured(server, way, trusted);
            await socket.opened;
            const { peer } = await serving;
            const recorder = record(socket);
            peer.stream.end("last words");
            await socket.closed;
            assertEquals(recorder.bytes.toString(), "last words");
            assertEquals(recorder.events, ["data", "close"]);
            assertEquals(recorder.error, undefined);
          }),
      },
      {
        name: `with ${how} is stopped in the handshake when the signal fires`,
        fn: () =>
          withServer(async (server) => {
            const controller = new AbortController();
            const { signal } = controller;
            const stream = server.acceptStream().then(async (stream) => {
              if (way === "starttls") {
                await new Promise((resolve) => stream.once("data", resolve));
                stream.write("S");
              }
              return stream;
            });
            const socket = await secured(server, way, trusted, signal);
            const recorder = record(socket);
            // The ClientHello has come, and is never answered.
            await new Promise<void>((resolve) =>
              stream.then((s) => s.once("data", () => resolve()))
            );
            await turns();
            controller.abort(new Error("enough"));
            assertEquals(await socket.opened.catch((error: unknown) => error), signal.reason);
            await socket.closed;
            assertEquals(recorder.events, ["close"]);
            assertEquals(recorder.error, signal.reason);
          }),
      },
      {
        name: `with ${how} rejects \`opened\` when the peer hangs up in the handshake`,
        fn: () =>
          withServer(async (server) => {
            const stream = server.acceptStream().then(async (stream) => {
              if (way === "starttls") {
                await new Promise((resolve) => stream.once("data", resolve));
                stream.write("S");
              }
              stream.once("data", () => stream.end());
              return stream;
            });
            const socket = await secured(server, way, trusted);
            await assertRejects(() => socket.opened, Error);
            await socket.closed;
            (await stream).destroy();
          }),
      },
      {
        name: `with ${how} fails when the peer does not speak it`,
        fn: () =>
          withServer(async (server) => {
            const stream = server.acceptStream().then(async (stream) => {
              if (way === "starttls") {
                await new Promise((resolve) => stream.once("data", resolve));
                stream.write("S");
              }
              // Behind the answer, and in the clear: somebody in between put it there.
              stream.once("data", () => stream.write("injected by somebody in between"));
              return stream;
            });
            const socket = await secured(server, way, { ...trusted });
            const recorder = record(socket);
            await assertRejects(() => socket.opened, Error);
            await socket.closed;
            assertEquals(recorder.size, 0);
            (await stream).destroy();
          }),
      },
      {
        name: `with ${how} announces the application protocol and the server's name`,
        fn: () =>
          withServer(async (server) => {
            let name: string | undefined;
            const serving = accepted(server, way, {
              ...right,
              ALPNProtocols: ["other", "postgresql"],
              SNICallback: (servername, done) => {
                name = servername;
                done(null, createSecureContext(right));
              },
            });
            const socket = await secured(server, way, {
              ...trusted,
              alpn: ["postgresql"],
            });
            await socket.opened;
            const { tls } = await serving;
            assertEquals(tls.alpnProtocol, "postgresql");
            assertEquals(name, "localhost");
            socket.destroy();
            await socket.closed;
          }),
      },
    );
  }

  cases.push(
    {
      name: "verifies the address when the server has no name, and announces none",
      fn: () =>
        withServer(async (server) => {
          let name: string | undefined;
          const serving = server.acceptTls({
            ...right,
            SNICallback: (servername, done) => {
              name = servername;
              done(null, createSecureContext(right));
            },
          });
          const options = { secureTransport: "on", tls: trusted } as const;
          const socket = runtime.connect({ hostname: "127.0.0.1", port: server.port }, options);
          await socket.opened;
          await converse(socket, (await serving).peer);
          assert(!name, name);
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "verifies tls.serverName instead of the host name, where given",
      fn: async () => {
        const there = { hostname: "localhost" };
        for (
          const [serverName, shown, accept] of [
            ["elsewhere.test", wrongHost, true],
            ["localhost", wrongHost, false],
            ["elsewhere.test", right, false],
            ["127.0.0.1", right, true],
            ["127.0.0.2", right, false],
          ] as const
        ) {
          await withServer(async (server) => {
            const serving = server.acceptTls(shown);
            serving.catch(() => {});
            const socket = runtime.connect({ ...there, port: server.port }, {
              secureTransport: "on",
              tls: { ...trusted, serverName },
            });
            if (accept) {
              await socket.opened;
              await converse(socket, (await serving).peer);
              socket.destroy();
            } else await assertRejects(() => socket.opened, Error, undefined, serverName);
            await socket.closed;
          });
        }
      },
    },
    {
      name: "changes to TLS from within the data handler",
      fn: () =>
        withServer(async (server) => {
          const serving = upgrade(server, right);
          const tls: TlsOptions = { ...trusted, serverName: "localhost" };
          const plain = runtime.connect(server.address, { secureTransport: "starttls", tls });
          const recorder = record(plain);
          const changed = new Promise<Socket>((resolve) => {
            recorder.onData = () => resolve(plain.startTls());
          });
          await plain.opened;
          plain.write(bytesOf("TLS?"));
          const socket = await changed;
          await socket.opened;
          const { peer } = await serving;
          await converse(socket, peer);
          // The plain socket is dead: nothing that is done with it has an effect on the secured one.
          assertEquals(plain.write(bytesOf("in the clear")), true);
          plain.pause();
          plain.resume();
          plain.unref();
          plain.destroy();
          await plain.close();
          await turns();
          await converse(socket, peer);
          assertEquals(recorder.events, ["data"]);
          socket.destroy();
          await socket.closed;
          assertEquals(recorder.events, ["data"]);
        }),
    },
    {
      name: "stays plain when startTls() is never called",
      fn: () =>
        withServer(async (server) => {
          const options = { secureTransport: "starttls", tls: trusted } as const;
          const socket = runtime.connect(server.address, options);
          const recorder = record(socket);
          await socket.opened;
          const peer = await server.accept();
          socket.write(bytesOf("TLS?"));
          await peer.take(4);
          peer.write("N");
          assertEquals(await recorder.take(1), "N");
          socket.write(bytesOf("hello"));
          assertEquals((await peer.take(5)).toString(), "hello");
          assertEquals(socket.secure, false);
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "throws a TypeError from startTls() where it cannot be called",
      fn: () =>
        withServer(async (server) => {
          const off = runtime.connect(server.address);
          const early = runtime.connect(server.address, {
            secureTransport: "starttls",
            tls: trusted,
          });
          assertThrows(() => early.startTls(), TypeError);
          await Promise.all([off.opened, early.opened]);
          assertThrows(() => off.startTls(), TypeError);
          early.write(Buffer.alloc(32 * MIB));
          assertThrows(() => early.startTls(), TypeError);
          // Neither is harmed by the attempt.
          const recorder = record(off);
          const peer = await server.accept();
          peer.write("x");
          off.write(bytesOf("y"));
          assertEquals(await recorder.take(1), "x");
          assertEquals((await peer.take(1)).toString(), "y");
          for (const socket of [off, early]) {
            socket.destroy();
            await socket.closed;
          }
        }),
    },
    {
      name: "rejects `opened` of startTls() on a socket that has ended",
      fn: () =>
        withServer(async (server) => {
          const plain = runtime.connect(server.address, {
            secureTransport: "starttls",
            tls: trusted,
          });
          const recorder = record(plain);
          await plain.opened;
          (await server.accept()).stream.end();
          await recorder.closed;
          const socket = plain.startTls();
          const late = record(socket);
          await assertRejects(() => socket.opened, Error);
          await socket.closed;
          assertEquals(late.events, ["close"]);
          assertEquals(recorder.events, ["close"]);
        }),
    },
  );
  if (trusts === "built-in") return cases;

  cases.push(
    {
      name: "shows its certificate to a server that asks for it",
      fn: async () => {
        const passphrase = "a secret";
        const locked = createPrivateKey(client.key)
          .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }).toString();
        const identities: Partial<TlsOptions>[] = [client, {
          cert: client.cert,
          key: locked,
          passphrase,
        }];
        for (const way of ["on", "starttls"] as const) {
          for (const identity of identities) {
            await withServer(async (server) => {
              const serving = accepted(server, way, {
                ...right,
                ca: [ca.cert],
                requestCert: true,
                rejectUnauthorized: true,
              });
              const socket = await secured(server, way, { ...trusted, ...identity });
              await socket.opened;
              const { tls, peer } = await serving;
              await converse(socket, peer);
              assertEquals(tls.getPeerCertificate().subject?.CN, "steady");
              socket.destroy();
              await socket.closed;
            });
          }
        }
      },
    },
    {
      name: "rejects `opened` when its certificate or key cannot be read",
      fn: async () => {
        const unreadable: Partial<TlsOptions>[] = [
          { cert: "not a certificate", key: "not a key" },
          { cert: client.cert, key: ca.key },
        ];
        for (const way of ["on", "starttls"] as const) {
          for (const identity of unreadable) {
            await withServer(async (server) => {
              const serving = accepted(server, way);
              serving.catch(() => {});
              const socket = await secured(server, way, { ...trusted, ...identity });
              const recorder = record(socket);
              await assertRejects(() => socket.opened, Error);
              await socket.closed;
              assertEquals(recorder.events, ["close"]);
            });
          }
        }
      },
    },
    {
      name: "trusts none but the authorities it is given, not even those it trusts by itself",
      fn: async () => {
        const usual = getCACertificates("default");
        setDefaultAuthorities([ca.cert]);
        try {
          await withServer(async (server) => {
            const { port } = server;
            const bystander = server.acceptTls(right);
            const client = connect({ host: "127.0.0.1", port, servername: "localhost" });
            await new Promise<void>((resolve, reject) => {
              client.once("secureConnect", resolve);
              client.once("error", reject);
            });
            await bystander;
            client.destroy();

            server.acceptTls(right).catch(() => {});
            const socket = runtime.connect({ hostname: "localhost", port }, {
              secureTransport: "on",
              tls: { verify: "full", ca: [strangeCa.cert] },
            });
            await assertRejects(() => socket.opened, Error);
            await socket.closed;
          });
        } finally {
          setDefaultAuthorities(usual);
        }
      },
    },
    {
      name: "does TLS over a Unix socket",
      fn: async () => {
        const path = join(tmpdir(), `steady_${crypto.randomUUID()}.sock`);
        await withServer(async (server) => {
          const serving = server.acceptTls(right);
          const tls: TlsOptions = { ...trusted, serverName: "localhost" };
          const socket = runtime.connect({ path }, { secureTransport: "on", tls });
          await socket.opened;
          await converse(socket, (await serving).peer);
          socket.destroy();
          await socket.closed;
        }, path);
        rmSync(path, { force: true });
        const unnamed = { secureTransport: "on", tls: trusted } as const;
        assertThrows(() => runtime.connect({ path }, unnamed), TypeError);
      },
    },
  );
  return cases;
}
