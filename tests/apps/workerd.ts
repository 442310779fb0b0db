/**
 * The shop as an edge worker: one connection for each request, which ends with it.
 *
 * @module
 */

// @ts-ignore: only workerd has it.
import { env } from "cloudflare:workers";
import { createPool } from "../../src/entry/workerd.ts";
import { usePool } from "./shop/pool.ts";
import { handle } from "./shop/shop.ts";

const { DATABASE_URL } = env as { readonly DATABASE_URL: string };
const db = usePool(createPool(DATABASE_URL));

export default { fetch: db.scoped((request: Request) => db.scope(() => handle(request))) };
