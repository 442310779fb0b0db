/**
 * The other side of a worker's sockets, played by the process at the end of a line: workerd has no sockets that listen.
 *
 * @module
 */

import type {
  PeerAddressKind,
  PeerServer,
  PeerStream,
  PeerTlsOptions,
  SecuredPeer,
  SilentServer,
  SocketAddress,
  TestPeers,
} from "../../src/testing/mod.ts";
import {
  type Answer,
  type Listening,
  type PeerCall,
  PeerChannel,
  type PeerResults,
  type Request,
} from "./peer_channel.ts";

/** How long a call may take, in milliseconds; longer than the kit waits, whose messages say more. */
const CALL_MS = 12_000;

/** What workerd's `fetch` gives beside the standard: the line, if the server agreed to it. */
interface UpgradeResponse extends Response {
  readonly webSocket?: (WebSocket & { accept(): void }) | null;
}

/** A call that is under way. */
interface Pending {
  settle(answer: Answer, bytes: Uint8Array | undefined): void;
}

/** A line to the process that plays the peers; it belongs to one request, as all I/O does. */
class Line {
  readonly #socket: WebSocket;
  readonly #channel: PeerChannel<Request, Answer>;
  readonly #pending: Map<number, Pending> = new Map();
  #calls = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.#channel = new PeerChannel(socket, (answer, bytes) => {
      const pending = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      pending?.settle(answer, bytes);
    });
    for (const event of ["close", "error"] as const) {
      socket.addEventListener(event, () => this.#lost());
    }
  }

  /** Makes a call; it is on its way when this returns. */
  async call<N extends keyof PeerResults>(
    call: Extract<PeerCall, { readonly name: N }> | PeerCall & { readonly name: N },
    bytes?: Uint8Array,
  ): Promise<PeerResults[N]> {
    const [result] = await this.#call(call, bytes);
    return result as PeerResults[N];
  }

  /** Makes a call whose answer is bytes. */
  async read(stream: number): Promise<Uint8Array | undefined> {
    const [, bytes] = await this.#call({ name: "read", stream });
    return bytes;
  }

  #call(
    call: PeerCall,
    bytes?: Uint8Array,
  ): Promise<readonly [result: unknown, bytes: Uint8Array | undefined]> {
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new Error(`The peers did not answer to ${call.name} within ${CALL_MS} ms`));
      }, CALL_MS);
      this.#pending.set(id, {
        settle({ result, error }, body) {
          clearTimeout(timer);
          if (error === undefined) resolve([result, body]);
          else reject(new Error(error));
        },
      });
      this.#channel.send({ id, call }, bytes);
    });
  }

  #lost(): void {
    for (const [id, pending] of this.#pending) {
      pending.settle({ id, error: "The line to the peers is gone" }, undefined);
    }
    this.#pending.clear();
  }

  close(): void {
    this.#lost();
    this.#socket.close();
  }
}

class RemotePeerStream implements PeerStream {
  readonly #line: Line;
  readonly #stream: number;

  constructor(line: Line, stream: number) {
    this.#line = line;
    this.#stream = stream;
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#line.read(this.#stream);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#do("write", bytes);
  }

  end(): Promise<void> {
    return this.#do("end");
  }

  reset(): Promise<void> {
    return this.#do("reset");
  }

  destroy(): Promise<void> {
    return this.#do("destroy");
  }

  async startTls(options: PeerTlsOptions): Promise<SecuredPeer> {
    const call = { name: "startTls", stream: this.#stream, options } as const;
    const { stream, ...shown } = await this.#line.call<"startTls">(call);
    return { ...shown, stream: new RemotePeerStream(this.#line, stream) };
  }

  /** None of these is rejected for want of a connection; the line may be lost unseen. */
  async #do(name: "write" | "end" | "reset" | "destroy", bytes?: Uint8Array): Promise<void> {
    await this.#line.call({ name, stream: this.#stream }, bytes).catch(() => {});
  }
}

class RemotePeerServer implements PeerServer {
  readonly address: SocketAddress;
  readonly #line: Line;
  readonly #server: number;

  constructor(line: Line, { server, address }: Listening) {
    this.#line = line;
    this.#server = server;
    this.address = address;
  }

  async accept(): Promise<PeerStream> {
    const { stream } = await this.#line.call<"accept">({ name: "accept", server: this.#server });
    return new RemotePeerStream(this.#line, stream);
  }

  countConnections(): Promise<number> {
    const call = { name: "countConnections", server: this.#server } as const;
    return this.#line.call<"countConnections">(call);
  }

  close(): Promise<void> {
    return this.#line.call<"close">({ name: "close", server: this.#server });
  }
}

/** The peers of one request. */
export class RemotePeers implements TestPeers, Disposable {
  readonly kinds: readonly PeerAddressKind[];
  readonly #line: Line;

  private constructor(line: Line, kinds: readonly PeerAddressKind[]) {
    this.#line = line;
    this.kinds = kinds;
  }

  /**
   * Opens a line to the process that plays the peers.
   *
   * @param url Where it listens.
   * @param kinds On what it can.
   * @returns The peers; disposing hangs up.
   */
  static async connect(url: string, kinds: readonly PeerAddressKind[]): Promise<RemotePeers> {
    const response: UpgradeResponse = await fetch(url, { headers: { Upgrade: "websocket" } });
    const { webSocket } = response;
    if (!webSocket) throw new Error(`No line to the peers: ${response.status}`);
    webSocket.accept();
    return new RemotePeers(new Line(webSocket), kinds);
  }

  async listen(kind: PeerAddressKind): Promise<PeerServer> {
    return new RemotePeerServer(
      this.#line,
      await this.#line.call<"listen">({ name: "listen", kind }),
    );
  }

  async listenSilently(): Promise<SilentServer> {
    const listening = await this.#line.call<"listenSilently">({ name: "listenSilently" });
    return new RemotePeerServer(this.#line, listening);
  }

  [Symbol.dispose](): void {
    this.#line.close();
  }
}
