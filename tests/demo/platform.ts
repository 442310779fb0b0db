/**
 * What the demo needs of the runtime it runs on; everything else in it is the same everywhere.
 *
 * @module
 */

import type { PoolOptions } from "../../src/core/options.ts";
import type { PostgresPool } from "../../src/entry/postgres_pool.ts";

/** A running HTTP server. */
export interface HttpServer {
  /** Its URL, without a slash at the end. */
  readonly url: string;
  /** Takes no more requests; over when the last one is answered. */
  close(): Promise<void>;
}

/** A runtime. */
export interface Platform {
  /** Name and version. */
  readonly name: string;
  /** The entry's `createPool`. */
  createPool(url: string, options: PoolOptions): PostgresPool;
  /** Serves on a free port of the loopback interface. */
  serve(handler: (request: Request) => Promise<Response>): HttpServer;
}
