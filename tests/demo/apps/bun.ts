/**
 * The order-taking service as a Bun app.
 *
 * @module
 */

import { createPool } from "../../../src/entry/bun.ts";
import { type Handler, runApp } from "./run_app.ts";

/** As much of Bun's types as is used here: its own would be global in the files of the other runtimes too. */
declare const Bun: {
  serve(options: { hostname: string; port: number; fetch: Handler }): {
    readonly port: number;
    stop(): Promise<void>;
  };
};

await runApp(createPool, (handler) => {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: handler });
  return { port: server.port, close: () => server.stop() };
});
