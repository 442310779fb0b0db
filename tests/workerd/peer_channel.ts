/**
 * Messages between a worker and the process that plays the other side of its sockets: JSON, with bytes behind it if need
 * be, over a WebSocket. So they come in the order in which they were sent, which is what the peers' calls need.
 *
 * @module
 */

import type {
  PeerAddressKind,
  PeerTlsOptions,
  SecuredPeer,
  SocketAddress,
} from "../../src/testing/mod.ts";

/** Most bytes of one message of a WebSocket: workerd takes 1 MiB. */
const MOST_BYTES = 512 * 1024;

/** What a worker may ask for; servers and streams are named by their number. */
export type PeerCall =
  | { readonly name: "listen"; readonly kind: PeerAddressKind }
  | { readonly name: "listenSilently" }
  | { readonly name: "accept" | "countConnections" | "close"; readonly server: number }
  | { readonly name: "read" | "write" | "end" | "reset" | "destroy"; readonly stream: number }
  | { readonly name: "startTls"; readonly stream: number; readonly options: PeerTlsOptions };

/** A server that was started. */
export interface Listening {
  readonly server: number;
  readonly address: SocketAddress;
}

/** A connection that came. */
export interface Accepted {
  readonly stream: number;
}

/** A connection that was secured. */
export type Secured = Accepted & Omit<SecuredPeer, "stream">;

/** What comes of each call. Bytes that were read follow their answer; none do at the end. */
export interface PeerResults {
  readonly listen: Listening;
  readonly listenSilently: Listening;
  readonly accept: Accepted;
  readonly countConnections: number;
  readonly close: void;
  readonly read: void;
  readonly write: void;
  readonly end: void;
  readonly reset: void;
  readonly destroy: void;
  readonly startTls: Secured;
}

/** One call. */
export interface Request {
  /** Tells its answer from others. */
  readonly id: number;
  readonly call: PeerCall;
}

/** What came of one call. */
export interface Answer {
  /** Of the call. */
  readonly id: number;
  readonly result?: unknown;
  /** Why it was rejected, if it was. */
  readonly error?: string;
}

/** A message, and how many bytes follow it. */
interface Envelope<M> {
  readonly message: M;
  readonly size?: number;
}

/** One end of the line. */
export class PeerChannel<Out, In> {
  readonly #socket: WebSocket;
  readonly #receive: (message: In, bytes: Uint8Array | undefined) => void;
  #envelope: Envelope<In> | undefined;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #got = 0;

  /**
   * @param socket The line.
   * @param receive Called with each message, and the bytes behind it if there are any.
   */
  constructor(socket: WebSocket, receive: (message: In, bytes: Uint8Array | undefined) => void) {
    this.#socket = socket;
    this.#receive = receive;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#take(data));
  }

  /**
   * Sends, unless the line is gone.
   *
   * @param message What.
   * @param bytes What goes with it; the other side is told if there are none.
   */
  send(message: Out, bytes?: Uint8Array): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const envelope: Envelope<Out> = { message, size: bytes?.byteLength };
    this.#socket.send(JSON.stringify(envelope));
    for (let at = 0; bytes !== undefined && at < bytes.byteLength; at += MOST_BYTES) {
      this.#socket.send(bytes.slice(at, at + MOST_BYTES));
    }
  }

  #take(data: string | ArrayBuffer): void {
    if (typeof data === "string") {
      const envelope: Envelope<In> = JSON.parse(data);
      this.#envelope = envelope;
      this.#bytes = new Uint8Array(envelope.size ?? 0);
      this.#got = 0;
    } else {
      this.#bytes.set(new Uint8Array(data), this.#got);
      this.#got += data.byteLength;
    }
    if (this.#envelope === undefined || this.#got < this.#bytes.byteLength) return;
    const { message, size } = this.#envelope;
    this.#envelope = undefined;
    this.#receive(message, size === undefined ? undefined : this.#bytes);
  }
}
