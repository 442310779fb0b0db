/**
 * A connection over a socket of `cloudflare:sockets`.
 *
 * @module
 */

import type { NativeSocket } from "./cloudflare.ts";
import type { Conn } from "./conn.ts";

/** Most bytes of one read. */
const READ_BYTES = 64 * 1024;

/**
 * A connection of workerd; whoever makes it owns the socket.
 *
 * workerd calls a socket with TLS open before the handshake is done, and one that fails is a stream that ends, without a
 * reason: an end before the first byte is told as such a failure. No byte of ours leaves before the handshake.
 */
export class WorkerdConn implements Conn {
  readonly #native: NativeSocket;
  readonly #reader: ReadableStreamBYOBReader;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  /**
   * Where workerd reads to. Of a read it takes the memory away and gives it back under another name, and with it would go
   * what the receiver was handed of it before: so each arrival is copied. Without memory of ours it gives 4 KiB at most.
   */
  #memory: ArrayBuffer = new ArrayBuffer(READ_BYTES);
  /** Name on the certificate, until a byte that came proves the handshake; `undefined` without TLS. */
  #unproven: string | undefined;
  /** Whether the peer has said its last, or the connection is closed. */
  #over = false;
  /**
   * Whether the connection is lost for writing. workerd with authorities in its configuration tells a reset by an end of the
   * stream, but by this before, which no end of the peer's brings about.
   */
  #lost = false;

  /**
   * @param native An open socket.
   * @param serverName With TLS, the name on the certificate.
   */
  constructor(native: NativeSocket, serverName: string | undefined) {
    this.#native = native;
    this.#unproven = serverName;
    this.#reader = native.readable.getReader({ mode: "byob" });
    this.#writer = native.writable.getWriter();
    // The end is seen by reading; here it would only go unhandled.
    for (const { closed } of [native, this.#reader, this.#writer]) closed.catch(ignore);
    this.#writer.ready.catch(ignore);
    native.closed.then(() => this.#lost = true, ignore);
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number | null> {
    const most = Math.min(into.byteLength, READ_BYTES);
    const { value, done } = await this.#reader.read(new Uint8Array(this.#memory, 0, most));
    if (value !== undefined) this.#memory = value.buffer;
    if (done) {
      this.#over = true;
      this.#throwIfUnproven();
      if (this.#lost) throw new Error("The connection was lost");
      return null;
    }
    this.#unproven = undefined;
    into.set(value);
    return value.byteLength;
  }

  async write(bytes: Uint8Array): Promise<number> {
    try {
      await this.#writer.write(bytes);
    } catch (error) {
      this.#throwIfUnproven(error);
      throw error;
    }
    return bytes.byteLength;
  }

  #throwIfUnproven(cause?: unknown): void {
    if (this.#unproven === undefined) return;
    throw new Error(
      `the TLS handshake failed (is the certificate publicly trusted, and for ${this.#unproven}?), ` +
        "or the server hung up behind it",
      { cause },
    );
  }

  async closeWrite(): Promise<void> {
    await this.#writer.close();
  }

  /** Lets go of the socket, for TLS. What workerd makes of one that has ended never opens, nor fails. */
  release(): NativeSocket {
    if (this.#over) throw new Error("The socket ended before TLS began");
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    return this.#native;
  }

  /** Nothing here keeps a process alive. */
  ref(): void {}

  /** Nothing here keeps a process alive. */
  unref(): void {}

  [Symbol.dispose](): void {
    this.#over = true;
    // A write that is under way goes on. To abort it would be worse: the connection would stay until the request ends.
    this.#native.close().catch(ignore);
  }
}

function ignore(): void {}
