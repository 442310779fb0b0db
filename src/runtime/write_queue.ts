/**
 * Bytes that wait for a socket which takes one write at a time.
 *
 * @module
 */

/** From how many queued bytes on `write` asks its caller to wait. */
export const HIGH_WATER_BYTES: number = 64 * 1024;

/** Most bytes that are copied together for one write; a larger piece is written as it is. */
const COALESCE_BYTES = 64 * 1024;

/** Queue of byte pieces that is emptied in writes as large as is useful. */
export class WriteQueue {
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  /** How many bytes wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds a piece behind all others.
   *
   * @param piece What to send; not copied unless it is sent together with others.
   */
  push(piece: Uint8Array): void {
    if (piece.byteLength === 0) return;
    this.#pieces.push(piece);
    this.#bytes += piece.byteLength;
  }

  /**
   * Takes what the next write should send: small pieces are joined, since a system call costs more than a copy.
   *
   * @returns The bytes; empty if nothing waits.
   */
  take(): Uint8Array {
    const pieces = this.#pieces;
    let bytes = pieces[0]?.byteLength ?? 0;
    let count = Math.min(pieces.length, 1);
    for (; count < pieces.length; count++) {
      const more = pieces[count]?.byteLength ?? 0;
      if (bytes + more > COALESCE_BYTES) break;
      bytes += more;
    }
    this.#bytes -= bytes;
    const taken = count === pieces.length ? pieces : pieces.splice(0, count);
    if (taken === pieces) this.#pieces = [];
    return count === 1 && taken[0] !== undefined ? taken[0] : join(taken, bytes);
  }

  /** Forgets everything. */
  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }
}

function join(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const joined = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.byteLength;
  }
  return joined;
}
