/**
 * The order-taking service as a Node.js app.
 *
 * @module
 */

import { createPool } from "../../../src/entry/node.ts";
import { serve } from "./node_http.ts";
import { runApp } from "./run_app.ts";

await runApp(createPool, serve);
