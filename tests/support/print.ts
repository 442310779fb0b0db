/**
 * Output of scripts, whole or not at all: `console.log` is for people who debug.
 *
 * @module
 */

import { writeSync } from "node:fs";

const encoder = new TextEncoder();

/**
 * Writes bytes to the standard output.
 *
 * @param bytes What to write.
 */
export function printBytes(bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(writeSync(1, rest));
}

/**
 * Writes one line to the standard output.
 *
 * @param line The line, without its end.
 */
export function print(line: string): void {
  printBytes(encoder.encode(line + "\n"));
}
