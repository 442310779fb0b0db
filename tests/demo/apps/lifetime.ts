/**
 * How long an app serves.
 *
 * @module
 */

import process from "node:process";

/**
 * Says where an app serves, and waits until the standard input ends, which it does with the process that started this one.
 *
 * @param port The port.
 * @returns Resolved when the app is to end.
 */
export async function servedFrom(port: number): Promise<void> {
  // In the words of workerd, which says the same by itself.
  process.stdout.write(JSON.stringify({ event: "listen", port }) + "\n");
  await new Promise<void>((resolve) => {
    process.stdin.once("end", resolve);
    process.stdin.once("error", () => resolve());
    process.stdin.resume();
  });
}
