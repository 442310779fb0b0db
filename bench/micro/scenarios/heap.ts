import { Crowd } from "../crowd.ts";
import { giveBack, take } from "../holding.ts";
import type { Scenario } from "../scenario.ts";
import type { SubjectKind } from "../subject.ts";
import { usedHeap } from "../used_heap.ts";

const CONNECTIONS = 10;
const WAITERS = 10_000;

/** What a waiter weighs: the pool's own, its promise, and the reaction of who awaits it. */
export const heap: Scenario = {
  name: "heap",
  suits: () => true,
  async run(kind, { effort }) {
    const bytes: number[] = [];
    // The first time code and tables are allocated that stay.
    await weigh(kind);
    while (bytes.length < effort.samples) bytes.push(await weigh(kind));
    return { times: {}, others: { bytes } };
  },
};

async function weigh(kind: SubjectKind): Promise<number> {
  const pool = kind.create({ max: CONNECTIONS });
  const held = await take(pool, CONNECTIONS);
  const crowd = new Crowd<unknown>(WAITERS, (lease) => pool.release(lease));
  const before = usedHeap();
  for (let i = 0; i < WAITERS; i++) crowd.add(pool.acquire());
  const after = usedHeap();
  giveBack(pool, held);
  await crowd.settled;
  return (after - before) / WAITERS;
}
