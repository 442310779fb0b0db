/**
 * What the apps on the runtimes with processes have in common: the service on a pool, from the start to the end of a
 * process that is told where the database is by `DATABASE_URL`.
 *
 * @module
 */

import process from "node:process";
import type { PoolOptions } from "../../../src/core/options.ts";
import type { PostgresPool } from "../../../src/entry/postgres_pool.ts";
import { OrderService } from "../order_service.ts";
import { servedFrom } from "./lifetime.ts";

/** A running HTTP server. */
export interface HttpServer {
  readonly port: number;
  /** Takes no more requests; over when the last one is answered. */
  close(): Promise<void>;
}

/** Answers a request; never rejects. */
export type Handler = (request: Request) => Promise<Response>;

const POOL = { max: 10, acquireTimeoutMs: 5_000 } as const;

/** How long statements may take that are under way when the pool is closed. */
const CLOSE_MS = 500;

/**
 * Runs the app until the standard input ends, which it does with the process that started this one.
 *
 * @param createPool The entry's.
 * @param serve Serves on a free port of the loopback interface.
 */
export async function runApp(
  createPool: (url: string, options: PoolOptions) => PostgresPool,
  serve: (handler: Handler) => HttpServer | Promise<HttpServer>,
): Promise<void> {
  const pool = createPool(process.env.DATABASE_URL ?? "", POOL);
  const service = new OrderService(pool);
  const server = await serve(service.handle);
  await servedFrom(server.port);
  // Together: what the pool does not carry out any more, the server has to answer.
  await Promise.all([server.close(), pool.close({ timeoutMs: CLOSE_MS })]);
}
