/**
 * The peer's end of a connection, with the waits that checks need.
 *
 * @module
 */

import { bytesOf, joinBytes, textOf } from "./byte_pattern.ts";
import { expect } from "./expect.ts";
import type { Wait } from "./limit.ts";
import type { PeerStream, PeerTlsOptions, SecuredPeer } from "./test_peers.ts";

/** A peer whose handshake is done. */
export interface SecuredEnd extends Omit<SecuredPeer, "stream"> {
  /** Its end of the secured connection. */
  readonly peer: PeerEnd;
}

/** The peer's end of a connection. Reads nothing unless asked to. */
export class PeerEnd {
  readonly #stream: PeerStream;
  readonly #wait: Wait;
  /** What came behind that which was taken. */
  #left: Uint8Array = new Uint8Array(0);

  /**
   * @param stream The connection.
   * @param wait Waits within a limit.
   */
  constructor(stream: PeerStream, wait: Wait) {
    this.#stream = stream;
    this.#wait = wait;
  }

  /**
   * Waits for bytes and takes them out.
   *
   * @param count How many.
   * @returns Exactly so many.
   */
  async take(count: number): Promise<Uint8Array> {
    const chunks = [this.#left];
    let size = this.#left.byteLength;
    while (size < count) {
      const chunk = await this.#read(`the peer gets ${count} bytes`);
      expect(chunk !== undefined, `the peer gets ${count} bytes: the end came after ${size}`);
      chunks.push(chunk);
      size += chunk.byteLength;
    }
    const bytes = joinBytes(chunks);
    this.#left = bytes.subarray(count);
    return bytes.subarray(0, count);
  }

  /**
   * Waits for bytes and takes them out.
   *
   * @param count How many.
   * @returns Their text.
   */
  async takeText(count: number): Promise<string> {
    return textOf(await this.take(count));
  }

  /** Waits for some bytes and leaves them. */
  async some(): Promise<void> {
    if (this.#left.byteLength > 0) return;
    this.#left = await this.#read("the peer gets bytes") ?? this.#left;
  }

  /**
   * Reads until the other side says that it sends no more.
   *
   * @returns All that came.
   */
  async rest(): Promise<Uint8Array> {
    const chunks = [this.#left];
    this.#left = new Uint8Array(0);
    for (;;) {
      const chunk = await this.#read("the peer is told that no more bytes come");
      if (chunk === undefined) return joinBytes(chunks);
      chunks.push(chunk);
    }
  }

  /** Reads until the other side has hung up, in one way or another. */
  async hungUp(): Promise<void> {
    const hungUp = async (): Promise<void> => {
      try {
        while (await this.#stream.read() !== undefined);
      } catch {
        // A reset is as good as an end here.
      }
    };
    await this.#wait(hungUp(), "the connection is taken down");
  }

  /**
   * Writes.
   *
   * @param bytes What.
   * @returns Fulfilled when the system has taken it, for who wants to wait.
   */
  write(bytes: Uint8Array | string): Promise<void> {
    return this.#stream.write(typeof bytes === "string" ? bytesOf(bytes) : bytes);
  }

  /**
   * Ends its half of the connection.
   *
   * @param bytes What to say before.
   * @returns Fulfilled when that is on its way, for who wants to wait.
   */
  end(bytes?: Uint8Array | string): Promise<void> {
    if (bytes !== undefined) this.write(bytes);
    return this.#stream.end();
  }

  /**
   * Breaks the connection.
   *
   * @returns Fulfilled when that is done.
   */
  reset(): Promise<void> {
    return this.#wait(this.#stream.reset(), "the peer's reset is done");
  }

  /**
   * Closes the connection at once.
   *
   * @returns Fulfilled when that is done.
   */
  destroy(): Promise<void> {
    return this.#wait(this.#stream.destroy(), "the peer's destroy is done");
  }

  /**
   * Does the server's part of a TLS handshake. That it fails may go unseen.
   *
   * @param options How.
   * @returns The secured connection.
   */
  startTls(options: PeerTlsOptions): Promise<SecuredEnd> {
    const securing = this.#wait(this.#stream.startTls(options), "the peer's handshake ends");
    const secured = securing.then(({ stream, ...shown }) => ({
      ...shown,
      peer: new PeerEnd(stream, this.#wait),
    }));
    secured.catch(() => {});
    return secured;
  }

  #read(clause: string): Promise<Uint8Array | undefined> {
    return this.#wait(this.#stream.read(), clause);
  }
}
