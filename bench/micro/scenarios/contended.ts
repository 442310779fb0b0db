import { open } from "../holding.ts";
import { processorNs } from "../processor_time.ts";
import type { Scenario } from "../scenario.ts";
import type { Subject } from "../subject.ts";

const CONNECTIONS = 10;
const BORROWERS = 1_000;
const ROUNDS = 100;
/**
 * The optimizing compiler needs that much longer here than elsewhere, and its time would be counted: with a third of it, a
 * pool that has more code than its bound looked a tenth slower than it is once compiled, and twice as uncertain.
 */
const WARM_UP_FACTOR = 20;

/** A thousand borrowers on ten connections; each holds its connection for one turn of the microtask queue. */
export const contended: Scenario = {
  name: "contended",
  suits: () => true,
  async run(kind, { effort, yardstick }) {
    const pool = kind.create({ max: CONNECTIONS });
    await open(pool, CONNECTIONS);
    const warm = performance.now() + effort.warmUpMs * WARM_UP_FACTOR;
    do await rush(pool); while (performance.now() < warm);
    const cycle: number[] = [];
    const end = performance.now() + effort.budgetMs;
    do {
      const { result, stepNs } = await yardstick.beside(() => timeNs(pool));
      cycle.push(result / (BORROWERS * ROUNDS) / stepNs);
    } while (cycle.length < effort.samples && performance.now() < end);
    return { times: { cycle }, others: {} };
  },
};

async function timeNs<L>(pool: Subject<L>): Promise<number> {
  const start = processorNs();
  await rush(pool);
  return processorNs() - start;
}

function rush<L>(pool: Subject<L>): Promise<unknown> {
  return Promise.all(Array.from({ length: BORROWERS }, () => borrow(pool)));
}

async function borrow<L>(pool: Subject<L>): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const lease = await pool.acquire();
    await undefined;
    pool.release(lease);
  }
}
