/**
 * Bytes that are to leave together.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** Where several pieces are written one behind the other: to ask the runtime for a place each time takes longer than to write. */
const CHUNK_SIZE = 4_096;
/** A place with less room than this is given up: most is shorter. */
const LITTLE_ROOM = 512;
/** A place larger than this is given up, too: a connection that sends one large value would keep it for good. */
const LARGEST_KEPT = 65_536;
/** Up to so many characters are copied one by one: for as few that is faster than to ask the runtime. */
const SHORT = 48;

/** Grows as needed, and is given away as a whole. */
export class OutgoingBytes {
  /** All there is, if that is nothing but bytes of somebody else. */
  #shared: Uint8Array | undefined;
  #chunk: Buffer | undefined;
  /** Where, in the chunk, they begin: what is before was given away. */
  #start = 0;
  #length = 0;

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds bytes.
   *
   * @param more Copied.
   */
  append(more: Uint8Array): void {
    const chunk = this.#roomFor(more.length);
    let at = this.#start + this.#length;
    for (let i = 0; i < more.length; i++) chunk[at++] = more[i] ?? 0;
    this.#length += more.length;
  }

  /**
   * Adds bytes that nobody changes, ever.
   *
   * @param more Copied only if they do not leave alone.
   */
  appendShared(more: Uint8Array): void {
    if (this.#length > 0) return this.append(more);
    this.#shared = more;
    this.#length = more.length;
  }

  /**
   * Adds an integer of four bytes.
   *
   * @param value Signed.
   */
  appendInteger(value: number): void {
    this.#roomFor(4);
    this.#length += 4;
    this.setInteger(this.#length - 4, value);
  }

  /**
   * Adds a text behind its length in bytes.
   *
   * @param text Becomes UTF-8.
   */
  appendText(text: string): void {
    const { length } = text;
    const isShort = length <= SHORT;
    // No character has more than three bytes per unit of UTF-16.
    const chunk = this.#roomFor(4 + (isShort ? 3 * length : Buffer.byteLength(text)));
    const at = this.#start + this.#length + 4;
    const written = !isShort || !copyAscii(text, chunk, at)
      ? chunk.write(text, at, "utf8")
      : length;
    this.setInteger(this.#length, written);
    this.#length += 4 + written;
  }

  /**
   * Overwrites four bytes.
   *
   * @param index Of the first of them.
   * @param value Signed.
   */
  setInteger(index: number, value: number): void {
    const chunk = this.#roomFor(0);
    const at = this.#start + index;
    chunk[at] = value >>> 24;
    chunk[at + 1] = value >>> 16;
    chunk[at + 2] = value >>> 8;
    chunk[at + 3] = value;
  }

  /**
   * Takes all of them out.
   *
   * @returns Them; nobody else writes there.
   */
  take(): Uint8Array {
    const end = this.#start + this.#length;
    const bytes = this.#shared ?? this.#roomFor(0).subarray(this.#start, end);
    if (this.#shared === undefined) {
      this.#start = end;
      const size = this.#chunk?.length ?? 0;
      if (size - end < LITTLE_ROOM || size > LARGEST_KEPT) this.#giveUpChunk();
    }
    this.#shared = undefined;
    this.#length = 0;
    return bytes;
  }

  /** Forgets them. */
  clear(): void {
    this.#giveUpChunk();
    this.#shared = undefined;
    this.#length = 0;
  }

  #giveUpChunk(): void {
    this.#chunk = undefined;
    this.#start = 0;
  }

  /** Finds a place for what there is, and more behind it. */
  #roomFor(more: number): Buffer {
    const needed = this.#length + more;
    const chunk = this.#chunk;
    if (this.#shared === undefined && chunk !== undefined && chunk.length >= this.#start + needed) {
      return chunk;
    }
    return this.#moveFor(needed);
  }

  #moveFor(needed: number): Buffer {
    const bytes = this.#shared ?? this.#chunk?.subarray(this.#start, this.#start + this.#length);
    this.#shared = undefined;
    const isEnough = (this.#chunk?.length ?? 0) >= this.#start + needed;
    if (this.#chunk === undefined || !isEnough) {
      this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_SIZE, 2 * needed));
      this.#start = 0;
    }
    if (bytes !== undefined) this.#chunk.set(bytes, this.#start);
    return this.#chunk;
  }
}

/** Copies a text if it is ASCII; if not, what it wrote is of no account. */
function copyAscii(text: string, bytes: Uint8Array, start: number): boolean {
  let at = start;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return false;
    bytes[at++] = code;
  }
  return true;
}
