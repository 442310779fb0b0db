/**
 * Serves HTTP on Deno.
 *
 * @module
 */

import type { HttpServer } from "./platform.ts";

/**
 * Serves on a free port of the loopback interface.
 *
 * @param handler Answers requests; must not reject.
 * @returns The running server.
 */
export function serve(handler: (request: Request) => Promise<Response>): HttpServer {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    close: () => server.shutdown(),
  };
}
