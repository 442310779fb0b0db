/**
 * Bytes for tests of byte streams: of which each tells where it belongs, so that none can be lost, doubled or swapped
 * unnoticed.
 *
 * @module
 */

import { expect } from "./expect.ts";

/** 1024 bytes. */
export const KIB = 1024;

/** 1024 × 1024 bytes. */
export const MIB: number = KIB * KIB;

function byteAt(place: number): number {
  return (place * 7 + (place >> 8) + (place >> 16)) & 0xff;
}

/**
 * Makes bytes that differ from place to place.
 *
 * @param size How many.
 * @returns The bytes.
 */
export function pattern(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let place = 0; place < size; place++) bytes[place] = byteAt(place);
  return bytes;
}

/**
 * Fails unless bytes are a part of a {@linkcode pattern}.
 *
 * @param bytes The bytes.
 * @param clause The clause of the contract, as a sentence.
 * @param start Place of the first one in the pattern.
 */
export function expectPattern(bytes: Uint8Array, clause: string, start = 0): void {
  for (let i = 0; i < bytes.byteLength; i++) {
    if (bytes[i] !== byteAt(start + i)) {
      expect(false, `${clause}: byte ${start + i} is not what was sent there`);
    }
  }
}

/**
 * Cuts bytes into pieces of many sizes: tiny, at the edges of blocks, large.
 *
 * @param bytes The bytes.
 * @returns The pieces, in order; views of the bytes.
 */
export function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  const sizes = [1, 2, 37, 1000, 8191, 8192, 8193, 65_535, 65_536, 65_537, 300_000];
  for (let at = 0, i = 0; at < bytes.byteLength; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/**
 * Joins bytes.
 *
 * @param chunks The parts, in order.
 * @returns A copy of all.
 */
export function joinBytes(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(chunks.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.byteLength;
  }
  return joined;
}

/**
 * Encodes text.
 *
 * @param text The text.
 * @returns Its bytes.
 */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/**
 * Decodes text.
 *
 * @param bytes Its bytes.
 * @returns The text.
 */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
