/**
 * The database of the demo, and how it breaks.
 *
 * @module
 */

import { PostgresServer, query } from "../support/postgres_server.ts";

/** A database with an empty schema for the demo alone. */
export interface Database extends AsyncDisposable {
  /** One line about it, without a password. */
  readonly description: string;
  /** URL for clients; its parameters name the schema and mark the sessions as the demo's. */
  readonly url: string;
  /**
   * Ends all sessions of the demo.
   *
   * @returns How many there were.
   */
  killBackends(): Promise<number>;
  /** Drops everything as in a crash and starts again; undefined if the server is not ours to restart. */
  readonly restart?: () => Promise<void>;
}

/**
 * Starts a PostgreSQL server of the demo's own; disposing ends it and removes its data.
 *
 * @returns The database.
 */
export async function startServer(): Promise<Database> {
  const server = await PostgresServer.start();
  const sessions = "steady-demo";
  const url = urlFor(server.url(), "public", sessions);
  return {
    description: `PostgreSQL on port ${server.port}, for this demo alone`,
    url,
    killBackends: () => killBackends(url, sessions),
    restart: () => server.restart("immediate"),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/**
 * Uses a server that runs already; disposing drops what the demo created.
 *
 * @param url URL of one of its databases, where the user may create schemas.
 * @returns The database.
 */
export async function useServer(url: string): Promise<Database> {
  // Said here, because the error of the URL itself would show the password.
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new TypeError("it does not begin with postgres://");
  }
  const { host, pathname } = new URL(url);
  const schema = `steady_demo_${crypto.randomUUID().slice(0, 8)}`;
  const own = urlFor(url, schema, schema);
  await query(own, `create schema ${schema}`);
  return {
    description: `${host}${pathname} (DATABASE_URL), schema ${schema}, dropped in the end`,
    url: own,
    killBackends: () => killBackends(own, schema),
    [Symbol.asyncDispose]: async () => {
      await query(own, `drop schema if exists ${schema} cascade`);
    },
  };
}

/** Names the schema and the sessions in a URL, so that they are told from those of others. */
function urlFor(text: string, schema: string, sessions: string): string {
  const url = new URL(text);
  url.searchParams.set("search_path", schema);
  url.searchParams.set("application_name", sessions);
  return url.href;
}

/** Ends them all at once, without a wait for one before the next. */
async function killBackends(url: string, sessions: string): Promise<number> {
  const killed = await query(
    url,
    `with own as materialized (
       select pid from pg_stat_activity
        where datname = current_database() and application_name = $1 and pid <> pg_backend_pid()
     )
     select pid from own where pg_terminate_backend(pid)`,
    [sessions],
  );
  return killed.length;
}
