/**
 * Measures how long short statements take beside slow ones: every hundredth statement sleeps. The pools take turns in
 * short stretches.
 *
 * @module
 */

import { createPool, type PostgresPool } from "../../tests/support/entry.ts";
import { printResult, readInput } from "../child_result.ts";
import { POOL_SIZE } from "./clients.ts";
import type { Latency, MixedInput, MixedReport } from "./exchange.ts";
import { load } from "./load.ts";

/** One in so many statements is slow. */
const SLOW_ONE_IN = 100;
const WARM_UP_MS = 1_000;

const { url, concurrency, rounds, windowMs } = readInput() as MixedInput;

/** A pool, and how long its short statements took, in milliseconds. */
interface Competitor {
  readonly multiplex: "auto" | "off";
  readonly db: PostgresPool;
  readonly rounds: Latency[];
  statements: number;
}

const competitors = (["auto", "off"] as const).map((multiplex): Competitor => ({
  multiplex,
  db: createPool(url, { max: POOL_SIZE, multiplex }),
  rounds: [],
  statements: 0,
}));

async function stretch(competitor: Competitor, ms: number): Promise<Latency> {
  const { db } = competitor;
  const short: number[] = [];
  const work = async (): Promise<void> => {
    if (++competitor.statements % SLOW_ONE_IN === 0) {
      await db.sql`select pg_sleep(0.2)`;
      return;
    }
    const start = performance.now();
    await db.sql`select 1 as x`;
    short.push(performance.now() - start);
  };
  const { perSecond } = await load(work, concurrency, ms);
  short.sort((a, b) => a - b);
  const at = (part: number): number => short[Math.floor(short.length * part)] ?? NaN;
  return { perSecond, medianMs: at(0.5), p99Ms: at(0.99) };
}

for (const competitor of competitors) await stretch(competitor, WARM_UP_MS);
for (let round = 0; round < rounds; round++) {
  for (const competitor of round % 2 === 0 ? competitors : competitors.toReversed()) {
    competitor.rounds.push(await stretch(competitor, windowMs));
  }
}
for (const { db } of competitors) await db.close();
const report: MixedReport = Object.fromEntries(
  competitors.map(({ multiplex, rounds }) => [multiplex, rounds]),
);
printResult(report);
