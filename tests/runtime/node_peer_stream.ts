/**
 * The peer's end of a connection, for the conformance kit, over `node:net` and `node:tls`.
 *
 * @module
 */

import type { Socket as NetSocket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import type { PeerStream, PeerTlsOptions, SecuredPeer } from "../../src/testing/mod.ts";

/** A stream that is read only when asked to. */
export class NodePeerStream implements PeerStream {
  readonly #stream: NetSocket;
  /** What came before anybody asked for it. */
  readonly #chunks: Uint8Array[] = [];
  #listening = false;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /** @param stream The stream; nothing was read from it so far. */
  constructor(stream: NetSocket) {
    this.#stream = stream;
    stream.on("error", (error) => this.#error ??= error);
    stream.on("close", this.#look);
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) return chunk;
      if (this.#ended) return undefined;
      if (this.#stream.destroyed) throw this.#error ?? new Error("The connection is gone");
      const changed = new Promise<void>((resolve) => this.#wake = resolve);
      this.#flow();
      await changed;
      this.#stream.pause();
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#done((done) => this.#stream.write(bytes, done));
  }

  end(): Promise<void> {
    return this.#done((done) => this.#stream.end(done));
  }

  reset(): Promise<void> {
    return this.#done(() => this.#stream.resetAndDestroy());
  }

  destroy(): Promise<void> {
    return this.#done(() => this.#stream.destroy());
  }

  async startTls({ cert, key, alpn, clientAuthorities }: PeerTlsOptions): Promise<SecuredPeer> {
    const stream = this.#stream;
    stream.off("data", this.#arrived);
    stream.off("end", this.#end);
    let serverName: string | undefined;
    const context = createSecureContext({ cert, key, ca: clientAuthorities?.slice() });
    const tls = new TLSSocket(stream, {
      isServer: true,
      cert,
      key,
      secureContext: context,
      ca: clientAuthorities?.slice(),
      ALPNProtocols: alpn?.slice(),
      requestCert: clientAuthorities !== undefined,
      rejectUnauthorized: clientAuthorities !== undefined,
      SNICallback: (name, done) => {
        serverName = name;
        done(null, context);
      },
    });
    await new Promise<void>((resolve, reject) => {
      tls.once("secure", resolve);
      tls.once("error", reject);
      tls.once("close", () => reject(new Error("closed during the handshake")));
    });
    const name: unknown = clientAuthorities && tls.getPeerCertificate().subject?.CN;
    return {
      stream: new NodePeerStream(tls),
      serverName: serverName || undefined,
      alpn: tls.alpnProtocol || undefined,
      clientName: typeof name === "string" ? name : undefined,
    };
  }

  /** Does something that is over when it says so, or when the stream is gone. */
  #done(start: (done: () => void) => void): Promise<void> {
    const stream = this.#stream;
    if (stream.destroyed && stream.closed) return Promise.resolve();
    return new Promise((resolve) => {
      stream.once("close", resolve);
      start(() => {
        stream.off("close", resolve);
        resolve();
      });
    });
  }

  #flow(): void {
    if (this.#listening) {
      this.#stream.resume();
      return;
    }
    this.#listening = true;
    this.#stream.on("end", this.#end);
    this.#stream.on("data", this.#arrived);
    // An end without bytes before it comes at once, heard or not.
    if (this.#stream.readableEnded) this.#end();
  }

  readonly #arrived = (chunk: Uint8Array): void => {
    this.#chunks.push(chunk);
    this.#look();
  };

  readonly #end = (): void => {
    this.#ended = true;
    this.#look();
  };

  readonly #look = (): void => {
    this.#wake?.();
  };
}
