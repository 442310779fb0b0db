/**
 * Serves a function from request to response by `Bun.serve`.
 *
 * @module
 */

import type { Handler, HttpServer } from "./run_app.ts";

/** As much of Bun's types as is used here: its own would be global in the files of the other runtimes too. */
declare const Bun: {
  serve(options: { hostname: string; port: number; fetch: Handler }): {
    readonly port: number;
    stop(closeAll?: boolean): Promise<void>;
  };
};

/** How long requests may take that are under way in the end. */
const GRACE_MS = 1_000;

/**
 * Serves on a free port of the loopback interface.
 *
 * @param handler Answers requests.
 * @returns The running server.
 */
export function serveOnBun(handler: Handler): HttpServer {
  // The request alone: Bun passes itself as well.
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => handler(request),
  });
  return {
    port: server.port,
    async close() {
      // Now and then Bun takes a connection for busy that has no request, and would wait until the client gives it up.
      const patience = setTimeout(() => server.stop(true), GRACE_MS);
      await server.stop();
      clearTimeout(patience);
    },
  };
}
