/**
 * Crashes a server under a pool, once.
 *
 * @module
 */

import type { Runtime, Socket } from "../../src/core/runtime.ts";
import { createPoolOn } from "../../src/entry/common.ts";
import { runtime } from "../../tests/support/entry.ts";
import { PostgresServer, query } from "../../tests/support/postgres_server.ts";
import { printResult, readInput } from "../child_result.ts";
import type { RecoveryInput, RecoveryReport } from "./exchange.ts";

/** The pool's own, of which a pause is a random part; see src/core/outage.ts. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_500;
const POLL_MS = 3;

const { size, downMs } = readInput() as RecoveryInput;

let attempts = 0;
let failures = 0;
const counting: Runtime = {
  ...runtime,
  connect(address, options): Socket {
    attempts++;
    const socket = runtime.connect(address, options);
    socket.opened.catch(() => failures++);
    return socket;
  },
};

async function measure(): Promise<RecoveryReport> {
  await using server = await PostgresServer.start({ config: { max_connections: `${size + 20}` } });
  const url = server.url();
  await using db = createPoolOn(counting)(url, { max: size });
  const leases = await Promise.all(Array.from({ length: size }, () => db.acquire()));
  for (const lease of leases) lease.release();

  let crashedAt = Infinity;
  let ending = false;
  let failedStatements = 0;
  const succeededAt: (number | undefined)[] = Array.from({ length: size });
  const everybody = Promise.withResolvers<void>();
  let missing = size;
  const worker = async (index: number): Promise<void> => {
    while (!ending) {
      try {
        await db.use(({ sql }) => sql`select 1`);
        if (performance.now() > crashedAt && succeededAt[index] === undefined) {
          succeededAt[index] = performance.now();
          if (--missing === 0) everybody.resolve();
        }
      } catch {
        failedStatements++;
      }
    }
  };
  const workers = Promise.all(succeededAt.map((_, index) => worker(index)));
  await new Promise((resolve) => setTimeout(resolve, 300));

  const start = performance.now();
  await server.stop("immediate");
  crashedAt = performance.now();
  const before = { attempts, failures };
  await new Promise((resolve) => setTimeout(resolve, downMs));
  void server.start();
  const backAt = await untilServed(url);
  const failedConnects = failures - before.failures;
  await everybody.promise;
  ending = true;
  await workers;
  const times = succeededAt.map((at) => (at ?? NaN) - start);
  return {
    backMs: backAt - start,
    firstMs: Math.min(...times),
    allMs: Math.max(...times),
    stepMs: Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, failedConnects - 1)),
    failedConnects,
    connects: attempts - before.attempts - (failures - before.failures),
    failedStatements,
  };
}

async function untilServed(url: string): Promise<number> {
  for (;;) {
    try {
      await query(url, "select 1");
      return performance.now();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

printResult(await measure());
