import { collectGarbage } from "../collect_garbage.ts";
import { Crowd } from "../crowd.ts";
import { giveBack, lends, take } from "../holding.ts";
import { processorNs } from "../processor_time.ts";
import type { Scenario } from "../scenario.ts";
import type { SubjectKind } from "../subject.ts";

const CONNECTIONS = 10;
const WAITERS = 100_000;
const TIMEOUT_MS = 1_000;
const WARM_UP = { waiters: 10_000, timeoutMs: 100 };

/**
 * All connections in use, a hundred thousand waiters, all of them time out. Processor time is what counts: between the
 * last waiter and the first deadline nothing happens. A pool that cannot lend afterwards is measured, and marked.
 */
export const timeouts: Scenario = {
  name: "timeouts",
  suits: (kind) => kind.defaultTimeoutMs !== undefined,
  async run(kind, { effort, yardstick }) {
    await timeOut(kind, WARM_UP.waiters, WARM_UP.timeoutMs);
    const cpu: number[] = [];
    const lateMs: number[] = [];
    const works: number[] = [];
    const end = performance.now() + effort.budgetMs;
    do {
      const { result, stepNs } = await yardstick.beside(() => timeOut(kind, WAITERS, TIMEOUT_MS));
      cpu.push(result.cpuNs / WAITERS / stepNs);
      lateMs.push(result.lateMs);
      works.push(result.works ? 1 : 0);
    } while (performance.now() < end);
    return { times: { cpu }, others: { lateMs, works } };
  },
};

async function timeOut(
  kind: SubjectKind,
  waiters: number,
  acquireTimeoutMs: number,
): Promise<{ cpuNs: number; lateMs: number; works: boolean }> {
  const pool = kind.create({ max: CONNECTIONS, acquireTimeoutMs });
  const held = await take(pool, CONNECTIONS);
  const crowd = new Crowd<unknown>(waiters, (lease) => pool.release(lease));
  const start = processorNs();
  for (let i = 0; i < waiters; i++) crowd.add(pool.acquire());
  const queued = performance.now();
  await crowd.settled;
  const lateMs = performance.now() - queued - acquireTimeoutMs;
  const cpuNs = processorNs() - start;
  if (crowd.refused !== waiters) throw new Error(`${crowd.served} of ${waiters} did not time out`);
  giveBack(pool, held);
  const works = await lends(pool);
  // So that what a hundred thousand errors leave behind does not slow the yardstick.
  collectGarbage();
  return { cpuNs, lateMs, works };
}
