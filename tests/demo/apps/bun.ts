/**
 * The order-taking service as a Bun app.
 *
 * @module
 */

import { createPool } from "../../../src/entry/bun.ts";
import { serveOnBun } from "./bun_http.ts";
import { runApp } from "./run_app.ts";

await runApp(createPool, serveOnBun);
