import { open } from "../holding.ts";
import type { Scenario } from "../scenario.ts";
import type { Subject } from "../subject.ts";
import { usedHeap } from "../used_heap.ts";

const CONNECTIONS = 10;
const CYCLES = 1_000_000;
/** How often the heap is weighed on the way. */
const STOPS = 20;

/** Whether a million acquires and releases leave anything behind: by how many bytes each lets the heap grow. */
export const endurance: Scenario = {
  name: "endurance",
  suits: () => true,
  async run(kind) {
    const pool = kind.create({ max: CONNECTIONS });
    await open(pool, CONNECTIONS);
    // What is allocated once and stays, compiled code above all.
    await cycle(pool, CYCLES / STOPS);
    const heaps: number[] = [usedHeap()];
    while (heaps.length <= STOPS) {
      await cycle(pool, CYCLES / STOPS);
      heaps.push(usedHeap());
    }
    return { times: {}, others: { slope: [slope(heaps) / (CYCLES / STOPS)] } };
  },
};

async function cycle<L>(pool: Subject<L>, count: number): Promise<void> {
  for (let done = 0; done < count; done++) pool.release(await pool.acquire());
}

/** By how much the values grow from one to the next: the slope of the line through them (least squares). */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  let covariance = 0;
  let variance = 0;
  values.forEach((value, index) => {
    covariance += (index - middle) * value;
    variance += (index - middle) ** 2;
  });
  return covariance / variance;
}
