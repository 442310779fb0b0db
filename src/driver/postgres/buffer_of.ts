/**
 * Bytes as porsager reads them.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/**
 * Makes a buffer of bytes, without copying them.
 *
 * @param bytes As they came; of some runtimes a buffer already. On Bun to ask bytes for their `buffer` takes longer than to read an answer in them.
 * @returns The same bytes.
 */
export function bufferOf(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
