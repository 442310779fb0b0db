/**
 * A closed loop of workers.
 *
 * @module
 */

import process from "node:process";

/** What a stretch of work came to. */
export interface Stretch {
  /** Operations per second. */
  readonly perSecond: number;
  /** Processor time of this process per operation, in microseconds. */
  readonly cpuMicros: number;
}

/**
 * Takes stretches of the same length together.
 *
 * @param stretches At least one.
 * @returns Their means.
 */
export function together(stretches: readonly Stretch[]): Stretch {
  const mean = (values: number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    perSecond: mean(stretches.map(({ perSecond }) => perSecond)),
    cpuMicros: mean(stretches.map(({ cpuMicros }) => cpuMicros)),
  };
}

/**
 * Lets `concurrency` workers do `work` over and over.
 *
 * @param work One operation.
 * @param concurrency How many at the same time.
 * @param ms For how long, in milliseconds.
 * @returns What it came to.
 */
export async function load(
  work: () => Promise<unknown>,
  concurrency: number,
  ms: number,
): Promise<Stretch> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const end = start + ms;
  let count = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      await work();
      count++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: count / (performance.now() - start) * 1000,
    cpuMicros: (user + system) / count,
  };
}
