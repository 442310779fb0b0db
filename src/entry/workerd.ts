/**
 * `@steady/pool` for workerd (Cloudflare Workers): PostgreSQL connections that stay steady, over `cloudflare:sockets`.
 *
 * Sockets, promises and timers belong to one request there, so a pool does too: wrap what uses it by
 * {@linkcode ScopedPool.scoped}. Needs the compatibility flag `nodejs_compat`.
 *
 * @example The main thing
 * ```ts
 * import { createPool } from "@steady/pool/workerd";
 *
 * const db = createPool("postgres://app@db.example/app", { ssl: "verify-full" });
 *
 * const worker = {
 *   fetch: db.scoped(async () => Response.json(await db.sql`select 1 as one`)),
 * };
 * export { worker as default };
 * ```
 *
 * @module
 */

import { planWorkerd, runtime, waitUntil } from "../runtime/workerd.ts";
import { type CreateScopedPool, createScopedPoolOn } from "./scoped_create.ts";

export * from "./common.ts";
export type { CreateScopedPool } from "./scoped_create.ts";
export { ScopedPool } from "./scoped_pool.ts";
export { runtime };

/**
 * Makes a pool of PostgreSQL connections. It is configuration only: nothing is opened, and no timer set, before the first
 * use within a request.
 *
 * @example A Hyperdrive binding
 * ```ts
 * // @ts-ignore: its types are in `@cloudflare/workers-types`.
 * import { env } from "cloudflare:workers";
 * import { createPool } from "@steady/pool/workerd";
 *
 * const db = createPool(() => env.HYPERDRIVE.connectionString, { pooler: "transaction" });
 *
 * const worker = {
 *   fetch: db.scoped(async () => Response.json(await db.sql`select now()`)),
 * };
 * export { worker as default };
 * ```
 */
export const createPool: CreateScopedPool = createScopedPoolOn({
  runtime,
  waitUntil,
  check: planWorkerd,
});
