/**
 * Writing to a {@linkcode Conn}.
 *
 * @module
 */

import type { Conn } from "./conn.ts";
import type { SocketLife } from "./socket_life.ts";
import { HIGH_WATER_BYTES, WriteQueue } from "./write_queue.ts";

/**
 * Writes what is queued, one write at a time: what was written in one turn of the event loop, or while a write was under
 * way, leaves together.
 *
 * An async loop that sleeps on a promise: so the sleeper's context is that of its beginning, whoever wakes it, and no
 * caller's store is kept alive by a connection that is never idle.
 */
export class PulledWriter {
  readonly #life: SocketLife;
  readonly #queue: WriteQueue = new WriteQueue();
  /** How many bytes have left the queue and are not yet written. */
  #leaving = 0;
  /** Whether somebody waits for `drain`. */
  #full = false;
  #finished = false;
  #wake: (() => void) | undefined;

  /** @param life Who hears of `drain`, and whether it is over. */
  constructor(life: SocketLife) {
    this.#life = life;
  }

  /** How many bytes are on their way. */
  get bytes(): number {
    return this.#queue.bytes + this.#leaving;
  }

  /** Whether all was sent and the peer knows that no more will come. */
  get finished(): boolean {
    return this.#finished;
  }

  /**
   * Queues bytes.
   *
   * @param bytes What to send.
   * @returns `false` when so much is queued that the caller should wait for `drain`.
   */
  write(bytes: Uint8Array): boolean {
    this.#queue.push(bytes);
    this.#wake?.();
    if (this.bytes < HIGH_WATER_BYTES) return true;
    this.#full = true;
    return false;
  }

  /** Looks again whether the socket closes or is over. */
  wake(): void {
    this.#wake?.();
  }

  /** Forgets what is queued. */
  clear(): void {
    this.#queue.clear();
    this.#wake?.();
  }

  /**
   * Writes until the socket is over or, when it closes, until all is written and the peer told so.
   *
   * @param conn What to write to.
   */
  async run(conn: Conn): Promise<void> {
    while (!this.#life.over) {
      if (this.#queue.bytes === 0) {
        if (this.#life.phase === "closing") {
          await conn.closeWrite();
          this.#finished = true;
          return;
        }
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      let piece = this.#queue.take();
      this.#leaving = piece.byteLength;
      while (this.#leaving > 0) {
        const count = await conn.write(piece);
        if (count === 0) throw new Error("The connection takes no more bytes");
        this.#leaving -= count;
        if (this.#leaving > 0) piece = piece.subarray(count);
      }
      if (this.#full && this.#queue.bytes < HIGH_WATER_BYTES) {
        this.#full = false;
        this.#life.drain();
      }
    }
  }
}
