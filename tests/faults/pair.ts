/**
 * A proxy with a client before it and a server behind it whose every step a test takes itself.
 *
 * @module
 */

import { connect } from "node:net";
import { message, welcome } from "../driver/postgres/messages.ts";
import { Peer, TestServer } from "../runtime/test_server.ts";
import { FaultProxy } from "./fault_proxy.ts";
import { ofType } from "./wire_message.ts";

/** First message of a client: protocol 3.0, no parameters. */
export const STARTUP: Uint8Array = message("", 196608, Uint8Array.of(0));

/**
 * Connects as the plainest client there is.
 *
 * @param port Where to, on 127.0.0.1.
 * @returns The client's end. Rejects with the socket's error.
 */
export async function dial(port: number): Promise<Peer> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve();
    });
  });
  return new Peer(socket);
}

/** The two ends of a connection through the proxy. */
export interface Ends {
  readonly client: Peer;
  readonly server: Peer;
}

/** A proxy between a client and a server of the test's own. */
export class Pair implements AsyncDisposable {
  /** The proxy. */
  readonly proxy: FaultProxy;
  readonly #server: TestServer;
  readonly #clients: Peer[] = [];

  private constructor(proxy: FaultProxy, server: TestServer) {
    this.proxy = proxy;
    this.#server = server;
  }

  /**
   * Makes it.
   *
   * @returns It, without any connection.
   */
  static async start(): Promise<Pair> {
    const server = await TestServer.listen();
    return new Pair(await FaultProxy.start(`postgres://u@127.0.0.1:${server.port}/d`), server);
  }

  /**
   * Opens a connection through the proxy.
   *
   * @returns Its ends; the start-up is over, and what was said in it is taken out.
   */
  async open(): Promise<Ends> {
    const client = await this.dial();
    await client.write(STARTUP);
    const server = await this.#server.accept();
    await server.take(STARTUP.length);
    await server.write(welcome(1000 + this.proxy.connections));
    await client.take(welcome().length);
    return { client, server };
  }

  /**
   * Opens a connection to the proxy, and says nothing.
   *
   * @returns The client's end.
   */
  async dial(): Promise<Peer> {
    const client = await dial(this.proxy.port);
    this.#clients.push(client);
    return client;
  }

  /**
   * Sends a statement, and waits until it came to the proxy.
   *
   * @param client The client's end.
   * @param text The statement.
   * @returns Its bytes.
   */
  async say(client: Peer, text: string): Promise<Uint8Array> {
    const bytes = message("Q", text);
    const came = this.proxy.next(ofType("client", "Q"));
    await client.write(bytes);
    await came;
    return bytes;
  }

  /** Ends all. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stream } of this.#clients) stream.destroy();
    await this.proxy[Symbol.asyncDispose]();
    await this.#server.close();
    await Promise.all(this.#clients.map(({ closed }) => closed));
  }
}
