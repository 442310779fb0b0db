import { Crowd } from "../crowd.ts";
import { giveBack, lends, open, take } from "../holding.ts";
import { processorNs } from "../processor_time.ts";
import type { Bench, Measures, Scenario } from "../scenario.ts";
import type { Subject } from "../subject.ts";

const CONNECTIONS = 10;

/** Sizes of the queue; the small one shows whether the cost per waiter grows with the queue. */
const SIZES = [10_000, 100_000] as const;

/** All connections in use, a long queue; then they are released and the queue drains. */
export const drain: Scenario = {
  name: "drain",
  suits: () => true,
  async run(kind, bench) {
    const pool = kind.create({ max: CONNECTIONS });
    await open(pool, CONNECTIONS);
    const warm = performance.now() + bench.effort.warmUpMs;
    do await drainOnce(pool, SIZES[0]); while (performance.now() < warm);
    const times: Measures["times"] = {};
    for (const size of SIZES) await sample(pool, size, bench, times);
    if (!await lends(pool)) throw new Error("no acquire works afterwards");
    return { times, others: {} };
  },
};

async function sample<L>(
  pool: Subject<L>,
  size: number,
  { effort, yardstick }: Bench,
  times: Measures["times"],
): Promise<void> {
  const queue: number[] = times[`queue ${size}`] = [];
  const serve: number[] = times[`serve ${size}`] = [];
  const total: number[] = times[`total ${size}`] = [];
  const end = performance.now() + effort.budgetMs;
  do {
    const { result, stepNs } = await yardstick.beside(() => drainOnce(pool, size));
    queue.push(result.queueNs / size / stepNs);
    serve.push(result.serveNs / size / stepNs);
    total.push((result.queueNs + result.serveNs) / size / stepNs);
  } while (total.length < effort.samples && performance.now() < end);
}

async function drainOnce<L>(
  pool: Subject<L>,
  size: number,
): Promise<{ queueNs: number; serveNs: number }> {
  const held = await take(pool, CONNECTIONS);
  const crowd = new Crowd<L>(size, (lease) => pool.release(lease));
  const start = processorNs();
  for (let i = 0; i < size; i++) crowd.add(pool.acquire());
  const queued = processorNs();
  giveBack(pool, held);
  await crowd.settled;
  const served = processorNs();
  if (crowd.served !== size) throw new Error(`${crowd.refused} of ${size} were not served`);
  return { queueNs: queued - start, serveNs: served - queued };
}
