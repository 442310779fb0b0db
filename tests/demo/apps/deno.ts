/**
 * The order-taking service as a Deno app.
 *
 * @module
 */

import { createPool } from "../../../src/entry/deno.ts";
import { runApp } from "./run_app.ts";

await runApp(createPool, (handler) => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  return { port: server.addr.port, close: () => server.shutdown() };
});
