/**
 * `@steady/pool` for Node.js (22 or newer): PostgreSQL connections that stay steady, over `node:net`.
 *
 * @example The main thing
 * ```ts
 * import { createPool } from "@steady/pool/node";
 *
 * await using db = createPool("postgres://app@localhost/app", { max: 10 });
 * const [row] = await db.sql`select 1 as one`;
 * console.log(row);
 * ```
 *
 * @module
 */

import { runtime } from "../runtime/node.ts";
import { type CreatePool, createPoolOn } from "./common.ts";

export * from "./common.ts";
export { runtime };

/**
 * Makes a pool of PostgreSQL connections. Nothing is opened before the first use.
 *
 * @example Options
 * ```ts
 * import process from "node:process";
 * import { createPool } from "@steady/pool/node";
 *
 * const db = createPool("postgres://app@localhost/app", {
 *   max: 20,
 *   acquireTimeoutMs: 2_000,
 *   ssl: "verify-full",
 *   password: () => Promise.resolve(process.env.DB_PASSWORD ?? ""),
 * });
 * await db.close();
 * ```
 */
export const createPool: CreatePool = createPoolOn(runtime);
