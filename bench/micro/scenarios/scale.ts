import { open, take } from "../holding.ts";
import { type Repeat, sampleInTurn } from "../sample.ts";
import type { Scenario } from "../scenario.ts";
import type { Subject, SubjectKind } from "../subject.ts";

/** Numbers of connections. */
export const SCALE_SIZES = [10, 100, 1_000, 10_000] as const;

/** Acquire and release beside many idle connections. */
export const idle: Scenario = scale("idle", async (kind, size) => {
  const pool = kind.create({ max: size });
  await open(pool, size);
  return pool;
});

/** Acquire and release beside many connections in use. */
export const used: Scenario = scale("used", async (kind, size) => {
  const pool = kind.create({ max: size + 1 });
  await open(pool, size + 1);
  await take(pool, size);
  return pool;
});

function scale(
  name: string,
  prepare: (kind: SubjectKind, size: number) => Promise<Subject<unknown>>,
): Scenario {
  return {
    name,
    suits: () => true,
    async run(kind, bench) {
      const repeats = new Map<string, Repeat>();
      for (const size of SCALE_SIZES) {
        const pool = await prepare(kind, size);
        repeats.set(`${size}`, (count) => cycle(pool, count));
      }
      return await sampleInTurn(repeats, bench);
    },
  };
}

async function cycle<L>(pool: Subject<L>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) pool.release(await pool.acquire());
}
