/**
 * Ports for servers that are stopped and started again.
 *
 * @module
 */

import { createServer } from "node:net";

// Below the range that systems take the local ports of outgoing connections from (32768 on Linux, 49152 elsewhere):
// a port of that range can be taken while its server is down, and a client that keeps trying to reach a server
// that is down can even be connected to itself by it.
const FIRST = 15_000;
const LAST = 32_000;
const ATTEMPTS = 100;

function isFree(port: number): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const probe = createServer();
  probe.once("error", (error: Error & { code?: string }) => {
    if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(false);
    else reject(error);
  });
  probe.listen(
    { host: "127.0.0.1", port, exclusive: true },
    () => probe.close(() => resolve(true)),
  );
  return promise;
}

/**
 * Finds a TCP port on 127.0.0.1 that nobody listens on.
 *
 * @returns The port; it stays free only as long as nobody else happens to take it.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port among ${ATTEMPTS} tried between ${FIRST} and ${LAST}`);
}
