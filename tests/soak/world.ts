/**
 * What the faults strike: a server of the soak's own, and a proxy in front of it.
 *
 * @module
 */

import pg from "pg";
import { FaultProxy } from "../faults/fault_proxy.ts";
import { PostgresServer } from "../support/postgres_server.ts";
import type { Parameters } from "../support/query.ts";
import type { Ask } from "./ledger_check.ts";
import { SCHEMA } from "./schema.ts";

/** By which the sessions of the pools are told from others. */
export const APPLICATION_NAME = "steady-soak";

/** Small enough to be exhausted in no time; large enough for the pools and for those who look on. */
const MAX_CONNECTIONS = 40;

/** How long the server may take to answer who looks on, in milliseconds. */
const PATIENCE_MS = 5_000;

/** A server and a proxy. */
export class World implements AsyncDisposable {
  /** The server. */
  readonly server: PostgresServer;
  /** The proxy. */
  readonly proxy: FaultProxy;
  readonly #stack: AsyncDisposableStack;

  private constructor(server: PostgresServer, proxy: FaultProxy, stack: AsyncDisposableStack) {
    this.server = server;
    this.proxy = proxy;
    this.#stack = stack;
  }

  /**
   * Starts both, and makes the tables.
   *
   * @returns The world.
   */
  static async start(): Promise<World> {
    await using stack = new AsyncDisposableStack();
    const config = { max_connections: String(MAX_CONNECTIONS) };
    const server = stack.use(await PostgresServer.start({ config }));
    const proxy = stack.use(await FaultProxy.start(server.url()));
    proxy.recording = false;
    await using world = new World(server, proxy, stack.move());
    await world.ask(SCHEMA);
    return new World(server, proxy, world.#stack.move());
  }

  /**
   * URL for the pools, by way of the proxy.
   *
   * @param database Which database; that of the soak's own tables by default.
   * @returns The URL.
   */
  urlOf(database?: string): string {
    const { server, proxy } = this;
    const url = new URL(
      proxy.url(database === undefined ? server.url() : server.url({ database })),
    );
    url.searchParams.set("application_name", APPLICATION_NAME);
    return url.href;
  }

  /**
   * Asks the server, past the proxy: by the Unix domain socket, and by a driver that gives up in time. Porsager's never
   * answers when its connection is lost at the wrong moment.
   */
  readonly ask: Ask = async <T extends Record<string, unknown>>(
    text: string,
    parameters: Parameters = [],
  ): Promise<T[]> => {
    const { socketDir: host, port, user, database } = this.server;
    const client = new pg.Client({
      ...{ host, port, user, database },
      connectionTimeoutMillis: PATIENCE_MS,
      query_timeout: PATIENCE_MS,
    });
    // Told of by the promises, too.
    client.on("error", () => {});
    await client.connect();
    try {
      const { rows } = await client.query<T>(text, [...parameters]);
      return rows;
    } finally {
      await client.end();
    }
  };

  /** Process ids of the pools' sessions. */
  readonly backends = async (): Promise<number[]> => {
    const rows = await this.ask<{ pid: number }>(
      "select pid from pg_stat_activity where application_name = $1 order by pid",
      [APPLICATION_NAME],
    );
    return rows.map(({ pid }) => pid);
  };

  /** Ends both. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
