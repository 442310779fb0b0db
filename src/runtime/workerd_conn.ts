/**
 * A connection over a socket of `cloudflare:sockets`.
 *
 * @module
 */

import type { NativeSocket } from "./cloudflare.ts";
import type { Conn } from "./conn.ts";

/** Most bytes of one read. */
const READ_BYTES = 64 * 1024;

/** A connection of workerd; whoever makes it owns the socket. */
export class WorkerdConn implements Conn {
  readonly #native: NativeSocket;
  readonly #reader: ReadableStreamBYOBReader;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  /**
   * Where workerd reads to. Of a read it takes the memory away and gives it back under another name, and with it would go
   * what the receiver was handed of it before: so each arrival is copied. Without memory of ours it gives 4 KiB at most.
   */
  #memory: ArrayBuffer = new ArrayBuffer(READ_BYTES);

  /** @param native An open socket. */
  constructor(native: NativeSocket) {
    this.#native = native;
    this.#reader = native.readable.getReader({ mode: "byob" });
    this.#writer = native.writable.getWriter();
    // The end is seen by reading; here it would only go unhandled.
    for (const { closed } of [native, this.#reader, this.#writer]) closed.catch(ignore);
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number | null> {
    const most = Math.min(into.byteLength, READ_BYTES);
    const { value, done } = await this.#reader.read(new Uint8Array(this.#memory, 0, most));
    if (value !== undefined) this.#memory = value.buffer;
    if (done) return null;
    into.set(value);
    return value.byteLength;
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#writer.write(bytes);
    return bytes.byteLength;
  }

  async closeWrite(): Promise<void> {
    await this.#writer.close();
  }

  /** Lets go of the socket. */
  release(): NativeSocket {
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    return this.#native;
  }

  /** Nothing here keeps a process alive. */
  ref(): void {}

  /** Nothing here keeps a process alive. */
  unref(): void {}

  [Symbol.dispose](): void {
    const reason = new Error("The socket was closed");
    // By itself `close` would wait until the peer has taken everything.
    for (
      const settled of [
        this.#reader.cancel(reason),
        this.#writer.abort(reason),
        this.#native.close(),
      ]
    ) settled.catch(ignore);
  }
}

function ignore(): void {}
