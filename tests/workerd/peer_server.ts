/**
 * The process's part of {@linkcode RemotePeers}: it plays the other side of a worker's sockets as the worker says.
 *
 * @module
 */

import type { PeerServer, PeerStream, SilentServer } from "../../src/testing/mod.ts";
import { Limit } from "../../src/testing/limit.ts";
import { nodePeers } from "../runtime/node_peers.ts";
import {
  type Accepted,
  type Answer,
  type Listening,
  type PeerCall,
  PeerChannel,
  type Request,
} from "./peer_channel.ts";

/** How long it may take to end the peers of a line, in milliseconds; a bound for what should never happen. */
const END_MS = 5_000;

/** The peers of one line, by their numbers. */
class Line {
  /** Fulfilled when the worker has hung up and nothing is left of its peers. */
  readonly over: Promise<void>;
  readonly #channel: PeerChannel<Answer, Request>;
  readonly #servers: Map<number, PeerServer | SilentServer> = new Map();
  readonly #streams: Map<number, PeerStream> = new Map();
  #count = 0;

  constructor(socket: WebSocket) {
    this.#channel = new PeerChannel(socket, (request, bytes) => this.#answer(request, bytes));
    const { promise, resolve } = Promise.withResolvers<void>();
    // An error is followed by the end.
    socket.addEventListener("error", (event) => event.preventDefault());
    socket.addEventListener("close", () => resolve());
    this.over = promise.then(async () => {
      for (const server of this.#servers.values()) await server.close();
    });
  }

  async #answer({ id, call }: Request, bytes: Uint8Array | undefined): Promise<void> {
    try {
      if (call.name === "read") this.#channel.send({ id }, await this.#stream(call.stream).read());
      else this.#channel.send({ id, result: await this.#do(call, bytes) });
    } catch (error) {
      this.#channel.send({ id, error: error instanceof Error ? error.message : String(error) });
    }
  }

  /** Begins before it returns, so that calls are begun in the order in which they came. */
  async #do(call: PeerCall, bytes: Uint8Array = new Uint8Array(0)): Promise<unknown> {
    switch (call.name) {
      case "listen":
        return this.#listening(await nodePeers.listen(call.kind));
      case "listenSilently":
        if (nodePeers.listenSilently === undefined) throw new Error("No silence to be had");
        return this.#listening(await nodePeers.listenSilently());
      case "accept":
        return this.#accepted(await this.#server(call.server).accept());
      case "countConnections":
        return await this.#server(call.server).countConnections();
      case "close":
        return await this.#closed(call.server);
      case "write":
        return await this.#stream(call.stream).write(bytes);
      case "startTls": {
        const { stream, ...shown } = await this.#stream(call.stream).startTls(call.options);
        return { ...shown, ...this.#accepted(stream) };
      }
      default:
        return await this.#stream(call.stream)[call.name]();
    }
  }

  /** Does nothing the second time. */
  async #closed(number: number): Promise<void> {
    const server = this.#servers.get(number);
    this.#servers.delete(number);
    await server?.close();
  }

  #listening(server: PeerServer | SilentServer): Listening {
    this.#servers.set(++this.#count, server);
    return { server: this.#count, address: server.address };
  }

  #accepted(stream: PeerStream): Accepted {
    this.#streams.set(++this.#count, stream);
    return { stream: this.#count };
  }

  #server(number: number): PeerServer {
    const server = this.#servers.get(number);
    if (server === undefined || !("accept" in server)) throw new Error(`No server ${number}`);
    return server;
  }

  #stream(number: number): PeerStream {
    const stream = this.#streams.get(number);
    if (stream === undefined) throw new Error(`No stream ${number}`);
    return stream;
  }
}

/** Listens for workers that want peers. */
export class PeerLines implements AsyncDisposable {
  /** Where. */
  readonly url: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #lines: Line[] = [];

  constructor() {
    const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
    this.#server = Deno.serve(options, (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      this.#lines.push(new Line(socket));
      return response;
    });
    this.url = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /**
   * Waits until all workers have hung up.
   *
   * @returns Fulfilled when nothing is left of their peers.
   */
  async over(): Promise<void> {
    const over = Promise.all(this.#lines.splice(0).map((line) => line.over));
    await new Limit(END_MS).wait(over, "the worker hangs up, and its peers end");
  }

  /** Stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
