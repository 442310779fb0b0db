/**
 * The PostgreSQL server that is measured against.
 *
 * @module
 */

import { PostgresServer } from "../tests/support/postgres_server.ts";

/**
 * Runs something against a server: that of `DATABASE_URL`, else one that is started for it.
 *
 * @param use What to do; receives the server's URL.
 */
export async function withServer(use: (url: string) => Promise<void>): Promise<void> {
  const given = Deno.env.get("DATABASE_URL");
  if (given !== undefined) return await use(given);
  await using server = await PostgresServer.start();
  await use(server.url());
}
