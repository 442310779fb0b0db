/**
 * The one PostgreSQL server that all tests share that don't break it.
 *
 * `deno task test` starts it and tells its URL in `STEADY_TEST_DATABASE_URL`. With plain `deno test`, each file that
 * imports this module starts one; it is gone when the process ends.
 *
 * @module
 */

import process from "node:process";
import { PostgresServer } from "./postgres_server.ts";
import { query } from "./query.ts";
import { DATABASE_URL_VARIABLE, SHARED_SERVER_OPTIONS } from "./environment.ts";

/** The shared server. */
export interface SharedServer {
  /** URL of its maintenance database, as superuser. */
  readonly url: string;
}

/** A database of one test's own. */
export interface FreshDatabase extends AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** Its URL, as superuser. */
  readonly url: string;
}

// At the top level, not at first use: what the first test started, Deno's sanitizers would call its leak.
const shared: SharedServer = {
  url: process.env[DATABASE_URL_VARIABLE] ??
    (await PostgresServer.start(SHARED_SERVER_OPTIONS)).url(),
};

/** @returns The shared server. */
export function sharedServer(): SharedServer {
  return shared;
}

/**
 * Makes an empty database on the shared server.
 *
 * @returns The database; disposing drops it, ending the sessions that still use it.
 */
export async function freshDatabase(): Promise<FreshDatabase> {
  const name = `steady_${crypto.randomUUID().replaceAll("-", "")}`;
  const url = new URL(shared.url);
  url.pathname = `/${name}`;
  await query(shared.url, `create database ${name} template template0`);
  return {
    name,
    url: url.href,
    async [Symbol.asyncDispose]() {
      await query(shared.url, `drop database if exists ${name} with (force)`);
    },
  };
}
