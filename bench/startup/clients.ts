/**
 * The clients that are compared. Each is imported only by the process that measures it.
 *
 * @module
 */

import type { RuntimeName } from "../runtime.ts";
import type { Client } from "./client.ts";

type Load = () => Promise<{ readonly client: Client }>;

const postgres: Load = () => import("./clients/postgres.ts");
const pg: Load = () => import("./clients/pg.ts");

const clients: Record<RuntimeName, Readonly<Record<string, Load>>> = {
  deno: { steady: () => import("./clients/steady_deno.ts"), postgres, pg },
  bun: { steady: () => import("./clients/steady_bun.ts"), postgres, pg },
  node: { steady: () => import("./clients/steady_node.ts"), postgres, pg },
};

/**
 * @param runtime A runtime.
 * @returns Names of the clients that run on it.
 */
export function clientNames(runtime: RuntimeName): readonly string[] {
  return Object.keys(clients[runtime]);
}

/**
 * @param runtime The runtime this runs on.
 * @param name Name of a client.
 * @returns The client.
 * @throws {TypeError} If there is none of that name.
 */
export async function loadClient(runtime: RuntimeName, name: string): Promise<Client> {
  const load = clients[runtime][name];
  if (load === undefined) throw new TypeError(`Unknown client on ${runtime}: ${name}`);
  const { client } = await load();
  return client;
}
