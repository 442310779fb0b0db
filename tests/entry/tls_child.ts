/**
 * Tries modes of TLS with the platform's own authorities, to which the command line has added one.
 *
 * Arguments: URLs. Prints, for each mode, which of them could be connected to.
 *
 * @module
 */

import process from "node:process";
import { createPool, type CreatePoolOptions } from "../support/entry.ts";

const MODES: Record<string, CreatePoolOptions> = {
  "verify-ca": { ssl: "verify-ca" },
  "verify-full": { ssl: "verify-full" },
  "true": { ssl: true },
  "direct": { ssl: "verify-full", sslnegotiation: "direct" },
};

async function connects(url: string, options: CreatePoolOptions): Promise<boolean> {
  await using db = createPool(url, { max: 1, acquireTimeoutMs: 0, ...options });
  try {
    const [row] = await db.sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
    return row?.ssl;
  } catch {
    return false;
  }
}

const results: Record<string, boolean[]> = {};
for (const [mode, options] of Object.entries(MODES)) {
  results[mode] = [];
  for (const url of process.argv.slice(2)) results[mode].push(await connects(url, options));
}
process.stdout.write(JSON.stringify(results));
