/**
 * What a test of the pool on the fault rig begins with.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import type { ISql, PendingQuery, Row } from "postgres";
import { Schema } from "../../driver/postgres/schema.ts";
import { FaultProxy } from "../../faults/fault_proxy.ts";
import { stating } from "../../faults/wire_message.ts";
import { createPool, type CreatePoolOptions, type PostgresPool } from "../../support/entry.ts";
import type { PostgresServer } from "../../support/postgres_server.ts";

/** Tables and functions, a proxy before them, a pool before the proxy. */
export interface Rig extends AsyncDisposable {
  readonly schema: Schema;
  readonly proxy: FaultProxy;
  readonly db: PostgresPool;
}

/**
 * Makes it.
 *
 * @param options The pool's.
 * @param setUp Statements that are run in the schema.
 * @returns It, with nothing open.
 */
export async function rig(
  options: CreatePoolOptions = {},
  setUp = "create table t (x int)",
): Promise<Rig> {
  await using stack = new AsyncDisposableStack();
  const schema = stack.use(await Schema.create(setUp));
  const proxy = stack.use(await FaultProxy.start(schema.url));
  const db = stack.use(createPool(schema.through(proxy), options));
  const all = stack.move();
  return { schema, proxy, db, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/**
 * Opens connections, all at the same time, and gives them back.
 *
 * @param db The pool.
 * @param count How many.
 * @returns For each a promise that is fulfilled when it is lost.
 */
export async function warm(
  db: PostgresPool,
  count: number,
): Promise<Promise<unknown>[]> {
  const leases = await Promise.all(
    Array.from({ length: count }, () => db.acquire()),
  );
  const losses = leases.map(({ connection }) =>
    new Promise((resolve) => connection.onLost(resolve))
  );
  for (const lease of leases) lease.release();
  return losses;
}

/**
 * Sends a statement with one parameter, whose text nobody has prepared before.
 *
 * @param sql Where to.
 * @param before The text before the parameter.
 * @param value The parameter.
 * @param after The text after it.
 * @returns The query.
 */
export function ask(
  sql: ISql,
  before: string,
  value: number,
  after = "",
): PendingQuery<Row[]> {
  const strings = [before, `${after} /* ${crypto.randomUUID()} */`];
  return sql(Object.assign(strings, { raw: strings }), value);
}

/** Whether a message is the first of a statement of the table's. */
export const isInsert = stating("insert into t");

/** What an error says of the work. */
export interface Verdict {
  readonly code: unknown;
  readonly outcome: unknown;
}

/**
 * Waits for a rejection.
 *
 * @param work What is to reject.
 * @returns The error's code and outcome.
 */
export async function failure(work: PromiseLike<unknown>): Promise<Verdict> {
  const error = await assertRejects(async () => await work);
  return {
    code: Reflect.get(error as object, "code"),
    outcome: Reflect.get(error as object, "outcome"),
  };
}

/**
 * Checks that nobody waits for anything and nothing is lent. Connects may go on: they are the pool's.
 *
 * @param db The pool.
 */
export function assertAtRest(db: PostgresPool): void {
  const { waiters, used } = db.stats();
  assertEquals({ waiters, used }, { waiters: 0, used: 0 });
}

/**
 * Waits until the books say something.
 *
 * @param condition Looks whether they do; asked again at every turn of the event loop.
 */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise<void>((resolve) => setTimeout(resolve));
  }
}

/**
 * Waits for a server's clock to leave the second of its last checkpoint: a COMMIT in that second can't be told from one
 * that a crash took away.
 *
 * @param server The server.
 */
export async function leaveCheckpoint(server: PostgresServer): Promise<void> {
  const past = "select date_trunc('second', clock_timestamp()) > checkpoint_time as past " +
    "from pg_control_checkpoint()";
  while ((await server.query(past))[0]?.past !== true);
}
