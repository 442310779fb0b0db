/**
 * The measuring process's side of `child_process.ts`, the same on every runtime.
 *
 * @module
 */

import process from "node:process";

/**
 * @returns The argument the child was started with.
 */
export function readInput(): unknown {
  return JSON.parse(process.argv[2] ?? "null");
}

/**
 * Hands the result to the parent and ends the process: peers leave timers behind that would keep it alive.
 *
 * @param result Anything JSON can carry.
 */
export function printResult(result: unknown): void {
  process.stdout.write(`@result ${JSON.stringify(result)}\n`, () => process.exit(0));
}
