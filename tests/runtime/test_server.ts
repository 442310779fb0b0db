/**
 * Servers for tests of sockets, over `node:net` and `node:tls`, which every runtime but workerd has.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket as NetSocket } from "node:net";
import { TLSSocket, type TLSSocketOptions } from "node:tls";
import type { SocketAddress } from "../../src/core/runtime.ts";

/** The server's end of a connection. */
export class Peer {
  /** The stream itself. */
  readonly stream: NetSocket;
  /** What came and was not yet taken by {@linkcode Peer.take}. */
  received: Buffer = Buffer.alloc(0);
  /** Whether the other side said that it sends no more. */
  ended = false;
  /** What broke the stream. */
  error: Error | undefined;
  /** Fulfilled when the stream is gone. */
  readonly closed: Promise<void>;
  #awaited: (() => void) | undefined;

  /** @param stream The stream; it is read at once. */
  constructor(stream: NetSocket) {
    this.stream = stream;
    // An end without bytes before it comes at once, heard or not.
    this.ended = stream.readableEnded;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    stream.on("error", (error) => this.error = error);
    stream.on("data", (chunk: Uint8Array) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#awaited?.();
    });
    stream.on("end", () => {
      this.ended = true;
      this.#awaited?.();
    });
    stream.on("close", () => {
      this.#awaited?.();
      resolve();
    });
  }

  /** Waits for `count` bytes and takes them out. */
  async take(count: number): Promise<Buffer> {
    while (this.received.byteLength < count) {
      if (this.ended || this.stream.destroyed) {
        throw new Error(`${this.received.byteLength} of ${count} bytes came`);
      }
      await new Promise<void>((resolve) => this.#awaited = resolve);
    }
    const taken = this.received.subarray(0, count);
    this.received = this.received.subarray(count);
    return taken;
  }

  /** Reads until the other side says that it sends no more. */
  async rest(): Promise<Buffer> {
    while (!this.ended) {
      if (this.stream.destroyed) throw this.error ?? new Error("destroyed");
      await new Promise<void>((resolve) => this.#awaited = resolve);
    }
    return this.received;
  }

  /** Waits until the other side has hung up, in one way or another. */
  async closedOrEnded(): Promise<void> {
    while (!this.ended && !this.stream.destroyed) {
      await new Promise<void>((resolve) => this.#awaited = resolve);
    }
  }

  /** Writes; the promise is for who wants to wait until the system has it. */
  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve) => this.stream.write(bytes, () => resolve()));
  }
}

/** Where a server listens. */
export interface ListenOptions {
  /** Address of this machine; its port is a free one. */
  readonly host?: string;
  /** Path of a Unix domain socket instead. */
  readonly path?: string;
}

/** A listening server that hands out its connections one by one. */
export class TestServer {
  /** Where it listens. */
  readonly address: SocketAddress;
  /** All connections so far. */
  readonly peers: Peer[] = [];
  #server: Server;
  #waiting: ((stream: NetSocket) => void)[] = [];
  #accepted: NetSocket[] = [];
  #streams: NetSocket[] = [];

  private constructor(server: Server, address: SocketAddress) {
    this.#server = server;
    this.address = address;
    server.on("connection", (stream) => {
      stream.on("error", () => {});
      this.#streams.push(stream);
      const waiting = this.#waiting.shift();
      if (waiting) waiting(stream);
      else this.#accepted.push(stream);
    });
  }

  /**
   * Starts a server.
   *
   * @param where Address, or path of a Unix domain socket; a free port on 127.0.0.1 when not given.
   */
  static async listen({ host = "127.0.0.1", path }: ListenOptions = {}): Promise<TestServer> {
    // The other side's farewell must not be answered by ours unasked: the tests decide.
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      if (path === undefined) server.listen(0, host, resolve);
      else server.listen(path, resolve);
    });
    const bound = server.address();
    if (path !== undefined) return new TestServer(server, { path });
    if (bound === null || typeof bound === "string") throw new Error("No port");
    return new TestServer(server, { hostname: host, port: bound.port });
  }

  /** The port it listens on. */
  get port(): number {
    return "port" in this.address ? this.address.port : 0;
  }

  /** How many connections it has got. */
  get connections(): number {
    return this.#streams.length;
  }

  /** Next connection as it is: nothing is read from it. */
  acceptStream(): Promise<NetSocket> {
    const stream = this.#accepted.shift();
    if (stream) return Promise.resolve(stream);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Next connection. */
  async accept(): Promise<Peer> {
    const peer = new Peer(await this.acceptStream());
    this.peers.push(peer);
    return peer;
  }

  /** Next connection, after a TLS handshake. Rejects if that fails. */
  async acceptTls(options: TLSSocketOptions): Promise<{ peer: Peer; tls: TLSSocket }> {
    return await handshake(await this.acceptStream(), options);
  }

  /** Ends all and waits until it is gone. */
  async close(): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Does the server's part of a TLS handshake. */
export async function handshake(
  stream: NetSocket,
  options: TLSSocketOptions,
): Promise<{ peer: Peer; tls: TLSSocket }> {
  const tls = new TLSSocket(stream, { ...options, isServer: true });
  await new Promise<void>((resolve, reject) => {
    tls.once("secure", resolve);
    tls.once("error", reject);
    tls.once("close", () => reject(new Error("closed during the handshake")));
  });
  return { peer: new Peer(tls), tls };
}

/** Runs a test with a server of its own. */
export async function withServer(
  fn: (server: TestServer) => Promise<void>,
  path?: string,
): Promise<void> {
  const server = await TestServer.listen({ path });
  try {
    await fn(server);
  } finally {
    await server.close();
  }
}
