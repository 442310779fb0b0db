/**
 * `@steady/pool` for Deno: PostgreSQL connections that stay steady, over Deno's own sockets.
 *
 * @example The main thing
 * ```ts
 * import { createPool } from "@steady/pool/deno";
 *
 * await using db = createPool("postgres://app@localhost/app", { max: 10 });
 * const [row] = await db.sql`select 1 as one`;
 * console.log(row);
 * ```
 *
 * @module
 */

import { runtime } from "../runtime/deno.ts";
import { type CreatePool, createPoolOn } from "./common.ts";

export * from "./common.ts";
export { runtime };

/**
 * Makes a pool of PostgreSQL connections. Nothing is opened before the first use.
 *
 * @example Options
 * ```ts
 * import { createPool } from "@steady/pool/deno";
 *
 * const db = createPool("postgres://app@localhost/app", {
 *   max: 20,
 *   acquireTimeoutMs: 2_000,
 *   ssl: "verify-full",
 *   password: () => Promise.resolve(Deno.env.get("DB_PASSWORD") ?? ""),
 * });
 * await db.close();
 * ```
 */
export const createPool: CreatePool = createPoolOn(runtime);
