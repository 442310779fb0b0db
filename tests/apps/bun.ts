/**
 * The shop by `Bun.serve`: one connection for each request.
 *
 * @module
 */

import process from "node:process";
import { createPool } from "../../src/entry/bun.ts";
import { serveOnBun } from "../demo/apps/bun_http.ts";
import { servedFrom } from "../demo/apps/lifetime.ts";
import { usePool } from "./shop/pool.ts";
import { handle } from "./shop/shop.ts";

const db = usePool(createPool(process.env.DATABASE_URL ?? "", { max: 10 }));
const server = serveOnBun(db.scoped(handle));
await servedFrom(server.port);
await Promise.all([server.close(), db.close({ timeoutMs: 500 })]);
