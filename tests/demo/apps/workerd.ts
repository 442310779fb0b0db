/**
 * The order-taking service as an edge worker.
 *
 * @module
 */

// @ts-ignore: only workerd has it.
import { env } from "cloudflare:workers";
import { createPool } from "../../../src/entry/workerd.ts";
import { OrderService } from "../order_service.ts";

const { DATABASE_URL } = env as { readonly DATABASE_URL: string };

// Configuration only: each request opens connections of its own.
const db = createPool(DATABASE_URL, { max: 5, acquireTimeoutMs: 5_000 });
const service = new OrderService(db);

export default { fetch: db.scoped(service.handle) };
