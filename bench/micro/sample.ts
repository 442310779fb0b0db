/**
 * Timing of operations that are too short to be timed one by one.
 *
 * @module
 */

import type { Effort } from "./effort.ts";
import { processorNs } from "./processor_time.ts";
import type { Bench, Measures } from "./scenario.ts";

/** Runs an operation `count` times. */
export type Repeat = (count: number) => Promise<void>;

/**
 * Takes samples of several operations in turn, so that a slow moment of the machine falls on all of them.
 *
 * @param repeats The operations by name.
 * @param bench How to measure.
 * @returns Time per operation, by name.
 */
export async function sampleInTurn(
  repeats: ReadonlyMap<string, Repeat>,
  { effort, yardstick }: Bench,
): Promise<Measures> {
  const operations: { repeat: Repeat; count: number; samples: number[] }[] = [];
  const times: Record<string, number[]> = {};
  for (const [name, repeat] of repeats) {
    const samples: number[] = times[name] = [];
    operations.push({ repeat, count: await warmUp(repeat, effort), samples });
  }
  const end = performance.now() + effort.budgetMs;
  for (let round = 0; round < effort.samples; round++) {
    if (round > 0 && performance.now() > end) break;
    for (const { repeat, count, samples } of operations) {
      const { result, stepNs } = await yardstick.beside(() => timeNs(repeat, count));
      samples.push(result / count / stepNs);
    }
  }
  return { times, others: {} };
}

/** Runs an operation until it is compiled; returns how often it must run to fill a sample. */
async function warmUp(repeat: Repeat, effort: Effort): Promise<number> {
  const end = performance.now() + effort.warmUpMs;
  let count = 100;
  for (;;) {
    const ms = await timeNs(repeat, count) / 1e6;
    if (ms < effort.sampleMs) count = Math.ceil(count * Math.min(4, 1.2 * effort.sampleMs / ms));
    else if (performance.now() >= end) return count;
  }
}

async function timeNs(repeat: Repeat, count: number): Promise<number> {
  const start = processorNs();
  await repeat(count);
  return processorNs() - start;
}
