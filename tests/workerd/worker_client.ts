/**
 * What the tests know of their worker.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Schema } from "../driver/postgres/schema.ts";
import { Workerd } from "./workerd.ts";

/** The worker. */
export const WORKER: URL = new URL("worker.ts", import.meta.url);

/** What became of something in the worker: a value, or an error. */
export interface Outcome {
  readonly value?: unknown;
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly outcome?: string;
  /** How long it took to fail. */
  readonly ms?: number;
}

/**
 * Runs `fn` with a worker that has a table `t (x int)`; then all its sessions must end, and it must have nothing to say.
 *
 * @param fn What to do with it.
 */
export async function withWorker(
  fn: (workerd: Workerd, schema: Schema) => Promise<void>,
): Promise<void> {
  await using schema = await Schema.create("create table t (x int)");
  await using workerd = await Workerd.start({ worker: WORKER, env: { DATABASE_URL: schema.url } });
  await fn(workerd, schema);
  await sessionsGone(schema);
  assertEquals(workerd.log, "");
}

/** Waits until no session of a schema is open. */
export async function sessionsGone(schema: Schema): Promise<void> {
  while (await countSessions(schema) > 0);
}

/** How many sessions of a schema are open; of those only that wait for `event`, if one is given. */
export async function countSessions(schema: Schema, event: string | null = null): Promise<number> {
  const rows = await schema.query<{ count: string }>(
    `select count(*) from pg_stat_activity
      where application_name = $1 and ($2::text is null or wait_event = $2)`,
    [schema.name, event],
  );
  return Number(rows[0]?.count);
}
