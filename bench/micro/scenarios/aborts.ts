import { Crowd } from "../crowd.ts";
import { giveBack, lends, take } from "../holding.ts";
import { processorNs } from "../processor_time.ts";
import type { Scenario } from "../scenario.ts";
import { shuffled } from "../shuffle.ts";
import type { Subject } from "../subject.ts";

const CONNECTIONS = 10;
const WAITERS = 100_000;

/**
 * All connections in use, a hundred thousand waiters with a signal each, aborted in random order. The controllers
 * exist beforehand and share one reason, because `AbortController` and `DOMException` are not the pool's cost.
 */
export const aborts: Scenario = {
  name: "aborts",
  suits: (kind) => kind.cancels,
  async run(kind, { effort, yardstick }) {
    const pool = kind.create({ max: CONNECTIONS });
    await abortAll(pool, WAITERS / 10);
    const queue: number[] = [];
    const abort: number[] = [];
    const total: number[] = [];
    const end = performance.now() + effort.budgetMs;
    do {
      const { result, stepNs } = await yardstick.beside(() => abortAll(pool, WAITERS));
      queue.push(result.queueNs / WAITERS / stepNs);
      abort.push(result.abortNs / WAITERS / stepNs);
      total.push((result.queueNs + result.abortNs) / WAITERS / stepNs);
    } while (total.length < effort.samples && performance.now() < end);
    return { times: { queue, abort, total }, others: {} };
  },
};

async function abortAll<L>(
  pool: Subject<L>,
  waiters: number,
): Promise<{ queueNs: number; abortNs: number }> {
  const acquireUntil = pool.acquireUntil?.bind(pool);
  if (acquireUntil === undefined) throw new Error("cannot cancel");
  const held = await take(pool, CONNECTIONS);
  const controllers = Array.from({ length: waiters }, () => new AbortController());
  const signals = controllers.map((controller) => controller.signal);
  const order = shuffled(controllers);
  const reason = new Error("Not wanted any more");
  const crowd = new Crowd<L>(waiters, (lease) => pool.release(lease));
  const start = processorNs();
  for (const signal of signals) crowd.add(acquireUntil(signal));
  const queued = processorNs();
  for (const controller of order) controller.abort(reason);
  await crowd.settled;
  const settled = processorNs();
  if (crowd.refused !== waiters) throw new Error(`${crowd.served} of ${waiters} were served`);
  giveBack(pool, held);
  if (!await lends(pool)) throw new Error("no acquire works afterwards");
  return { queueNs: queued - start, abortNs: settled - queued };
}
