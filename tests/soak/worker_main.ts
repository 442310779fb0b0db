/**
 * The process that works: pools, and tasks on them. Told on its command line what to do, it tells what becomes of it.
 *
 * It never calls `exit` at the end of its work: that it ends at all is the proof that no pool holds it.
 *
 * @module
 */

import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { inspect } from "node:util";
import type { PoolCounts } from "../../src/core/stats.ts";
import type { PostgresPool } from "../../src/entry/postgres_pool.ts";
import { createPool } from "../support/entry.ts";
import { Chance } from "./chance.ts";
import { CountingClock } from "./counting_clock.ts";
import { END, type Report, type WorkerOptions } from "./protocol.ts";
import { Pace, runTask } from "./task.ts";

/** How often the pools are looked at, in milliseconds. */
const LOOK_MS = 50;

/** One in so many looks is told. */
const TOLD = 5;

/** Deadline of an acquire, in milliseconds: shorter than the longest outage, so that both ends are seen. */
const ACQUIRE_TIMEOUT_MS = 4_000;

/** Deadline of a connect, in milliseconds: one that is not answered must not use up that of an acquire. */
const CONNECT_TIMEOUT_MS = 1_500;

const lines: string[] = [];

/** Together with what else is told in the same turn. */
function tell(report: Report): void {
  lines.push(JSON.stringify(report) + "\n");
  if (lines.length === 1) setTimeout(flush);
}

function flush(): void {
  process.stdout.write(lines.splice(0).join(""));
}

function wrong(what: "unhandled" | "counts" | "answer", text: string): void {
  tell({ type: "wrong", what, text });
}

/** Two pools of different kinds, which share nothing but the server. */
function openPools(url: string, clock: CountingClock): PostgresPool[] {
  const common = {
    clock,
    acquireTimeoutMs: ACQUIRE_TIMEOUT_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  };
  return [
    createPool(url, { ...common, max: 10 }),
    createPool(url, { ...common, max: 5, multiplex: "off", reset: "session" }),
  ];
}

function problemOf(stats: PoolCounts): string | undefined {
  const { max, total, connecting, idle, used, checking, resetting, closing, waiters } = stats;
  const counts = [connecting, idle, used, checking, resetting, closing];
  const sum = counts.reduce((sum, count) => sum + count, 0);
  const fine = sum === total && total <= max && [...counts, waiters].every((count) => count >= 0);
  return fine ? undefined : JSON.stringify(stats);
}

function look(pools: readonly PostgresPool[]): PoolCounts[] {
  return pools.map((pool) => {
    const stats = pool.stats();
    const problem = problemOf(stats);
    if (problem !== undefined) wrong("counts", `a pool's counts: ${problem}`);
    return stats;
  });
}

/** Lends as many at once as there may be: a slot that an accident took and nobody gave back is missed. */
async function lendAll(db: PostgresPool): Promise<void> {
  const leases = await Promise.all(
    Array.from({ length: db.stats().max }, () => db.acquire({ timeoutMs: 10_000 })),
  );
  const pids = await Promise.all(leases.map(async ({ sql }) => {
    const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    return row?.pid;
  }));
  for (const lease of leases) lease.release();
  if (new Set(pids).size !== leases.length) wrong("answer", `lent twice: ${pids.join()}`);
}

async function main({ url, seed, tasks, rate, hangMs }: WorkerOptions): Promise<void> {
  for (const event of ["unhandledRejection", "uncaughtException"] as const) {
    process.on(event, (error: unknown) => wrong("unhandled", `${event}: ${inspect(error)}`));
  }
  const ending = new AbortController();
  const input = createInterface(process.stdin);
  const goodBye = once(input, "close");
  input.on("line", (line) => line === END && ending.abort());
  input.on("close", () => {
    // The one who watches is gone: there is nobody to work for.
    if (!ending.signal.aborted) process.exit(1);
  });

  const clock = new CountingClock();
  const pools = openPools(url, clock);
  let looks = 0;
  const looking = setInterval(() => {
    const stats = look(pools);
    if (looks++ % TOLD === 0) tell({ type: "counts", pools: stats });
  }, LOOK_MS);

  const paces = pools.map((db) => ({ db, pace: new Pace() }));
  await Promise.all(Array.from({ length: tasks }, (_, index) => {
    const place = paces[index % 3 === 2 ? 1 : 0];
    return place && runTask({
      ...{ index, ...place, hangMs, tell, ending: ending.signal },
      chance: new Chance(seed, index + 1),
      intervalMs: 1_000 * tasks / rate,
    });
  }));
  for (const pool of pools) {
    await lendAll(pool).catch((error) => wrong("answer", `not all lent: ${inspect(error)}`));
  }
  tell({ type: "drained" });
  await Promise.all(pools.map((pool) => pool.close()));
  clearInterval(looking);
  tell({ type: "closed", pools: look(pools), timers: clock.pending });
  await goodBye;
}

await main(JSON.parse(process.argv[2] ?? "") as WorkerOptions);
