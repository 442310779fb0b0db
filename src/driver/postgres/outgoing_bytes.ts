/**
 * Bytes that are to leave together.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** Most is shorter than this. */
const FIRST_SIZE = 512;
/** Up to so many characters are copied one by one: for as few that is faster than to ask the runtime. */
const SHORT = 48;

/** Grows as needed, and is given away as a whole. */
export class OutgoingBytes {
  #bytes: Buffer | undefined;
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
    const bytes = this.#roomFor(more.length);
    let at = this.#length;
    for (let i = 0; i < more.length; i++) bytes[at++] = more[i] ?? 0;
    this.#length = at;
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
    const bytes = this.#roomFor(4 + (isShort ? 3 * length : Buffer.byteLength(text)));
    const start = this.#length + 4;
    const written = !isShort || !copyAscii(text, bytes, start)
      ? bytes.write(text, start, "utf8")
      : length;
    this.setInteger(this.#length, written);
    this.#length = start + written;
  }

  /**
   * Overwrites four bytes.
   *
   * @param at Where.
   * @param value Signed.
   */
  setInteger(at: number, value: number): void {
    const bytes = this.#roomFor(0);
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
  }

  /**
   * Takes all of them out.
   *
   * @returns Them; nobody else writes there.
   */
  take(): Uint8Array {
    const bytes = this.#roomFor(0).subarray(0, this.#length);
    this.clear();
    return bytes;
  }

  /** Forgets them. */
  clear(): void {
    this.#bytes = undefined;
    this.#length = 0;
  }

  #roomFor(more: number): Buffer {
    const needed = this.#length + more;
    const bytes = this.#bytes;
    if (bytes !== undefined && bytes.length >= needed) return bytes;
    const larger = Buffer.allocUnsafe(Math.max(FIRST_SIZE, 2 * (bytes?.length ?? 0), needed));
    if (bytes !== undefined) larger.set(bytes.subarray(0, this.#length));
    return this.#bytes = larger;
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
