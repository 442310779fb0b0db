import { open } from "../holding.ts";
import { sampleInTurn } from "../sample.ts";
import type { Scenario } from "../scenario.ts";
import type { Subject } from "../subject.ts";

/** One borrower, ten idle connections: acquire, release. */
export const uncontended: Scenario = {
  name: "uncontended",
  suits: () => true,
  async run(kind, bench) {
    const pool = kind.create({ max: 10 });
    await open(pool, 10);
    return await sampleInTurn(new Map([["cycle", (count) => cycle(pool, count)]]), bench);
  },
};

async function cycle<L>(pool: Subject<L>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) pool.release(await pool.acquire());
}
