/**
 * Output of the benchmark.
 *
 * @module
 */

const encoder = new TextEncoder();

/**
 * Writes text and a line break to standard output.
 *
 * @param text What to print.
 */
export function print(text = ""): void {
  writeFully(Deno.stdout, `${text}\n`);
}

/**
 * Overwrites one line of standard error, so that a terminal shows progress and a redirected result stays clean.
 *
 * @param text The state; empty to wipe it.
 */
export function progress(text: string): void {
  if (Deno.stderr.isTerminal()) writeFully(Deno.stderr, `\r\x1b[K${text}`);
}

function writeFully(target: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(target.writeSync(bytes));
}
