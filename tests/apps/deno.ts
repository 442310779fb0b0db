/**
 * The shop by `Deno.serve`: one connection for each request.
 *
 * @module
 */

import { createPool } from "../../src/entry/deno.ts";
import { servedFrom } from "../demo/apps/lifetime.ts";
import { usePool } from "./shop/pool.ts";
import { handle } from "./shop/shop.ts";

const db = usePool(createPool(Deno.env.get("DATABASE_URL") ?? "", { max: 10 }));
const server = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: () => {} },
  db.scoped(handle),
);
await servedFrom(server.addr.port);
await Promise.all([server.shutdown(), db.close({ timeoutMs: 500 })]);
